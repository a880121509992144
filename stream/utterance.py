"""Owns one utterance: a segment, what is known of its words, and where they lie on the connection's clock."""

from dataclasses import dataclass, field, replace

from stream.events import Alternative, Hypothesis, Reason, Settled, Unsettled, Word


@dataclass(slots=True)
class Utterance:
    """A segment and its recognition; `start` and `end` are samples on the connection's clock."""

    utterance_id: int
    start: int
    end: int = 0
    reason: Reason | None = None
    hypothesis: Hypothesis = field(default_factory=Hypothesis)
    shown: tuple[Word, ...] = ()
    is_settled: bool = False
    is_lost: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether its audio has ended."""
        return self.reason is not None

    @property
    def has_news(self) -> bool:
        """Whether there are words to show, and not the same as before."""
        return bool(self.hypothesis.best.words) and self.hypothesis.best.words != self.shown

    @property
    def length(self) -> int:
        return self.end - self.start

    def hear(self, hypothesis: Hypothesis) -> None:
        """Take a newer hypothesis; a final one settles the utterance."""
        self.hypothesis = hypothesis
        self.is_settled = hypothesis.is_final

    def unsettled(self, inference_seconds: float) -> Unsettled:
        """What is shown before the end: words only, as times and confidences are still to come."""
        self.shown = self.hypothesis.best.words
        alternatives = tuple(
            Alternative(tuple(Word(word.text) for word in alternative.words))
            for alternative in self.hypothesis.alternatives
        )
        hypothesis = replace(self.hypothesis, alternatives=alternatives)
        return Unsettled(self.utterance_id, hypothesis, self.start + hypothesis.processed, inference_seconds)

    def settled(self, inference_seconds: float) -> Settled:
        """The last word on it; every word has a time."""
        alternatives = tuple(
            replace(alternative, words=self._placed(alternative.words)) for alternative in self.hypothesis.alternatives
        )
        return Settled(
            self.utterance_id,
            replace(self.hypothesis, alternatives=alternatives, is_final=True),
            self.reason or Reason.ENDPOINT,
            self.end,
            inference_seconds,
            bool(self.shown),
        )

    def _placed(self, words: tuple[Word, ...]) -> tuple[Word, ...]:
        """Move the words onto the connection's clock; without times they are spread over the utterance."""
        if any(word.end <= 0 for word in words):
            words = _spread(words, self.length)
        return tuple(
            replace(word, start=self.start + min(word.start, self.length), end=self.start + min(word.end, self.length))
            for word in words
        )


def _spread(words: tuple[Word, ...], length: int) -> tuple[Word, ...]:
    """Give each word a share of `length` samples in proportion to its letters."""
    letters = sum(len(word.text) for word in words) or 1
    spread = []
    before = 0
    for word in words:
        start = length * before // letters
        before += len(word.text)
        spread.append(replace(word, start=start, end=length * before // letters))
    return tuple(spread)
