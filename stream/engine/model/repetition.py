"""Detect repetition: a decoder that repeats itself has stopped following the audio."""

import re
import zlib
from itertools import pairwise

# Speech has less than 20 tokens a second, so a longer text is a repetition; the constant is for very short audio.
_TOKENS_PER_SECOND = 20
_TOKENS_AT_LEAST = 24
_COMPRESSION = 2.4  # openai/whisper `transcribe.py`: text that packs better than this repeats itself
# Short repetitions, such as "Yes. Yes. Yes.", do not compress well. They are found if the whole text, three times a few
# words, or twice a longer phrase repeats. Speakers do say "no no no": 33 of 42 such sentences were decoded again, and
# all kept their words.
_PHRASE_WORDS = 4
_TIMES = 3
_PUNCTUATION = re.compile(r"[^\w\s']+")


def most_tokens(seconds: float) -> int:
    """How many tokens speech of this length can have."""
    return _TOKENS_AT_LEAST + int(_TOKENS_PER_SECOND * seconds)


def is_repetitive(text: str) -> bool:
    """Whether a text repeats itself as speech hardly ever does, so that a second decode is worth its cost."""
    packed = zlib.compress(text.encode())
    if len(text.encode()) > _COMPRESSION * len(packed):
        return True
    words = _PUNCTUATION.sub("", text.lower()).split()
    return any(_repeats(words, period) for period in range(1, len(words) // 2 + 1))


def _repeats(words: list[str], period: int) -> bool:
    """Whether a phrase of `period` words is repeated; the last repetition may be incomplete."""
    differ = [i for i in range(period, len(words)) if words[i] != words[i - period]]
    longest = max(b - a - 1 for a, b in pairwise([period - 1, *differ, len(words)])) + period
    if longest == len(words):
        return True
    return longest >= period * (2 if period > _PHRASE_WORDS else _TIMES)
