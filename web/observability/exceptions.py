"""Owns how an exception is written down: its kinds and where it happened, never anybody's words.

The words of an exception are often the value that it is about, and that may be what somebody said. They are kept only
where they come from the operating system, from a database that is away, or from our own client of the recognizer.
"""

import traceback
from pathlib import Path
from types import TracebackType

_ROOT = Path(__file__).parents[2]
_KNOWN_WORDS = frozenset(
    {
        "builtins.OSError",
        "sqlite3.OperationalError",
        "psycopg.OperationalError",
        "sqlalchemy.exc.OperationalError",
        "sqlalchemy.exc.TimeoutError",
        "stream.recognition.recognizer.RecognizerError",
        "web.store.database.away.UnusableDatabaseError",
    }
)
_MOST_FAULTS = 8
_MOST_FRAMES = 30

Fault = dict[str, object]


def told_faults(error: BaseException) -> list[Fault]:
    """Describe an exception, then what it was raised from or holds; so many at most."""
    told: list[Fault] = []
    waiting, seen = [error], set[int]()
    while waiting and len(told) < _MOST_FAULTS:
        one = waiting.pop(0)
        if id(one) not in seen:
            seen.add(id(one))
            told.append(_told(one))
            waiting += _behind(one)
    return told


def _told(error: BaseException) -> Fault:
    fault: Fault = {"type": _name(type(error)), "frames": _frames(error.__traceback__)}
    if any(_name(kind) in _KNOWN_WORDS for kind in type(error).__mro__):
        fault["message"] = str(error)
    return fault


def _behind(error: BaseException) -> list[BaseException]:
    inner = list(error.exceptions) if isinstance(error, BaseExceptionGroup) else []
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return inner if cause is None else [*inner, cause]


def _frames(where: TracebackType | None) -> list[str]:
    """File, line and function of each frame, without its source: that may hold a literal, and needs the file."""
    frames = list(traceback.walk_tb(where))[-_MOST_FRAMES:]
    return [f"{_shortened(frame.f_code.co_filename)}:{line} {frame.f_code.co_qualname}" for frame, line in frames]


def _shortened(file: str) -> str:
    path = Path(file)
    if path.is_relative_to(_ROOT) and "site-packages" not in path.parts:
        return str(path.relative_to(_ROOT))
    return "/".join(path.parts[-3:])


def _name(kind: type) -> str:
    # "psycopg.errors.X" derives from "psycopg.errors.OperationalError", which is the package's own.
    module = kind.__module__.removesuffix(".errors") if kind.__module__.startswith("psycopg") else kind.__module__
    return f"{module}.{kind.__qualname__}"
