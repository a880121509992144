"""Owns the profanity filter: swear words keep their first letter, and asterisks stand for the others.

Each word is judged alone, so that a word that was told stays what it was whatever follows. The list is our own and
for English: those of the packages (better-profanity 0.7.0, glin-profanity 4.1.0) are made to moderate chats and take
"womb", "god", "escort" or "tied up" away from those who dictate.
"""

import re
from collections.abc import Iterable
from dataclasses import replace

from stream.engine.model.hypotheses import DecodedWord, Reading

_SWEAR_WORDS = re.compile(
    r"""
    [a-z]*fuck[a-z]* |
    (?:bull|horse|dip|ape|bat|chicken)?shit(?:e|less|load|s|show|t(?:ed|ers?|ier|iest|ing|y)|(?:head|hole)s?)? |
    (?:ass|arse)(?:es|hole|holes)? | (?:dumb|jack|smart)ass(?:es)? | bastards? |
    bitch(?:es|ed|ing|in|y)? | cunts? | cunty | cocksuck(?:er|ers|ing) | dickheads? |
    piss(?:ed|es|er|ers|ing|y)? | goddamn?(?:ed|it)? | puss(?:y|ies) | titt(?:y|ies) | twats? |
    whor(?:e|es|ing) | sluts? | slutty | wank(?:s|ed|er|ers|ing)? | bollocks | blowjobs? | handjobs? | jizz |
    nigg(?:er|ers|a|as|az) | faggots? | kikes? | trann(?:y|ies) |
    [a-z]\*+[a-z]*  # the model itself writes "f**k" at times
    """,
    re.VERBOSE | re.IGNORECASE,
)
_PART = re.compile(r"[^\W\d_][\w*]*")


def mask(text: str) -> str:
    """Return the text with its swear words masked: "f***" for each spelling of that length; all else stays."""
    return _PART.sub(_mask_part, text)


def mask_words(words: Iterable[DecodedWord]) -> tuple[DecodedWord, ...]:
    """Mask the texts of words; their tokens, times and confidence stay."""
    return tuple(replace(word, text=mask(word.text)) for word in words)


def mask_reading(reading: Reading) -> Reading:
    """Mask the words of a reading."""
    return replace(reading, words=mask_words(reading.words))


def _mask_part(part: re.Match[str]) -> str:
    word = part[0]
    return word[0] + "*" * (len(word) - 1) if _SWEAR_WORDS.fullmatch(word) else word
