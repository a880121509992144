"""Utterances for tests that store transcriptions."""

from collections.abc import Sequence

from stream.session.events import Alternative, Hypothesis, Reason, Settled, Word
from vad import SAMPLE_RATE


def said(*texts: str) -> Sequence[Settled]:
    """Settled utterances of a second each, one for each text."""
    return [
        Settled(
            utterance_id=number,
            hypothesis=Hypothesis((Alternative(tuple(Word(word) for word in text.split()), 0.5),), is_final=True),
            reason=Reason.ENDPOINT,
            processed=(number + 1) * SAMPLE_RATE,
            inference_seconds=0.1,
            was_shown=False,
            start=number * SAMPLE_RATE,
        )
        for number, text in enumerate(texts)
    ]
