"""Owns the vocabulary of a session: hypotheses, what goes into its core, what comes out, what it orders.

All positions and spans are samples on the connection's one clock, 16 kHz, from its first sample.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Word:
    """One word; `start` and `end` are 0 and `confidence` is 0.0 where they are not known."""

    text: str
    start: int = 0
    end: int = 0
    confidence: float = 0.0

    def shifted(self, samples: int) -> "Word":
        return replace(self, start=self.start + samples, end=self.end + samples)


@dataclass(frozen=True, slots=True)
class Alternative:
    """One reading of an utterance; `confidence` from 0 to 1, 0.0 for unknown."""

    words: tuple[Word, ...] = ()
    confidence: float = 0.0

    @property
    def transcript(self) -> str:
        return " ".join(word.text for word in self.words)


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """The recognizer's current text for an utterance, best alternative first.

    `stable_words` leading words of the best alternative will not change any more, `stability` is the
    recognizer's own estimate from 0 to 1. `processed` is how many samples of the utterance it has heard.
    """

    alternatives: tuple[Alternative, ...] = ()
    is_final: bool = False
    stability: float = 0.0
    stable_words: int = 0
    processed: int = 0

    @property
    def best(self) -> Alternative:
        return self.alternatives[0] if self.alternatives else Alternative()
