"""The queue of a server with SQLite: one process does what the tables of recordings say is to be done."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import structlog
from filelock import FileLock, Timeout

from web.jobs.queue import MOST_FETCHES, next_fetches
from web.jobs.steps import RetryError, Steps
from web.store.database.unavailable import DatabaseUnavailableError
from web.store.recordings import Recordings, SegmentKey

# How often the tables are read without an announcement, and how often a second process tries to take over the file.
_POLL_SECONDS = 5.0
_log = structlog.get_logger()


class SqliteQueue:
    """Recognizes at most `streams` segments at once, recordings in turn; it keeps no state but the tables."""

    def __init__(
        self,
        steps: Steps,
        recordings: Recordings,
        streams: int,
        lock: Path,
        *,
        announce: Callable[[], None] | None = None,
    ) -> None:
        """`announce` tells the other workers of a server of work, which the one with the lock does."""
        self._announce = announce
        self._steps = steps
        self._recordings = recordings
        self._streams = streams
        self._lock = FileLock(lock)
        self._wake = asyncio.Event()
        self._fetching: dict[str, str] = {}
        self._recognizing: set[SegmentKey] = set()
        self._paused: set[SegmentKey] = set()

    async def announce_recording(self, recording_id: str) -> None:
        self._announce_work()

    async def announce_segments(self, keys: Sequence[SegmentKey]) -> None:
        self._announce_work()

    def _announce_work(self) -> None:
        if self._announce is None or self._lock.is_locked:
            self.wake()
        else:
            self._announce()

    def wake(self) -> None:
        """Look for work now."""
        self._wake.set()

    async def run(self) -> None:
        await self._acquire()
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    self._wake.clear()
                    await self._start_waiting(tasks)
                    await self._wait()
        finally:
            self._lock.release()

    async def _acquire(self) -> None:
        """Wait until no other process works on this file."""
        while True:
            try:
                self._lock.acquire(blocking=False)
            except Timeout:
                await asyncio.sleep(_POLL_SECONDS)
            else:
                return

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(_POLL_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _start_waiting(self, tasks: asyncio.TaskGroup) -> None:
        try:
            await self._start(tasks)
        except DatabaseUnavailableError as error:  # the next poll tries again
            _log.warning("poll_failed", reason=error.reason.name.lower())
        except Exception:  # a fault of ours in one poll must not end the queue
            _log.exception("poll_failed")

    async def _start(self, tasks: asyncio.TaskGroup) -> None:
        if len(self._fetching) < MOST_FETCHES:
            waiting = [one for one in await self._recordings.unread() if one[0] not in self._fetching]
            for recording_id, owner in next_fetches(waiting, self._fetching.values()):
                self._fetching[recording_id] = owner
                tasks.create_task(self._guarded(self._fetch(recording_id), self._fetching.__delitem__, recording_id))
        free = self._streams - len(self._recognizing)
        if free > 0:
            taken = (*self._recognizing, *self._paused)
            for key in await self._recordings.unsettled(free, taken):
                self._recognizing.add(key)
                tasks.create_task(self._guarded(self._recognize(key, tasks), self._recognizing.discard, key))

    async def _guarded(self, step: Coroutine[Any, Any, None], forget: Callable[[Any], None], key: object) -> None:
        """Carry out a step, and log its failure: a fault of ours in one must not end the others."""
        try:
            await step
        except DatabaseUnavailableError as error:  # the step stays in the tables, and a later poll starts it again
            _log.warning("step_failed", reason=error.reason.name.lower())
            await asyncio.sleep(_POLL_SECONDS)
        except Exception:
            _log.exception("step_failed")
            await asyncio.sleep(_POLL_SECONDS)
        finally:
            forget(key)
            self._wake.set()

    async def _fetch(self, recording_id: str) -> None:
        await self._steps.fetch(recording_id, self.announce_segments)

    async def _recognize(self, key: SegmentKey, tasks: asyncio.TaskGroup) -> None:
        try:
            await self._steps.recognize(key)
        except RetryError as failed:
            self._paused.add(key)
            tasks.create_task(self._pause(key, failed.delay_seconds))

    async def _pause(self, key: SegmentKey, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._paused.discard(key)
        self._wake.set()
