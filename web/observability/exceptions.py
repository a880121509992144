"""Describe exceptions for the log: their types and stack frames, but rarely their messages.

The message of an exception often holds the value that it is about, which may be a transcript. It is kept only for
errors of the operating system, of a database that is away, and of our own recognizer clients.
"""

import traceback
from pathlib import Path
from types import TracebackType

_ROOT = Path(__file__).parents[2]
_SAFE_MESSAGES = frozenset(
    {
        "builtins.OSError",
        "sqlite3.OperationalError",
        "psycopg.OperationalError",
        "sqlalchemy.exc.OperationalError",
        "sqlalchemy.exc.TimeoutError",
        "stream.recognition.recognizer.RecognizerError",
        "web.store.database.unavailable.UnusableDatabaseError",
    }
)
_MOST_EXCEPTIONS = 8
_MOST_FRAMES = 30

Description = dict[str, object]


def described(error: BaseException) -> list[Description]:
    """Describe an exception, then its causes and the members of a group; eight at most."""
    descriptions: list[Description] = []
    waiting, seen = [error], set[int]()
    while waiting and len(descriptions) < _MOST_EXCEPTIONS:
        one = waiting.pop(0)
        if id(one) not in seen:
            seen.add(id(one))
            descriptions.append(_description(one))
            waiting += _related(one)
    return descriptions


def _description(error: BaseException) -> Description:
    description: Description = {"type": _name(type(error)), "frames": _frames(error.__traceback__)}
    if any(_name(kind) in _SAFE_MESSAGES for kind in type(error).__mro__):
        description["message"] = str(error)
    return description


def _related(error: BaseException) -> list[BaseException]:
    inner = list(error.exceptions) if isinstance(error, BaseExceptionGroup) else []
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return inner if cause is None else [*inner, cause]


def _frames(traceback_: TracebackType | None) -> list[str]:
    """Return file, line and function of each frame, without source lines, which may hold literals."""
    frames = list(traceback.walk_tb(traceback_))[-_MOST_FRAMES:]
    return [f"{_shortened(frame.f_code.co_filename)}:{line} {frame.f_code.co_qualname}" for frame, line in frames]


def _shortened(file: str) -> str:
    path = Path(file)
    if path.is_relative_to(_ROOT) and "site-packages" not in path.parts:
        return str(path.relative_to(_ROOT))
    return "/".join(path.parts[-3:])


def _name(kind: type) -> str:
    # psycopg.errors.OperationalError is the same class as psycopg.OperationalError.
    module = kind.__module__.removesuffix(".errors") if kind.__module__.startswith("psycopg") else kind.__module__
    return f"{module}.{kind.__qualname__}"
