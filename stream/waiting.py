"""Waiting for changes instead of looking for them again and again."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

# Timers may fire a little early; a shorter wait would only look again at the same moment.
_LEAST_SECONDS = 0.001


class Changes:
    """Wakes whoever waits for a change of something, such as the state of a server."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def signal(self) -> None:
        """Wake all who wait now."""
        self._next.set()
        self._next = asyncio.Event()

    async def wait(self, seconds: float | None = None) -> None:
        """Wait for the next change, for `seconds` at most, None for no limit."""
        try:
            async with asyncio.timeout(None if seconds is None else max(seconds, _LEAST_SECONDS)):
                await self._next.wait()
        except TimeoutError:
            return

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds, which only changes when it is signalled."""
        while not condition():
            await self._next.wait()


async def first_of(*waits: Coroutine[Any, Any, Any], seconds: float | None = None) -> bool:
    """Wait for the first of these to end, for `seconds` at most; return whether one did.

    The others are cancelled. What the first one raises is raised.
    """
    return bool(await _ended(waits, seconds))


async def is_first(
    wanted: Coroutine[Any, Any, Any], *others: Coroutine[Any, Any, Any], seconds: float | None = None
) -> bool:
    """Wait as `first_of` does; return whether `wanted` has ended."""
    return 0 in await _ended((wanted, *others), seconds)


async def _ended(waits: Sequence[Coroutine[Any, Any, Any]], seconds: float | None) -> set[int]:
    """Wait for the first to end; return the places of those that have."""
    tasks = [asyncio.ensure_future(one) for one in waits]
    try:
        done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        return {tasks.index(task) for task in done}
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
