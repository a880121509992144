"""Owns the storing that outlasts its session: nobody waits long for a slow database, and the text is kept all the same.

What the client was told must also be found later. A database that fails over, or is restarted, is back in half a
minute or so; until then what a session said is held here and offered again.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from web.store.database.away import DatabaseAwayError

_WAIT_SECONDS = 5.0
_TRY_SECONDS = 20.0
_GIVE_UP_SECONDS = 120.0
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 8.0
# The packed text of an hour of talk takes 0.6 MB.
_MOST = 256
_STOP_SECONDS = 5.0
# What a database says that is away, overloaded or locked; anything else would fail again.
_PASSING = (DatabaseAwayError, OperationalError, InterfaceError, PoolTimeoutError, OSError)
_log = structlog.get_logger()

Store = Callable[[], Awaitable[None]]


class Storing:
    """What is being stored now, some of it for sessions that have ended."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._late: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    async def finish(self, store: Store) -> None:
        """Wait until it is stored, 5 s at most; then it goes on behind the caller, and only the log tells its end.

        `store` may be called again, whatever became of the last time. Any number may wait; 256 may go on afterwards.
        """
        task = asyncio.create_task(_tried(store))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            await asyncio.wait({task}, timeout=_WAIT_SECONDS)
        finally:
            self._go_on(task)

    def _go_on(self, task: asyncio.Task[None]) -> None:
        if task.done():
            return
        if len(self._late) >= _MOST:
            task.cancel(f"{_MOST} others wait for the database already")
            return
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def close(self) -> None:
        """Give what is still to be stored a last while, 5 s at most."""
        tasks = set(self._tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=_STOP_SECONDS)
        for task in tasks:
            task.cancel("the server stopped first")
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def storing() -> AsyncIterator[Storing]:
    """Store until the context ends; the database must outlive it."""
    held = Storing()
    try:
        yield held
    finally:
        await held.close()


async def _tried(store: Store) -> None:
    pause = _FIRST_PAUSE_SECONDS
    last_try = asyncio.get_running_loop().time() + _GIVE_UP_SECONDS
    try:
        while True:
            try:
                async with asyncio.timeout(_TRY_SECONDS):
                    return await store()
            except _PASSING as error:
                if asyncio.get_running_loop().time() >= last_try:
                    raise
                _log.warning("storing_retried", delay_seconds=pause, error=type(error).__name__)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
    except asyncio.CancelledError as told:
        _log.error("transcription_not_stored", error=str(told))
        raise
    except Exception:  # the client has its text all the same
        _log.exception("transcription_not_stored")
