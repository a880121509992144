"""Measure the phonetic similarity of texts by their letters and, for English, by their Metaphone codes."""

from collections.abc import Iterable
from dataclasses import dataclass

import jellyfish
import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from stream.words import spoken_form

Similarity = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PhoneticForms:
    """The phonetic forms of several texts: their letters without spaces, and the Metaphone codes of those."""

    letters: tuple[str, ...]
    consonants: tuple[str, ...]


def phonetic_forms(texts: Iterable[str]) -> PhoneticForms:
    """Return the phonetic forms of texts, which ignore word boundaries."""
    letters = tuple(spoken_form(text).replace(" ", "") for text in texts)
    return PhoneticForms(letters, tuple(map(_consonants, letters)))


def similarity(texts: PhoneticForms, others: PhoneticForms) -> Similarity:
    """Return `float32[n_texts, n_others]` from 0 to 1; in scripts that Metaphone does not cover only letters count."""
    letters = cdist(texts.letters, others.letters, scorer=Levenshtein.normalized_similarity, dtype=np.float32)
    consonants = cdist(texts.consonants, others.consonants, scorer=Levenshtein.normalized_similarity, dtype=np.float32)
    return np.asarray((letters + consonants) / 2, dtype=np.float32)


def _consonants(letters: str) -> str:
    """Return the Metaphone code, or the letters themselves if it is empty: all digits would be the same otherwise."""
    return (jellyfish.metaphone(letters) if letters.isascii() else "") or letters
