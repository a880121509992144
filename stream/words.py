"""Normalize words and texts for comparison: without case, punctuation and accents."""

import unicodedata
from functools import lru_cache

# How many words caches keep: of those that a language has, people say few, and unsettled text repeats them.
WORDS_KEPT = 4096
# Punctuation that is a part of words: masked profanity, and signs that are pronounced.
_SPOKEN_SIGNS = frozenset("*%#@&")

LINE_CHARACTERS = 42
"""The longest row of a caption: what guidelines for subtitles allow in the scripts of Europe and the Near East."""
CUE_CHARACTERS = 2 * LINE_CHARACTERS
"""The longest caption: two rows."""

_SENTENCE_ENDS = tuple(".?!。？！؟۔।॥")
_HESITATIONS = ("...", "…")
_CLOSING = "\"')]}»”’」』"


def word_key(word: str) -> str:
    """Return the letters and digits of a word, case folded; "" for punctuation alone."""
    return "".join(letter for letter in word.casefold() if letter.isalnum())


def spoken_form(text: str) -> str:
    """Return a text as it sounds: lower-case letters and digits, one space between words, no accents."""
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text.casefold())
    kept = (letter if letter.isalnum() else " " * (letter.isspace() or letter == "-") for letter in text.casefold())
    return " ".join("".join(kept).split())


def ends_sentence(text: str) -> bool:
    """Whether a text ends with the mark of a sentence, maybe quoted; an ellipsis marks one that is not finished."""
    text = text.rstrip(_CLOSING)
    return text.endswith(_SENTENCE_ENDS) and not text.endswith(_HESITATIONS)


@lru_cache(WORDS_KEPT)
def bare_word(text: str) -> str:
    """Return a word in lower case without the punctuation around it; what is nothing else stays."""
    return punctuation_around(text)[1].lower() or text.lower()


def punctuation_around(text: str) -> tuple[str, str, str]:
    """Split a word into the punctuation before it, the word, and the punctuation after it."""
    first, last = 0, len(text)
    while first < last and _is_punctuation(text[first]):
        first += 1
    while last > first and _is_punctuation(text[last - 1]):
        last -= 1
    return text[:first], text[first:last], text[last:]


def _is_punctuation(letter: str) -> bool:
    return letter not in _SPOKEN_SIGNS and unicodedata.category(letter).startswith("P")
