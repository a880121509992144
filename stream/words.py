"""Normalize words and texts for comparison: without case, punctuation and accents."""

import unicodedata

# How many words caches keep: of those that a language has, people say few, and unsettled text repeats them.
WORDS_KEPT = 4096


def word_key(word: str) -> str:
    """Return the letters and digits of a word, case folded; "" for punctuation alone."""
    return "".join(letter for letter in word.casefold() if letter.isalnum())


def spoken_form(text: str) -> str:
    """Return a text as it sounds: lower-case letters and digits, one space between words, no accents."""
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text.casefold())
    kept = (letter if letter.isalnum() else " " * (letter.isspace() or letter == "-") for letter in text.casefold())
    return " ".join("".join(kept).split())
