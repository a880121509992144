"""Owns how alike two texts sound: by their letters, and by the consonants that Metaphone hears in English ones."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

import jellyfish
import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

Likeness = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sounds:
    """What texts sound like, one entry for each: their letters without spaces, and the consonants of those."""

    letters: tuple[str, ...]
    consonants: tuple[str, ...]


def spoken(text: str) -> str:
    """Return a text as the ear knows it: small letters and digits with one space between words, no accents."""
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text.casefold())
    kept = (letter if letter.isalnum() else " " * (letter.isspace() or letter == "-") for letter in text.casefold())
    return " ".join("".join(kept).split())


def sounds(texts: Iterable[str]) -> Sounds:
    """Return what texts sound like; where their words begin and end does not count."""
    letters = tuple(spoken(text).replace(" ", "") for text in texts)
    return Sounds(letters, tuple(map(_consonants, letters)))


def likeness(texts: Sounds, others: Sounds) -> Likeness:
    """Return `float32[n_texts, n_others]` from 0 to 1; in scripts that Metaphone does not know only letters count."""
    letters = cdist(texts.letters, others.letters, scorer=Levenshtein.normalized_similarity, dtype=np.float32)
    consonants = cdist(texts.consonants, others.consonants, scorer=Levenshtein.normalized_similarity, dtype=np.float32)
    return np.asarray((letters + consonants) / 2, dtype=np.float32)


def _consonants(letters: str) -> str:
    """Return the letters themselves where Metaphone hears nothing: digits would all sound the same."""
    return (jellyfish.metaphone(letters) if letters.isascii() else "") or letters
