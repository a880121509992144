"""Count the running tasks of the product."""

import asyncio
from collections import Counter
from pathlib import Path
from types import CoroutineType

from tests.support.places import ROOT

_ROOMS = {"vad", "stream", "web"}


def own_tasks() -> Counter[str]:
    """Return the running tasks of the product by coroutine name, without those of a test's servers and proxies."""
    coroutines = [task.get_coro() for task in asyncio.all_tasks()]
    codes = [coroutine.cr_code for coroutine in coroutines if isinstance(coroutine, CoroutineType)]
    return Counter(code.co_qualname for code in codes if _room(Path(code.co_filename)) in _ROOMS)


def _room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0] if path.is_relative_to(ROOT) else ""
