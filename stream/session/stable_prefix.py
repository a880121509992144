"""Stable words: leading words of an utterance that will not change any more."""

from collections import deque

from stream.session.events import Alternative, Hypothesis, Word
from vad import SAMPLE_RATE

# Where the recognizer marks no words as stable, those count on which so many hypotheses in a row agree for so long.
_AGREEING_HYPOTHESES = 3
_AGREEING_SAMPLES = SAMPLE_RATE


class Agreement:
    """Finds the leading words on which the latest hypotheses agree."""

    def __init__(self) -> None:
        self._latest: deque[tuple[list[str], int]] = deque()

    def stable_words(self, words: list[str], processed_samples: int) -> int:
        """Take the words of the next hypothesis; return how many leading ones have been the same for long enough."""
        self._latest.append((words, processed_samples))
        while len(self._latest) > _AGREEING_HYPOTHESES and self._span(1) >= _AGREEING_SAMPLES:
            self._latest.popleft()
        if len(self._latest) < _AGREEING_HYPOTHESES or self._span(0) < _AGREEING_SAMPLES:
            return 0
        return _common([earlier for earlier, _ in self._latest])

    def _span(self, first: int) -> int:
        return self._latest[-1][1] - self._latest[first][1]


class StablePrefix:
    """The words that were emitted as stable: the prefix only grows, and no later hypothesis changes it."""

    def __init__(self) -> None:
        self._words: tuple[Word, ...] = ()

    def applied(self, hypothesis: Hypothesis) -> Hypothesis:
        """Return an unsettled hypothesis that begins with the prefix, and extend the prefix by its stable words."""
        words = hypothesis.best.words
        if not self._words and not hypothesis.stable_words:
            return hypothesis
        if not self.begins(words):
            words = self._words + words[len(self._words) :]
        self._words = words[: max(len(self._words), min(hypothesis.stable_words, len(words)))]
        best = Alternative(words, hypothesis.best.confidence)
        alternatives = (best, *hypothesis.alternatives[1:]) if words else hypothesis.alternatives
        return hypothesis.with_alternatives(alternatives, len(self._words))

    def begins(self, words: tuple[Word, ...]) -> bool:
        """Whether these words begin with the prefix."""
        prefix = self._words
        return len(words) >= len(prefix) and all(a.text == b.text for a, b in zip(prefix, words, strict=False))


def _common(hypotheses: list[list[str]]) -> int:
    """Return how many leading words all have in common."""
    # All others lie between the first and the last in order, and so begin as both do.
    first, last = min(hypotheses), max(hypotheses)
    count = 0
    for one, other in zip(first, last, strict=False):
        if one != other:
            break
        count += 1
    return count
