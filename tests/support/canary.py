"""Finds what no log, metric or trace may hold: a token, or what was said in a clip or by a scripted recognizer."""

import re
from functools import cache
from itertools import chain

from tests.support.sounds import clip_texts

# The beginning of every token that tests make.
_TOKEN = re.compile(r"eyJ[\w-]{10,}\.[\w-]{10,}\.")
_WORDS = re.compile(r"\w+")
# As logs and traces write them.
_ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|[nrt])")
# Two words in a row may stand anywhere.
_RUN = 3
# What the scripted recognizers say; not taken from there, since a test of `vad` must not import `stream`.
_SCRIPTED = " ".join(f"w{number}" for number in range(100))


def leak(text: str) -> str | None:
    """Return what `text` should not hold, None if there is nothing."""
    if token := _TOKEN.search(text):
        return token[0]
    return next((" ".join(run) for run in _runs(text) if run in _said()), None)


@cache
def _said() -> frozenset[tuple[str, ...]]:
    return frozenset(chain.from_iterable(map(_runs, (*clip_texts().values(), _SCRIPTED))))


def _runs(text: str) -> list[tuple[str, ...]]:
    written = _ESCAPED.sub(lambda escaped: chr(int(escaped[1] or "20", 16)), text)
    words = _WORDS.findall(written.lower())
    return list(zip(*(words[start:] for start in range(_RUN)), strict=False))
