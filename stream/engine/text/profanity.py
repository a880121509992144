"""Mask English swear words: all but the first letter becomes an asterisk.

Each word is judged alone, so that a word of a partial stays as it is whatever follows. The list is our own: those of
the packages (better-profanity 0.7.0, glin-profanity 4.1.0) are made for the moderation of chats and mask "womb",
"god", "escort" or "tied up" in dictated text.
"""

import re
from collections.abc import Iterable
from dataclasses import replace

from stream.engine.model.hypotheses import DecodedWord, Hypothesis

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
    """Return the text with swear words masked, such as "f***"; everything else stays as it is."""
    return _PART.sub(_mask_part, text)


def mask_words(words: Iterable[DecodedWord]) -> tuple[DecodedWord, ...]:
    """Mask the texts of words; tokens, times and confidences stay as they are."""
    return tuple(replace(word, text=mask(word.text)) for word in words)


def mask_hypothesis(hypothesis: Hypothesis) -> Hypothesis:
    """Mask the words of a hypothesis."""
    return replace(hypothesis, words=mask_words(hypothesis.words))


def _mask_part(part: re.Match[str]) -> str:
    word = part[0]
    return word[0] + "*" * (len(word) - 1) if _SWEAR_WORDS.fullmatch(word) else word
