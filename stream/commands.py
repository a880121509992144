"""Owns the text messages that a client sends."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from stream.errors import ClientError, Problem, quoted


@dataclass(frozen=True, slots=True)
class Close:
    """No more audio follows; what was said is finished, then the connection ends."""


@dataclass(frozen=True, slots=True)
class Configure:
    """Values for keys of the configuration, not checked yet."""

    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Finalize:
    """The open utterance is to be settled now; the stream goes on."""


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """Nothing to say, but still there."""


Command = Close | Configure | Finalize | KeepAlive
_PLAIN: dict[str, Command] = {"close": Close(), "finalize": Finalize(), "keepAlive": KeepAlive()}


def parse_command(text: str) -> Command:
    """Read a text message; raises ClientError (`invalid_message`) quoting what cannot be understood.

    NULs behind it are no part of it: some clients send the whole of a buffer that it does not fill.
    """
    text = text.rstrip("\0")
    if text.strip().lower() == "close":
        return Close()
    match _object(text):
        case {"type": str(name), **rest} if not rest and name in _PLAIN:
            return _PLAIN[name]
        case {"config": dict(values), **rest} if not rest:
            return Configure(values)
        case _:
            raise _refused(text)


def _object(text: str) -> object:
    try:
        return strict_json(text)
    except (ValueError, RecursionError):
        raise _refused(text) from None


def strict_json(text: str | bytes) -> object:
    """Parse JSON without a key twice (ClientError, `invalid_message`) or NaN; raises ValueError or RecursionError."""
    return json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_no_constant)


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) < len(pairs):
        # Counted in one go: a megabyte holds so many keys that to look for each among all would hold up everybody.
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ClientError(Problem.INVALID_MESSAGE, f"the key {quoted(twice)} is given more than once")
    return values


def _no_constant(name: str) -> object:
    raise ValueError(name)


def _refused(text: str) -> ClientError:
    return ClientError(
        Problem.INVALID_MESSAGE,
        f'{quoted(text)} is not understood; allowed are close, {{"type": ...}} with close, finalize or keepAlive, '
        'and {"config": {...}}',
    )
