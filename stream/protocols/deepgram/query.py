"""Read the parameters of a query: booleans as words, lists as repeated names."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from stream.errors import ClientError, Problem, quoted

_TRUTHS = {"true": True, "1": True, "false": False, "0": False}
_GREATEST = 1e9


@dataclass(frozen=True, slots=True)
class Query:
    """The values of each parameter, by its name."""

    pairs: Iterable[tuple[str, str]]
    _texts: dict[str, list[str]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        for name, text in self.pairs:
            self._texts.setdefault(name, []).append(text)

    def all(self, name: str) -> list[str]:
        """Return all values but empty ones."""
        return [text for text in self._texts.get(name, []) if text]

    def one(self, name: str) -> str | None:
        """Return the only value, None where it is missing or empty; raises ClientError for several."""
        texts = self._texts.get(name, [])
        if len(texts) > 1:
            raise refused(f"{name} is given {len(texts)} times; it may be given once")
        return texts[0] if texts and texts[0] else None

    def flag(self, name: str) -> bool:
        """Return a boolean, false where it is missing; raises ClientError."""
        text = self.one(name)
        if text is None:
            return False
        truth = _TRUTHS.get(text.lower())
        if truth is None:
            raise refused(f"{name} is {quoted(text)}; it must be true or false")
        return truth

    def integer(self, name: str, least: int, most: int) -> int | None:
        """Return a whole number within bounds, None where it is missing; raises ClientError."""
        text = self.one(name)
        if text is None:
            return None
        number = parse_integer(text)
        if number is None or not least <= number <= most:
            raise refused(f"{name} is {quoted(text)}; it must be between {least} and {most}")
        return number

    def asks_for(self, name: str) -> bool:
        """Whether a parameter asks for something, be it true or a text; repeated ones may."""
        return any(text.lower() not in ("false", "0") for text in self.all(name))


def parse_integer(text: str) -> int | None:
    """Return a whole number of at most ten characters, None for any other text."""
    return int(text) if text.isascii() and text.removeprefix("-").isdigit() and len(text) <= 10 else None


def parse_number(text: str) -> float | None:
    """Return a finite number, None for any other text."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) <= _GREATEST else None


def refused(detail: str) -> ClientError:
    """Return the error for a wrong parameter."""
    return ClientError(Problem.INVALID_CONFIG, detail)
