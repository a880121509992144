"""Compute word error rates, replaced words and percentiles."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

import numpy as np
from jiwer import process_words
from whisper_normalizer.english import EnglishTextNormalizer

_normalize = EnglishTextNormalizer()


@dataclass(slots=True, kw_only=True)
class Flicker:
    """How many words were shown, and how many of them were taken back by a later text of their utterance."""

    words: int = 0
    changed: int = 0
    _utterance: int = 0
    _before: list[str] = field(default_factory=list)

    def show(self, utterance: int, words: list[str]) -> None:
        """Count what a new text of an utterance adds and takes back; case and punctuation are not counted."""
        words = ["".join(letter for letter in word.casefold() if letter.isalnum()) for word in words]
        before = self._before if utterance == self._utterance else []
        kept = sum(block.size for block in SequenceMatcher(None, before, words, autojunk=False).get_matching_blocks())
        self.words += len(words) - kept
        self.changed += len(before) - kept
        self._utterance, self._before = utterance, words


def error_rate(pairs: Sequence[tuple[str, str]]) -> float:
    """Word error rate in percent of (reference, transcript) pairs."""
    references = [normalized(reference) for reference, _ in pairs]
    transcripts = [normalized(transcript) for _, transcript in pairs]
    return 100 * float(process_words(references, transcripts).wer)


def normalized(text: str) -> str:
    """The words as they are compared: without case, punctuation and ways to write a number."""
    return str(_normalize(text))


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that `percent` of them do not exceed; not a number where there are none."""
    return float(np.percentile(values, percent)) if values else float("nan")
