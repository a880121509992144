"""Settled utterances for tests of OpenAI's answers."""

from stream.session.events import Alternative, EndCause, Finished, Hypothesis, Reason, Settled, Totals, Word
from vad import SAMPLE_RATE


def word(text: str, start_seconds: float = 0.0, end_seconds: float = 0.0, confidence: float = 0.0) -> Word:
    """A word at these seconds."""
    return Word(text, round(start_seconds * SAMPLE_RATE), round(end_seconds * SAMPLE_RATE), confidence)


def settled(number: int, *words: Word, start_seconds: float = 0.0, end_seconds: float = 0.0) -> Settled:
    """An utterance of these words, which may begin before the first and end after the last."""
    return Settled(
        number,
        Hypothesis((Alternative(words, 0.5),), is_final=True),
        Reason.ENDPOINT,
        round(end_seconds * SAMPLE_RATE),
        0.1,
        was_shown=False,
        start=round(start_seconds * SAMPLE_RATE),
    )


def finished(*utterances: Settled, received_seconds: float = 4.0) -> Finished:
    """The end of a recording with these utterances."""
    return Finished(utterances, Totals(), round(received_seconds * SAMPLE_RATE), 0.2, EndCause.CLOSE)


HELLO = settled(1, word("Hello", 0.5, 0.75, 0.5), word("there.", 0.75, 1.0, 1.0), start_seconds=0.25, end_seconds=1.5)
BYE = settled(2, word("Bye.", 2.0, 2.5, 0.25), start_seconds=1.75, end_seconds=3.0)
BOTH = finished(HELLO, BYE)
