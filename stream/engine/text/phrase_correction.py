"""Owns the changes that phrases suggest: where a reading sounds like one of them, and what is tried in that place."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from stream.engine.text.phonetics import Sounds, likeness, sounds, spoken

# Measured with 123 phrases on 36 sentences of 55 rare words and 36 sentences that only sound like phrases.
_RELATED = 0.47  # half-heard names are at least that like themselves: "his friend" for "Isfahan" is 0.47
_ALIKE = 0.55  # what is put in place of what was read without the decoder having said so
_REPLACED = 0.45  # what the decoder itself says in place of what it read before
_MOST_RELATED = 6  # phrases of one utterance: more of them cost time and mend nothing
_LONGEST_STRETCH = 6  # words: "me to proud old wise" for "Metoprolol twice"
_FEWEST_LETTERS = 3  # less sounds like half of all words
_MARKS = ".,;:!?"


@dataclass(frozen=True, slots=True)
class Change:
    """Words `first` to `last`, exclusive, of a reading, what might have been said there, and how alike they sound."""

    first: int
    last: int
    text: str
    likeness: float

    def overlaps(self, other: "Change") -> bool:
        """Whether both change a word."""
        return self.first < other.last and other.first < self.last


class Phrases:
    """Phrases that may be said; those too short to be told by their sound are left out."""

    def __init__(self, phrases: Iterable[str]) -> None:
        said: dict[str, str] = {}
        for phrase in phrases:
            if len((sound := spoken(phrase)).replace(" ", "")) >= _FEWEST_LETTERS:
                said.setdefault(sound, " ".join(phrase.split()))
        self._texts = tuple(said.values())
        self._spoken = tuple(said)
        self._sounds = sounds(said)

    def related(self, words: Sequence[str]) -> list[str]:
        """Return the few that something in a reading sounds like, the most alike first; not those that stand there."""
        if not words or not self._texts:
            return []
        alike = likeness(_sounds(words, _stretches(words)), self._sounds).max(axis=0)
        order = (int(index) for index in (-alike).argsort(kind="stable") if alike[index] >= _RELATED)
        said = _spaced(" ".join(words))
        return [self._texts[index] for index in order if f" {self._spoken[index]} " not in said][:_MOST_RELATED]

    def lost(self, words: Sequence[str], change: Change) -> bool:
        """Whether a phrase that stands in a reading would not do so after a change."""
        old, new = _spaced(" ".join(words[change.first : change.last])), _spaced(change.text)
        return any(f" {phrase} " in old and f" {phrase} " not in new for phrase in self._spoken)


def find_changes(plain: Sequence[str], biased: Sequence[str], phrases: Sequence[str]) -> list[Change]:
    """Return what to try in the plain reading: what the biased one says there, and phrases for what sounds alike."""
    found = _replacements(plain, phrases)
    spelled = list(biased)
    for change in sorted(apart(_replacements(biased, phrases)), key=lambda change: -change.first):
        spelled[change.first : change.last] = change.text.split()
    said = _differences(plain, spelled, phrases)
    if spelled != list(biased):
        said += _differences(plain, biased, phrases)
    return list(dict.fromkeys([*said, *found]))


def apart(changes: Iterable[Change]) -> list[Change]:
    """Leave out every change that overlaps one before it."""
    kept: list[Change] = []
    for change in changes:
        if not any(change.overlaps(other) for other in kept):
            kept.append(change)
    return kept


def has_phrase(text: str, phrase: str) -> bool:
    """Whether a phrase stands in a text as whole words."""
    return _spaced(phrase) in _spaced(text)


def _stretches(words: Sequence[str]) -> list[tuple[int, int]]:
    return [
        (first, last)
        for first in range(len(words))
        for last in range(first + 1, min(len(words), first + _LONGEST_STRETCH) + 1)
    ]


def _sounds(words: Sequence[str], stretches: Sequence[tuple[int, int]]) -> Sounds:
    return sounds(" ".join(words[first:last]) for first, last in stretches)


def _replacements(words: Sequence[str], phrases: Sequence[str]) -> list[Change]:
    """Return each phrase in the place that is most like it; the mark at the end of the place stays."""
    stretches = _stretches(words)
    if not stretches:
        return []
    alike = likeness(_sounds(words, stretches), sounds(phrases))
    found = []
    for number, phrase in sorted(enumerate(phrases), key=lambda pair: -alike[:, pair[0]].max()):
        place = int(alike[:, number].argmax())
        first, last = stretches[place]
        if _ALIKE <= alike[place, number] < 1:
            mark = "" if phrase[-1] in _MARKS else _mark_after(words[last - 1])
            found.append(Change(first, last, phrase + mark, float(alike[place, number])))
    return found


def _differences(plain: Sequence[str], biased: Sequence[str], phrases: Sequence[str]) -> list[Change]:
    """Return where the biased reading has a phrase and sounds like the plain one: each place, and all in one."""
    matcher = SequenceMatcher(None, [spoken(word) for word in plain], [spoken(word) for word in biased], autojunk=False)
    blocks = [codes[1:] for codes in matcher.get_opcodes() if codes[0] != "equal"]
    if len(blocks) > 1:
        (first, _, begin, _), (_, last, _, end) = blocks[0], blocks[-1]
        blocks.append((first, last, begin, end))
    found = []
    for first, last, begin, end in blocks:
        old, new = " ".join(plain[first:last]), " ".join(biased[begin:end])
        if old and any(has_phrase(new, phrase) for phrase in phrases):
            alike = float(likeness(sounds([old]), sounds([new]))[0, 0])
            found += [Change(first, last, new, alike)] if alike >= _REPLACED else []
    return found


def _spaced(text: str) -> str:
    return f" {spoken(text)} "


def _mark_after(word: str) -> str:
    return word[len(word.rstrip(_MARKS)) :]
