"""The text messages of a client, parsed into commands."""

import json
from collections import Counter

from stream.errors import ClientError, Problem, quoted
from stream.session.commands import Close, Command, Configure, Finalize, KeepAlive

# A configuration has at most 500 phrases of 100 characters, each of which may be a comma, or two escapes. The parser
# needs some milliseconds for so many.
_MOST_MARKS = 60_000  # that begin, name or separate values
_MOST_ESCAPES = 120_000
# Whatever a shorter text holds, the parser is soon done with it.
_SHORT_CHARACTERS = 1 << 13

_PLAIN: dict[str, Command] = {"close": Close(), "finalize": Finalize(), "keepAlive": KeepAlive()}


def parse_command(text: str) -> Command:
    """Read a text message; raises ClientError (`invalid_message`) quoting what cannot be understood.

    NULs behind it are no part of it: some clients send the whole of a buffer that it does not fill.
    """
    text = text.rstrip("\0")
    word = text.strip()
    if len(word) == len("close") and word.lower() == "close":
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


def strict_json(text: str | bytes, *, is_counted: bool = False) -> object:
    """Parse JSON without a key twice (ClientError, `invalid_message`) or NaN; raises ValueError or RecursionError.

    ValueError also for what would take long, unless its values are counted already.
    """
    if not is_counted:
        check_marks(text)
    return json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_no_constant)


def check_marks(text: str | bytes) -> None:
    """Raise ValueError for JSON of so many values or escapes that it would take long to parse."""
    if len(text) <= _SHORT_CHARACTERS:
        return
    text = text if isinstance(text, str) else text.decode()
    if sum(map(text.count, '[{,:"')) > _MOST_MARKS or text.count("\\") > _MOST_ESCAPES:
        raise ValueError(f"more than {_MOST_MARKS} values or {_MOST_ESCAPES} escapes")


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
