"""Write recognized text as a request wants it: with or without punctuation and capitals, swear words masked."""

import re
import unicodedata
from dataclasses import dataclass, replace

from stream.engine.model.hypotheses import DecodedWord, Hypothesis
from stream.engine.text.profanity import mask, mask_hypothesis

_THOUSANDS = re.compile(r"(?<=\d)[,٬](?=\d{3}(?!\d))")
# What separates words although no space does; between digits a dash or a colon belongs to the number ("10:30").
_SEPARATORS = re.compile(r"[—―…,;!?،؛؟۔()\[\]{}\"“”«»]|\.{2,}|(?<!\d)[–:]|[–:](?!\d)")
_INITIALS = re.compile(r"[^\W\d](\.[^\W\d])+")
# Signs that are read out, so that they are no punctuation: "50%", "#5", "C++" and "s***", a masked word.
_READ_OUT = "%٪‰#@&*"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextStyle:
    """How text is written: without `punctuation` in lower case, with the marks inside of words ("don't", "3.5")."""

    punctuation: bool = True
    masks_profanity: bool = False

    def text(self, text: str) -> str:
        """Return a text, or a part of one, without spaces around it."""
        words = text.split() if self.punctuation else [part for word in text.split() for part in _plain(word)]
        written = " ".join(words)
        return mask(written) if self.masks_profanity else written

    def hypothesis(self, hypothesis: Hypothesis) -> Hypothesis:
        """Return a hypothesis with its words rewritten; a word of punctuation alone is left out."""
        written = hypothesis if self.punctuation else replace(hypothesis, words=_plain_words(hypothesis.words))
        return mask_hypothesis(written) if self.masks_profanity else written


def _plain_words(words: tuple[DecodedWord, ...]) -> tuple[DecodedWord, ...]:
    """Rewrite each word; one that becomes several shares its time by their lengths, and the first has its tokens."""
    written: list[DecodedWord] = []
    for word in words:
        parts = _plain(word.text)
        n_letters = sum(map(len, parts))
        begin, letters = word.start_samples, 0
        for index, part in enumerate(parts):
            letters += len(part)
            end = word.start_samples + (word.end_samples - word.start_samples) * letters // n_letters
            tokens = () if index else word.tokens
            written.append(replace(word, text=part, tokens=tokens, start_samples=begin, end_samples=end))
            begin = end
    return tuple(written)


def _plain(word: str) -> list[str]:
    """Return the words that a word consists of, in lower case and without punctuation around them."""
    parts = (_stripped(part) for part in _SEPARATORS.sub(" ", _THOUSANDS.sub("", word)).split())
    spoken = (part for part in parts if any(character.isalnum() for character in part))
    return [(part.replace(".", "") if _INITIALS.fullmatch(part) else part).lower() for part in spoken]


def _stripped(part: str) -> str:
    start, end = 0, len(part)
    while start < end and _is_punctuation(part[start]) and not _is_sign(part[start:]):
        start += 1
    while end > start and _is_punctuation(part[end - 1]):
        end -= 1
    return part[start:end]


def _is_sign(text: str) -> bool:
    """Whether a text begins with a sign or a point that belongs to its number."""
    return bool(re.match(r"[-.]\d", text))


def _is_punctuation(character: str) -> bool:
    return character not in _READ_OUT and (unicodedata.category(character).startswith("P") or character == "♪")
