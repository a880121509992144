"""Read the phrases of a closed vocabulary: alternatives in braces, and slots for digits and letters."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from math import prod

MOST_EXPANDED = 500
"""How many phrases all phrases of a closed vocabulary may stand for, with their alternatives written out."""
MOST_PLACES = 20
"""How many digits or letters a slot may have."""

_BRACES = re.compile(r"\{([^{}]*)\}")
_SLOT = re.compile(r"(digits|letters):(\d{1,3})")


class TemplateError(ValueError):
    """A phrase with braces cannot be used; the message says what is wrong and what is allowed."""


class SlotKind(StrEnum):
    """What a slot takes, one character a place."""

    DIGITS = "digits"
    LETTERS = "letters"


@dataclass(frozen=True, slots=True)
class Slot:
    """`n_places` spoken digits or letters, written without spaces."""

    kind: SlotKind
    n_places: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotPhrase:
    """A phrase with one slot between the words `before` and `after`; either may be empty."""

    before: str
    slot: Slot
    after: str

    def write(self, characters: str) -> str:
        """Return the phrase with these characters in its slot."""
        return " ".join(part for part in (self.before, characters, self.after) if part)


@dataclass(frozen=True, slots=True)
class ClosedPhrases:
    """What a closed vocabulary recognizes: `texts` without braces, and phrases with a slot, each once."""

    texts: tuple[str, ...]
    slot_phrases: tuple[SlotPhrase, ...]


def closed_phrases(phrases: Iterable[str]) -> ClosedPhrases:
    """Write out the alternatives of phrases such as `turn {on,off} the lamp`; raises TemplateError.

    An alternative may be empty. A slot is `{digits:7}` or `{letters:5}`, one at most in a phrase.
    """
    texts: dict[str, None] = {}
    slots: dict[SlotPhrase, None] = {}
    n_expanded = 0
    for phrase in phrases:
        parts = _parts(phrase)
        n_expanded += prod(len(part) for part in parts if not isinstance(part, Slot))
        if n_expanded > MOST_EXPANDED:
            raise TemplateError(
                f"the phrases stand for more than {MOST_EXPANDED} with their alternatives written out; "
                f"at most {MOST_EXPANDED} are taken"
            )
        for expanded in _expanded(parts):
            if isinstance(expanded, SlotPhrase):
                slots.setdefault(expanded)
            elif expanded:
                texts.setdefault(expanded)
    return ClosedPhrases(tuple(texts), tuple(slots))


def _parts(phrase: str) -> list[tuple[str, ...] | Slot]:
    """Split a phrase into its slots and what may stand at each other place."""
    parts: list[tuple[str, ...] | Slot] = []
    for index, piece in enumerate(_BRACES.split(phrase)):
        if index % 2 == 0:
            if "{" in piece or "}" in piece:
                raise TemplateError(f"the braces of {phrase!r} do not match; they must be in pairs, and not nested")
            parts.append((piece,))
        else:
            parts.append(_braced(phrase, piece))
    if sum(isinstance(part, Slot) for part in parts) > 1:
        raise TemplateError(f"{phrase!r} has several slots of digits or letters; at most one is taken")
    return parts


def _braced(phrase: str, inside: str) -> tuple[str, ...] | Slot:
    if match := _SLOT.fullmatch(inside.strip()):
        n_places = int(match[2])
        if not 1 <= n_places <= MOST_PLACES:
            raise TemplateError(f"{{{inside}}} in {phrase!r} has {n_places} places; it must have 1 to {MOST_PLACES}")
        return Slot(SlotKind(match[1]), n_places)
    options = tuple(dict.fromkeys(option.strip() for option in inside.split(",")))
    if len(options) < 2:
        raise TemplateError(
            f"{{{inside}}} in {phrase!r} is no choice; braces must have alternatives separated by commas, "
            "{digits:N} or {letters:N}"
        )
    return options


def _expanded(parts: list[tuple[str, ...] | Slot]) -> Iterator[str | SlotPhrase]:
    place = next((index for index, part in enumerate(parts) if isinstance(part, Slot)), None)
    for chosen in product(*(("",) if isinstance(part, Slot) else part for part in parts)):
        if place is None:
            yield _joined(chosen)
        else:
            slot = parts[place]
            assert isinstance(slot, Slot)  # noqa: S101
            yield SlotPhrase(before=_joined(chosen[:place]), slot=slot, after=_joined(chosen[place + 1 :]))


def _joined(pieces: Iterable[str]) -> str:
    return " ".join("".join(pieces).split())
