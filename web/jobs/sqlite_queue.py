"""Owns the queue of a server with SQLite: the process itself does what the tables say is to be done."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import structlog
from filelock import FileLock, Timeout

from web.jobs.slots import MOST_FETCHES, next_fetches
from web.jobs.steps import RetryError, Steps
from web.store.database.away import DatabaseAwayError
from web.store.recordings import Recordings, SegmentKey

# A second process with the same file looks so often whether the first is gone; so late, too, is what nobody announced.
_LOOK_SECONDS = 5.0
_FIRST_PAUSE_SECONDS = 1.0
_log = structlog.get_logger()


class LocalQueue:
    """Does at most `streams` segments at once, the recordings in turn; the tables are its only memory."""

    def __init__(self, steps: Steps, recordings: Recordings, streams: int, lock: Path) -> None:
        self._steps = steps
        self._recordings = recordings
        self._streams = streams
        self._lock = FileLock(lock)
        self._wake = asyncio.Event()
        self._fetching: dict[str, str] = {}
        self._recognizing: set[SegmentKey] = set()
        self._resting: set[SegmentKey] = set()

    async def announce_recording(self, recording_id: str) -> None:
        self._wake.set()

    async def announce_segments(self, keys: Sequence[SegmentKey]) -> None:
        self._wake.set()

    async def run(self) -> None:
        await self._acquire()
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    self._wake.clear()
                    await self._look(tasks)
                    await self._wait()
        finally:
            self._lock.release()

    async def _acquire(self) -> None:
        """Wait until no other process works on this database."""
        while True:
            try:
                self._lock.acquire(blocking=False)
            except Timeout:
                await asyncio.sleep(_LOOK_SECONDS)
            else:
                return

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _look(self, tasks: asyncio.TaskGroup) -> None:
        try:
            await self._start_what_waits(tasks)
        except DatabaseAwayError as away:  # it is looked at again
            _log.warning("look_failed", reason=away.absence.name.lower())
        except Exception:  # whatever it was, it is no reason never to look again
            _log.exception("look_failed")

    async def _start_what_waits(self, tasks: asyncio.TaskGroup) -> None:
        if len(self._fetching) < MOST_FETCHES:
            waiting = [one for one in await self._recordings.unread() if one[0] not in self._fetching]
            for recording_id, owner in next_fetches(waiting, self._fetching.values()):
                self._fetching[recording_id] = owner
                tasks.create_task(self._kept(self._fetch(recording_id), self._fetching.__delitem__, recording_id))
        free = self._streams - len(self._recognizing)
        if free > 0:
            taken = (*self._recognizing, *self._resting)
            for key in await self._recordings.unsettled(free, taken):
                self._recognizing.add(key)
                tasks.create_task(self._kept(self._recognize(key, tasks), self._recognizing.discard, key))

    async def _kept(self, step: Coroutine[Any, Any, None], forget: Callable[[Any], None], key: object) -> None:
        """Carry out a step; a fault of ours in one must not end the others."""
        try:
            await step
        except DatabaseAwayError as away:  # the step stays in the tables, and is tried again with a later look
            _log.warning("step_broke", reason=away.absence.name.lower())
            await asyncio.sleep(_LOOK_SECONDS)
        except Exception:
            _log.exception("step_broke")
            await asyncio.sleep(_LOOK_SECONDS)
        finally:
            forget(key)
            self._wake.set()

    async def _fetch(self, recording_id: str) -> None:
        await self._steps.fetch(recording_id, self.announce_segments)

    async def _recognize(self, key: SegmentKey, tasks: asyncio.TaskGroup) -> None:
        try:
            await self._steps.recognize(key)
        except RetryError as failed:
            self._resting.add(key)
            tasks.create_task(self._rest(key, _FIRST_PAUSE_SECONDS * 2 ** (failed.failures - 1)))

    async def _rest(self, key: SegmentKey, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._resting.discard(key)
        self._wake.set()
