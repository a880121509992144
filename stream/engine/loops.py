"""Owns the sight of a loop: a decoder that says the same again and again has lost the sound."""

import re
import zlib

# Nobody speaks 20 tokens a second, so a text that long is a loop; the rest is for very short sounds.
_TOKENS_PER_SECOND = 20
_TOKENS_AT_LEAST = 24
_COMPRESSION = 2.4  # openai/whisper `transcribe.py`: text that packs better than this repeats itself
# Small loops pack badly: "Yes. Yes. Yes." for one yes. Whole texts that only repeat, or words three times over.
_REPEATED = re.compile(r"(.+?)(?: \1)+|(?:.* )?(\S+(?: \S+){0,3})(?: \2){2,}(?: .*)?")
_PUNCTUATION = re.compile(r"[^\w\s']+")


def most_tokens(seconds: float) -> int:
    """How many tokens speech of that length can have."""
    return _TOKENS_AT_LEAST + int(_TOKENS_PER_SECOND * seconds)


def is_loop(text: str) -> bool:
    """Whether a text repeats itself as no speaker does."""
    packed = zlib.compress(text.encode())
    if len(text.encode()) > _COMPRESSION * len(packed):
        return True
    spoken = _PUNCTUATION.sub("", text.lower())
    return _REPEATED.fullmatch(spoken) is not None
