"""Owns the count of tasks that our own code runs."""

import asyncio
from collections import Counter
from pathlib import Path
from types import CoroutineType

from tests.support.places import ROOT

_ROOMS = {"vad", "stream", "web"}


def own_tasks() -> Counter[str]:
    """The running tasks of the product by the name of their coroutine, not those of servers and proxies of a test."""
    coroutines = [task.get_coro() for task in asyncio.all_tasks()]
    codes = [coroutine.cr_code for coroutine in coroutines if isinstance(coroutine, CoroutineType)]
    return Counter(code.co_qualname for code in codes if _room(Path(code.co_filename)) in _ROOMS)


def _room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0] if path.is_relative_to(ROOT) else ""
