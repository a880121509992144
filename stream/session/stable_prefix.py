"""Owns the promise of stable words: leading words of an utterance that will not change any more."""

from collections import deque
from dataclasses import replace

from stream.session.events import Alternative, Hypothesis, Word
from vad import SAMPLE_RATE

# A recognizer that promises nothing is believed where so many hypotheses in a row agree for so long.
_AGREEING_HYPOTHESES = 3
_AGREEING_SAMPLES = SAMPLE_RATE


class Agreement:
    """Finds the leading words on which the latest hypotheses agree."""

    def __init__(self) -> None:
        self._latest: deque[tuple[tuple[str, ...], int]] = deque()

    def stable_words(self, hypothesis: Hypothesis) -> int:
        """Take the next hypothesis; return how many of its leading words have stood long enough."""
        words = tuple(word.text for word in hypothesis.best.words)
        self._latest.append((words, hypothesis.processed))
        while len(self._latest) > _AGREEING_HYPOTHESES and self._span(1) >= _AGREEING_SAMPLES:
            self._latest.popleft()
        if len(self._latest) < _AGREEING_HYPOTHESES or self._span(0) < _AGREEING_SAMPLES:
            return 0
        return _common([earlier for earlier, _ in self._latest])

    def _span(self, first: int) -> int:
        return self._latest[-1][1] - self._latest[first][1]


class Promise:
    """What a client was told to be stable: it only grows, and no later hypothesis changes it."""

    def __init__(self) -> None:
        self._words: tuple[Word, ...] = ()

    def kept(self, hypothesis: Hypothesis) -> Hypothesis:
        """Return an unsettled hypothesis with the promised words in front, and promise what it newly claims."""
        words = hypothesis.best.words
        if not self.is_kept_by(words):
            words = self._words + words[len(self._words) :]
        self._words = words[: max(len(self._words), min(hypothesis.stable_words, len(words)))]
        best = Alternative(words, hypothesis.best.confidence)
        alternatives = (best, *hypothesis.alternatives[1:]) if words else hypothesis.alternatives
        return replace(hypothesis, alternatives=alternatives, stable_words=len(self._words))

    def is_kept_by(self, words: tuple[Word, ...]) -> bool:
        """Whether these words begin with the promised ones."""
        promised = [word.text for word in self._words]
        return [word.text for word in words[: len(promised)]] == promised


def _common(hypotheses: list[tuple[str, ...]]) -> int:
    """How many leading words all have in common."""
    count = 0
    for same in zip(*hypotheses, strict=False):
        if len(set(same)) > 1:
            break
        count += 1
    return count
