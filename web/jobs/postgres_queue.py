"""Owns the queue of servers with PostgreSQL: any number of processes share it, and take over what a dead one did.

The tables of recordings say what is to be done; procrastinate's tasks only say who does it, and when.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Sequence

import structlog
from procrastinate import App, BaseRetryStrategy, PsycopgConnector, RetryDecision
from procrastinate.exceptions import ProcrastinateException
from procrastinate.jobs import Job
from procrastinate.types import JSONDict
from psycopg import AsyncConnection, Error

from web.jobs.job_table import Ledger
from web.jobs.slots import MOST_FETCHES, MOST_OF_OWNER
from web.jobs.steps import RetryError, Steps
from web.jobs.worker_pool import STALLED_SECONDS, Crew, GivenBackError
from web.store.recordings import Recordings, SegmentKey

_RECORDINGS, _SEGMENTS = "recordings", "segments"
_CONNECTIONS = 4
_CONNECTION_SECONDS = 10.0
_RECONNECT_PAUSE_SECONDS = 1.0
_BROKEN_PAUSE_SECONDS = 5
_UNREADY_SECONDS = 2.0
# A download whose owner has as many as they may is tried again after four seconds.
_CROWDED_FAILURES = 3
# So often what others left is looked for, and every so manieth time what was never announced.
_LOOK_SECONDS = 1.0
_LOOKS_A_SWEEP = 5
_LOOK_LIMIT_SECONDS = 30.0
# A request waits so long for its tasks to be queued.
_ANNOUNCE_SECONDS = 2.0
_MOST_ANNOUNCING = 64
# More than are done until the next sweep; they come in the order in which they are worked on.
_MOST_SWEPT = 1000
_log = structlog.get_logger()


class SpreadQueue:
    """Does at most `streams` segments here at once, 0 for none; the recordings in turn, wherever they are worked on."""

    def __init__(self, steps: Steps, recordings: Recordings, streams: int, url: str) -> None:
        self._steps = steps
        self._recordings = recordings
        self._queues = {_SEGMENTS: streams, _RECORDINGS: MOST_FETCHES} if streams else {}
        self._owners: Counter[str] = Counter()
        self._is_finishing = False
        self._crew: Crew | None = None
        self._announcing: set[asyncio.Task[None]] = set()
        connector = PsycopgConnector(
            conninfo=url,
            min_size=1,
            max_size=_CONNECTIONS,
            timeout=_CONNECTION_SECONDS,
            configure=_bound,
            kwargs={"connect_timeout": 5, "tcp_user_timeout": 10_000},
        )
        self._ledger = Ledger(connector)
        self._app = App(connector=connector)
        task, retry = self._app.task, _Retries()
        self._fetch = task(name="fetch", queue=_RECORDINGS, retry=retry)(self._fetch_recording)
        self._recognize = task(name="recognize", queue=_SEGMENTS, retry=retry)(self._recognize_segment)

    async def announce_recording(self, recording_id: str) -> None:
        await self._announce([self._fetching(recording_id)])

    async def announce_segments(self, keys: Sequence[SegmentKey]) -> None:
        await self._announce([self._recognizing(key) for key in keys])

    def finish(self) -> None:
        """Take nothing new; `run` ends when what is in work is done, at most 20 s later."""
        self._is_finishing = True
        if self._crew is not None:
            self._crew.finish()

    async def run(self) -> None:
        try:
            while not self._is_finishing:
                try:
                    await self._work()
                except Exception:  # without its database it waits until that is there again
                    _log.exception("queue_lost")
                    await asyncio.sleep(_RECONNECT_PAUSE_SECONDS)
        finally:
            for task in self._announcing:
                task.cancel()

    async def _work(self) -> None:
        try:
            await self._app.open_async()
            await self._ledger.create()
            self._crew = crew = Crew(self._app, self._ledger, self._queues)
            if self._is_finishing:
                return
            async with asyncio.TaskGroup() as tasks:
                tending = tasks.create_task(self._tend(crew))
                await crew.run()
                tending.cancel()
        finally:
            self._crew = None
            await self._app.close_async()

    async def _tend(self, crew: Crew) -> None:
        for look in itertools.count():
            try:
                async with asyncio.timeout(_LOOK_LIMIT_SECONDS):
                    await self._look(crew, is_sweep=look % _LOOKS_A_SWEEP == 0)
            except Exception:  # what it could not do now it does with a later look
                _log.exception("look_failed")
            await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self, crew: Crew, *, is_sweep: bool) -> None:
        """Free what dead processes took, and queue what nobody announced, such as a process that died before."""
        await self._ledger.free(await crew.lost())
        async with self._ledger.tending() as is_ours:
            if is_ours:
                await self._ledger.free(await self._ledger.stalled(STALLED_SECONDS))
            if is_ours and is_sweep:
                fetches = [self._fetching(recording_id) for recording_id, _ in await self._recordings.unread()]
                segments = [self._recognizing(key) for key in await self._recordings.unsettled(_MOST_SWEPT)]
                await self._ledger.add([*fetches, *segments])

    async def _announce(self, jobs: Sequence[Job]) -> None:
        """Queue tasks, behind the caller where that takes long.

        What cannot be queued now is in the tables of recordings all the same, and is swept up.
        """
        if len(self._announcing) >= _MOST_ANNOUNCING:
            return
        task = asyncio.create_task(self._add(jobs))
        self._announcing.add(task)
        task.add_done_callback(self._announcing.discard)
        await asyncio.wait({task}, timeout=_ANNOUNCE_SECONDS)

    async def _add(self, jobs: Sequence[Job]) -> None:
        try:
            await self._ledger.add(jobs)
        except (ProcrastinateException, Error) as error:
            _log.warning("announcement_failed", count=len(jobs), error=type(error).__name__)

    def _fetching(self, recording_id: str) -> Job:
        arguments: JSONDict = {"recording_id": recording_id}
        return self._fetch.configure(queueing_lock=f"recording {recording_id}", task_kwargs=arguments).job

    def _recognizing(self, key: SegmentKey) -> Job:
        recording_id, number = key
        arguments: JSONDict = {"recording_id": recording_id, "number": number}
        lock = f"segment {recording_id} {number}"
        return self._recognize.configure(queueing_lock=lock, priority=-number, task_kwargs=arguments).job

    async def _fetch_recording(self, recording_id: str) -> None:
        recording = await self._recordings.get(recording_id)
        if recording is None:
            return
        if self._owners[recording.owner] >= MOST_OF_OWNER:
            raise RetryError(_CROWDED_FAILURES)
        self._owners[recording.owner] += 1
        try:
            await self._steps.fetch(recording_id, self.announce_segments)
        finally:
            self._owners[recording.owner] -= 1
            self._owners += Counter()  # forgets who has none

    async def _recognize_segment(self, recording_id: str, number: int) -> None:
        if not self._steps.is_ready:
            # Not at once: all that is queued would go round and round.
            await asyncio.sleep(_UNREADY_SECONDS)
            if not self._steps.is_ready:
                # The recognizer of another process may be there.
                raise RetryError(1)
        await self._steps.recognize((recording_id, number))


class _Retries(BaseRetryStrategy):
    """No task is ever given up here: the steps settle it, one way or the other."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision:
        match exception:
            case RetryError(failures=failures):
                seconds = 2 ** (failures - 1)
            case asyncio.CancelledError() | GivenBackError():
                seconds = 0
            case _:
                seconds = _BROKEN_PAUSE_SECONDS
        return RetryDecision(retry_in={"seconds": seconds})


async def _bound(connection: AsyncConnection) -> None:
    """No statement waits for ever, and no other process for a transaction that was cut off."""
    await connection.execute(
        "SELECT set_config('lock_timeout', '10s', false), set_config('statement_timeout', '20s', false),"
        " set_config('idle_in_transaction_session_timeout', '40s', false)"
    )
    await connection.commit()
