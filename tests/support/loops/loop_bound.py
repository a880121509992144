"""No callback of an event loop may work for long in a test, as none may in the server.

What counts is the processor time of the loop's thread, so that a busy machine fails nobody. Nearly all callbacks take
some milliseconds, the longest ones up to 0.3 s where cores are shared; the bound leaves room for a machine a quarter as
fast. It finds what grows with what a client sends, not what is a little slow.
"""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import thread_time
from typing import Any

import pytest

from tests.support.places import ROOT

MOST_CPU_SECONDS = 1.0
_TESTS = str(ROOT / "tests")


@contextmanager
def long_callbacks() -> Iterator[list[str]]:
    """Give a list that fills with the callbacks, of whatever loop of asyncio, that work for too long.

    Those that run a test's own coroutine do not count, nor those in which a module is imported for the first time.
    """
    found: list[str] = []
    run: Callable[[asyncio.Handle], None] = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        modules, began = len(sys.modules), thread_time()
        run(handle)
        seconds = thread_time() - began
        if seconds > MOST_CPU_SECONDS and len(sys.modules) == modules and not _is_of_test(handle):
            task = getattr(getattr(handle, "_callback", None), "__self__", None)
            found.append(f"{seconds:.2f} s of work in one callback: {handle!r} {task!r}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio.Handle, "_run", timed)
        yield found


def _is_of_test(handle: asyncio.Handle) -> bool:
    callback: Any = getattr(handle, "_callback", None)
    task = getattr(callback, "__self__", None)
    if not isinstance(task, asyncio.Task):
        return False
    code = getattr(task.get_coro(), "cr_code", None)
    return code is None or code.co_filename.startswith(_TESTS) or "pytest_asyncio" in code.co_filename
