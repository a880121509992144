"""Write the numbers of hypotheses in digits: a number of several words becomes one word with the time of all."""

from dataclasses import replace

from stream.recognition.numbers.persian import is_undecided, numbers_in
from stream.session.events import Hypothesis, RecognitionOptions, Word

_LANGUAGE = "fa"


def with_digits(hypothesis: Hypothesis, options: RecognitionOptions) -> Hypothesis:
    """Return a hypothesis with numbers as the options want them; stable words never change afterwards.

    Only Persian is rewritten. A number at the end of the stable words is not stable: it may go on.
    """
    if not options.writes_digits or options.language_code.partition("-")[0].lower() != _LANGUAGE:
        return hypothesis
    stable_words = hypothesis.best.words[: hypothesis.stable_words]
    while stable_words and is_undecided(stable_words[-1].text):
        stable_words = stable_words[:-1]
    alternatives = tuple(replace(one, words=_written(one.words)) for one in hypothesis.alternatives)
    return hypothesis.with_alternatives(alternatives, len(_written(stable_words)))


def _written(words: tuple[Word, ...]) -> tuple[Word, ...]:
    written: list[Word] = []
    position = 0
    for run in numbers_in([word.text for word in words]):
        written += words[position : run.first]
        written.append(_merged(words[run.first : run.end], run.text))
        position = run.end
    return (*written, *words[position:])


def _merged(words: tuple[Word, ...], text: str) -> Word:
    confidence = sum(word.confidence for word in words) / len(words)
    return replace(words[0], text=text, end=words[-1].end, confidence=confidence)
