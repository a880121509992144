"""Owns the sight of a loop: a decoder that says the same again and again has lost the sound."""

import re
import zlib
from itertools import pairwise

# Nobody speaks 20 tokens a second, so a text that long is a loop; the rest is for very short sounds.
_TOKENS_PER_SECOND = 20
_TOKENS_AT_LEAST = 24
_COMPRESSION = 2.4  # openai/whisper `transcribe.py`: text that packs better than this repeats itself
# Small loops pack badly: "Yes. Yes. Yes." for one yes. Whole texts that only repeat, a few words three times over, or
# a longer phrase twice. People do say "no no no": 33 of 42 such sentences were decoded again for it, and kept it all.
_PHRASE_WORDS = 4
_TIMES = 3
_PUNCTUATION = re.compile(r"[^\w\s']+")


def most_tokens(seconds: float) -> int:
    """How many tokens speech of that length can have."""
    return _TOKENS_AT_LEAST + int(_TOKENS_PER_SECOND * seconds)


def is_loop(text: str) -> bool:
    """Whether a text repeats itself as speakers hardly ever do: worth to be decoded with more care."""
    packed = zlib.compress(text.encode())
    if len(text.encode()) > _COMPRESSION * len(packed):
        return True
    words = _PUNCTUATION.sub("", text.lower()).split()
    return any(_repeats(words, period) for period in range(1, len(words) // 2 + 1))


def _repeats(words: list[str], period: int) -> bool:
    """Whether a phrase of `period` words comes again and again; the last time may be cut short."""
    differ = [i for i in range(period, len(words)) if words[i] != words[i - period]]
    longest = max(b - a - 1 for a, b in pairwise([period - 1, *differ, len(words)])) + period
    if longest == len(words):
        return True
    return longest >= period * (2 if period > _PHRASE_WORDS else _TIMES)
