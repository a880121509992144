"""Store the text of ended sessions, and retry in the background while the database is unavailable.

A client must find later what it was sent. A database that fails over or restarts is back after half a minute or so;
until then the text waits here.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from stream.backoff import Backoff
from web.store.database.unavailable import DatabaseUnavailableError

_WAIT_SECONDS = 5.0
_TRY_SECONDS = 20.0
_GIVE_UP_SECONDS = 120.0
_BACKOFF = Backoff(0.25, 8.0)
# The packed text of an hour of speech takes 0.6 MB.
_MOST = 256
_STOP_SECONDS = 5.0
# The errors of a database that is away, overloaded or locked; any other would come again.
_PASSING = (DatabaseUnavailableError, OperationalError, InterfaceError, PoolTimeoutError, OSError)
_log = structlog.get_logger()

Store = Callable[[], Awaitable[None]]


class RetriedWrites:
    """The texts that are being stored now, some of them of sessions that have ended."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._late: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    async def finish(self, store: Store) -> None:
        """Wait until `store` has succeeded, 5 s at most; then retry in the background, and only log the outcome.

        `store` may be called again after any failure. Any number of callers may wait; at most 256 retries go on in the
        background.
        """
        task = asyncio.create_task(_retried(store))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            await asyncio.wait({task}, timeout=_WAIT_SECONDS)
        finally:
            self._continue(task)

    def _continue(self, task: asyncio.Task[None]) -> None:
        if task.done():
            return
        if len(self._late) >= _MOST:
            task.cancel(f"{_MOST} others wait for the database already")
            return
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def close(self) -> None:
        """Wait for what is still being stored, 5 s at most, and cancel the rest."""
        tasks = set(self._tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=_STOP_SECONDS)
        for task in tasks:
            task.cancel("the server stopped first")
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def retried_writes() -> AsyncIterator[RetriedWrites]:
    """Store texts until the context ends; the database must outlive it."""
    held = RetriedWrites()
    try:
        yield held
    finally:
        await held.close()


async def _retried(store: Store) -> None:
    last_try = asyncio.get_running_loop().time() + _GIVE_UP_SECONDS
    try:
        for retries in itertools.count():
            try:
                async with asyncio.timeout(_TRY_SECONDS):
                    return await store()
            except _PASSING as error:
                if asyncio.get_running_loop().time() >= last_try:
                    raise
                delay_seconds = _BACKOFF.delay_seconds(retries)
                _log.warning("storing_retried", delay_seconds=delay_seconds, error=type(error).__name__)
            await asyncio.sleep(delay_seconds)
    except asyncio.CancelledError as cancelled:
        _log.error("transcription_not_stored", error=str(cancelled))
        raise
    except Exception:  # the client has received its text already
        _log.exception("transcription_not_stored")
