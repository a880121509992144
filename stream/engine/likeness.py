"""Owns how alike two texts sound: by their letters, and by the consonants that Metaphone hears in English ones."""

import unicodedata
from collections.abc import Sequence

import jellyfish
import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

Likeness = NDArray[np.float32]


def spoken(text: str) -> str:
    """Return a text as the ear knows it: small letters and digits with one space between words, no accents."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    kept = (letter if letter.isalnum() else " " * (letter.isspace() or letter == "-") for letter in letters)
    return " ".join("".join(kept).split())


def likeness(texts: Sequence[str], phrases: Sequence[str]) -> Likeness:
    """Return `float32[n_texts, n_phrases]` from 0 to 1; where words begin and end does not count.

    In scripts that Metaphone does not know only the letters count.
    """
    joined = [[spoken(text).replace(" ", "") for text in some] for some in (texts, phrases)]
    letters = cdist(*joined, scorer=Levenshtein.normalized_similarity, dtype=np.float32)
    keys = [[_key(text) for text in some] for some in joined]
    sounds = cdist(*keys, scorer=Levenshtein.normalized_similarity, dtype=np.float32)
    return np.asarray((letters + sounds) / 2, dtype=np.float32)


def _key(text: str) -> str:
    return jellyfish.metaphone(text) if text.isascii() else text
