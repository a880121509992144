"""Find callbacks that block the event loop for long in tests.

The processor time of the loop's thread counts, so that tests pass on a busy machine. Nearly all callbacks take some
milliseconds, the longest up to 0.3 s on shared cores; the bound leaves room for a machine a quarter as fast. It finds
work that grows with a client's input, not small delays.
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
    """Yield a list to which callbacks of all asyncio loops that run for too long are added.

    Callbacks of a test's own coroutine do not count, nor those in which a module is imported for the first time.
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
