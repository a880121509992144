"""Write words as an expected phrase is written, where both are the same words: case, accents, spaces, variants."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from stream.engine.model.hypotheses import DecodedWord, Hypothesis, Tokens
from stream.engine.text.english_spelling import english_form, is_function_word, name_form, number_words
from stream.words import ends_sentence, spoken_form

_MOST_JOINED_WORDS = 12  # that one phrase may be recognized as: "N. A. T. O."
_FEWEST_LETTERS = 2
_FEWEST_NAME_LETTERS = 3
_MARKS = ".,;:!?…\"'”’)]}»-–—"
_OPENING_MARKS = "\"'“‘([{«-–—¿¡"
_PAUSES = (",", ";", ":", "!", "?", ".", "…")
_POSSESSIVES = ("'s", "’s")
# Letters that are the same for a reader, and letters that have no decomposition in Unicode.
_SAME_LETTERS = str.maketrans(
    {"ي": "ی", "ى": "ی", "ك": "ک", "ـ": "", "\u200c": "", "\u200d": "", "\u200e": "", "\u200f": ""}
)
_BASIC_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})
_UMLAUTS = {ord("ä"): "ae", ord("ö"): "oe", ord("ü"): "ue", ord("å"): "aa", ord("ø"): "oe"}
_SPOKEN_SIGNS = {"&": "and", "+": "plus", "#": "sharp", "@": "at", "%": "percent"}
_OPTIONAL_SIGNS = "&"  # "AT&T" is also "ATT"; "C++" is never "C"
_DOT = "dot"
_NUMBERS_AND_WORDS = re.compile(r"\d+|[a-z]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Respelling:
    """The `words` for those from `first_word` up to `end_word` of a text."""

    first_word: int
    end_word: int
    words: tuple[str, ...]


class Spellings:
    """The spellings of phrases; the first of several phrases with the same words counts."""

    def __init__(self, phrases: Iterable[str]) -> None:
        self._english: dict[str, str] = {}
        self._other: dict[str, str] = {}
        for phrase in phrases:
            text = " ".join(phrase.split())
            for key in _keys(text, is_english=True):
                self._english.setdefault(key, text)
            for key in _keys(text, is_english=False):
                self._other.setdefault(key, text)
        self._names = {
            name_form(spoken_form(text)): text for text in reversed(self._english.values()) if _may_be_name(text)
        }
        self._longest = max(map(len, (*self._english, *self._other)), default=0)

    def respell(self, words: Sequence[str], language: str) -> list[Respelling]:
        """Return what to write otherwise, from left to right, the longest first; `words` have their punctuation."""
        is_english = language.partition("-")[0] == "en"
        known = self._english if is_english else self._other
        keys = [_key(_without_marks(word), is_english=is_english) for word in words]
        found: list[Respelling] = []
        place = 0
        while place < len(words):
            match = self._longest_match(words, keys, place, known) if known else None
            if match is None and is_english:
                match = self._name(words, place)
            if match is None:
                place += 1
                continue
            end, phrase, suffix = match
            new = tuple(_written(words, place, end, phrase, suffix).split())
            if new != tuple(words[place:end]):
                found.append(Respelling(first_word=place, end_word=end, words=new))
            place = end
        return found

    def respelled(self, words: Sequence[str], language: str) -> list[str]:
        """Return the words as the phrases are written."""
        result = list(words)
        for one in reversed(self.respell(words, language)):
            result[one.first_word : one.end_word] = one.words
        return result

    def rewrite(
        self, hypothesis: Hypothesis, language: str, encode: Callable[[str], Tokens], *, kept_words: int = 0
    ) -> Hypothesis:
        """Return a hypothesis with its words, except the first `kept_words`, as the phrases are written.

        They keep their times and confidences. `encode` returns the tokens of a word.
        """
        respellings = self.respell([word.text for word in hypothesis.words], language)
        words = list(hypothesis.words)
        for one in reversed([one for one in respellings if one.first_word >= kept_words]):
            words[one.first_word : one.end_word] = _timed(words[one.first_word : one.end_word], one.words, encode)
        return replace(hypothesis, words=tuple(words))

    def _name(self, words: Sequence[str], place: int) -> tuple[int, str, str] | None:
        """Return a name that sounds the same as a name inside a sentence, as `_longest_match` does."""
        if not place or ends_sentence(words[place - 1]):
            return None
        name, suffix = _without_possessive(words[place]) or (_without_marks(words[place]), "")
        spoken = spoken_form(name)
        phrase = self._names.get(name_form(spoken)) if _may_be_name(name) and not is_function_word(spoken) else None
        return None if phrase is None else (place + 1, phrase, suffix)

    def _longest_match(
        self, words: Sequence[str], keys: Sequence[str], first: int, known: dict[str, str]
    ) -> tuple[int, str, str] | None:
        """Return the end of the longest phrase at a word, the phrase, and the possessive ending after it."""
        best: tuple[int, str, str] | None = None
        joined = ""
        for end in range(first + 1, min(len(words), first + _MOST_JOINED_WORDS) + 1):
            if not keys[end - 1]:
                break
            bare = _without_possessive(words[end - 1])
            if bare is not None:
                phrase = known.get(joined + _key(bare[0], is_english=known is self._english))
                if phrase is not None and _may_be(words, first, end, phrase):
                    best = end, phrase, bare[1]
            joined += keys[end - 1]
            if len(joined) > self._longest:
                break
            phrase = known.get(joined)
            if phrase is not None and _may_be(words, first, end, phrase):
                best = end, phrase, ""
        return best


def _keys(phrase: str, *, is_english: bool) -> Iterator[str]:
    """Yield what a phrase may be recognized as, without spaces."""
    bare = phrase.translate(dict.fromkeys(map(ord, _SPOKEN_SIGNS), " "))
    texts = []
    if not phrase.startswith(".") and all(sign in _OPTIONAL_SIGNS for sign in phrase if sign in _SPOKEN_SIGNS):
        texts.append(bare)
    if is_english:
        signs = "".join(f" {_SPOKEN_SIGNS[sign]} " if sign in _SPOKEN_SIGNS else sign for sign in phrase)
        texts += [_with_dots(signs)] if phrase.startswith(".") else [signs, _with_dots(signs), _with_umlauts(phrase)]
    for text in dict.fromkeys(texts):
        key = _key(text, is_english=is_english)
        if len(key) >= _FEWEST_LETTERS:
            yield key


def _key(text: str, *, is_english: bool) -> str:
    text = text.translate(_SAME_LETTERS)
    if not is_english:
        letters = unicodedata.normalize("NFC", text.casefold())
        return "".join(letter for letter in letters if letter.isalnum())
    spoken = spoken_form(text.casefold().translate(_BASIC_LETTERS).replace("/", " "))
    # "CO2" is also "CO 2".
    pieces = _NUMBERS_AND_WORDS.findall(spoken) if spoken.isascii() else spoken.split()
    return "".join(number_words(piece) if piece.isdecimal() else english_form(piece) for piece in pieces)


def _with_dots(text: str) -> str:
    """Speak the dots before letters: "Node.js" is "Node dot js"."""
    pieces = text.split(".")
    spoken = pieces[0]
    for piece in pieces[1:]:
        spoken += f" {_DOT} {piece}" if piece[:1].isalnum() else f".{piece}"
    return spoken


def _with_umlauts(text: str) -> str:
    return text.casefold().translate(_UMLAUTS)


def _may_be(words: Sequence[str], first: int, end: int, phrase: str) -> bool:
    """Whether words with the letters of a phrase can be the phrase.

    Words such as "it" and "will" stay as they are, as do several of them together: "IT" and "may be" are other words.
    A phrase has no pause of a sentence in it, except after an initial.
    """
    inner = [word.rstrip("\"'”’") for word in words[first : end - 1]]
    if any(word.endswith(mark) and mark not in phrase and len(word) > 2 for word in inner for mark in _PAUSES):
        return False
    spoken = [spoken_form(word) for word in words[first:end]]
    is_same = " ".join(spoken) == spoken_form(phrase)
    if is_same and len(spoken) > 1:
        return True
    return not all(map(is_function_word, spoken))


def _written(words: Sequence[str], first: int, end: int, phrase: str, suffix: str) -> str:
    """Return a phrase with the marks and the capitals of the words in its place."""
    before = words[first][: len(words[first]) - len(words[first].lstrip(_OPENING_MARKS))]
    core = [_without_marks(word) for word in words[first:end]]
    if suffix:
        core[-1] = core[-1][: -len(suffix)]
    is_first = not first or ends_sentence(words[first - 1])
    return before + _cased(core, phrase, is_first=is_first) + suffix + _marks_after(words, end, phrase)


def _cased(core: Sequence[str], phrase: str, *, is_first: bool) -> str:
    """Return a phrase in its own case; one without capitals leaves those at the beginning of words.

    A single letter tells nothing about that: "I phone" is "iphone", except at the beginning of a sentence (`is_first`).
    """
    if phrase != phrase.lower():
        return phrase
    new = phrase.split()
    if len(new) == len(core):
        return " ".join(_capitalized(word) if _is_title(old) else word for old, word in zip(core, new, strict=True))
    has_capital = _is_title(core[0]) and (is_first or len(core[0]) > 1)
    return _capitalized(phrase) if has_capital else phrase


def _may_be_name(text: str) -> bool:
    return text[:1].isupper() and text.isalpha() and len(text) >= _FEWEST_NAME_LETTERS


def _is_title(word: str) -> bool:
    return word[:1].isupper() and word[1:] == word[1:].lower()


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]


def _marks_after(words: Sequence[str], end: int, phrase: str) -> str:
    last = words[end - 1]
    marks = last[len(last.rstrip(_MARKS)) :]
    is_abbreviation = "." in last.rstrip(_MARKS) or (len(last) == 2 and last[0].isalpha())
    if marks.startswith(".") and (phrase.endswith(".") or (is_abbreviation and end < len(words))):
        return marks[1:]  # the point of "D.C." is no end of a sentence
    return marks[len(phrase) - len(phrase.rstrip(_MARKS)) :] if marks and phrase.endswith(marks) else marks


def _without_marks(word: str) -> str:
    return word.lstrip(_OPENING_MARKS).rstrip(_MARKS)


def _without_possessive(word: str) -> tuple[str, str] | None:
    """Return a word without its "'s", and that; None if it has none."""
    core = _without_marks(word)
    suffix = next((suffix for suffix in _POSSESSIVES if core.endswith(suffix)), "")
    return (core[: -len(suffix)], suffix) if suffix and len(core) > len(suffix) else None


def _timed(old: Sequence[DecodedWord], new: Sequence[str], encode: Callable[[str], Tokens]) -> list[DecodedWord]:
    """Return new words at the place of old ones: each has the time and the confidence of an old one, or its share."""
    if len(old) == len(new):
        return [replace(word, text=text, tokens=encode(text)) for word, text in zip(old, new, strict=True)]
    start, end = old[0].start_samples, old[-1].end_samples
    n_letters = sum(map(len, new))
    confidence = sum(word.confidence * len(word.text) for word in old) / sum(len(word.text) for word in old)
    words: list[DecodedWord] = []
    n_before = 0
    for text in new:
        times = (start + (end - start) * n // n_letters for n in (n_before, n_before + len(text)))
        first, last = times
        words.append(
            DecodedWord(text=text, tokens=encode(text), start_samples=first, end_samples=last, confidence=confidence)
        )
        n_before += len(text)
    return words
