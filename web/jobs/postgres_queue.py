"""The queue of servers with PostgreSQL: any number of processes share it, and take over the jobs of dead ones.

The tables of recordings say what is to be done; procrastinate's jobs only say which process does it, and when.
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

from web.jobs.job_table import JobTable
from web.jobs.queue import MOST_FETCHES, MOST_FETCHES_PER_OWNER
from web.jobs.steps import RetryError, Steps
from web.jobs.worker_pool import STALLED_SECONDS, HandedBackError, WorkerPool
from web.store.recordings import Recordings, SegmentKey

_RECORDINGS, _SEGMENTS = "recordings", "segments"
_CONNECTIONS = 4
_CONNECTION_SECONDS = 10.0
_RECONNECT_PAUSE_SECONDS = 1.0
_BROKEN_PAUSE_SECONDS = 5
_UNREADY_SECONDS = 2.0
# The retry strategy turns these three failures into a pause of four seconds, until the owner has fewer downloads.
_CROWDED_FAILURES = 3
# How often the jobs of dead workers are looked for, and after how many times also steps that were never announced.
_RECOVERY_SECONDS = 1.0
_RECOVERIES_PER_SWEEP = 5
_RECOVERY_LIMIT_SECONDS = 30.0
# How long a request waits for its jobs to be queued.
_ANNOUNCE_SECONDS = 2.0
_MOST_ANNOUNCING = 64
# More than are recognized until the next sweep. They are read in the order in which they are worked on.
_MOST_SWEPT = 1000
_log = structlog.get_logger()


class PostgresQueue:
    """Recognizes at most `streams` segments at once in this process, 0 for none; recordings take turns everywhere."""

    def __init__(self, steps: Steps, recordings: Recordings, streams: int, url: str) -> None:
        self._steps = steps
        self._recordings = recordings
        self._queues = {_SEGMENTS: streams, _RECORDINGS: MOST_FETCHES} if streams else {}
        self._owners: Counter[str] = Counter()
        self._is_finishing = False
        self._pool: WorkerPool | None = None
        self._announcing: set[asyncio.Task[None]] = set()
        connector = PsycopgConnector(
            conninfo=url,
            min_size=1,
            max_size=_CONNECTIONS,
            timeout=_CONNECTION_SECONDS,
            configure=_limit_statements,
            kwargs={"connect_timeout": 5, "tcp_user_timeout": 10_000},
        )
        self._table = JobTable(connector)
        self._app = App(connector=connector)
        task, retry = self._app.task, _Retries()
        self._fetch = task(name="fetch", queue=_RECORDINGS, retry=retry)(self._fetch_recording)
        self._recognize = task(name="recognize", queue=_SEGMENTS, retry=retry)(self._recognize_segment)

    async def announce_recording(self, recording_id: str) -> None:
        await self._announce([self._fetching(recording_id)])

    async def announce_segments(self, keys: Sequence[SegmentKey]) -> None:
        await self._announce([self._recognizing(key) for key in keys])

    def finish(self) -> None:
        """Fetch no more jobs; `run` ends once the running ones are done, at most 20 s later."""
        self._is_finishing = True
        if self._pool is not None:
            self._pool.finish()

    def wake(self) -> None:
        """Do nothing: PostgreSQL itself notifies every worker."""

    async def run(self) -> None:
        try:
            while not self._is_finishing:
                try:
                    await self._work()
                except Exception:  # the database may be away; wait until it is back
                    _log.exception("queue_lost")
                    await asyncio.sleep(_RECONNECT_PAUSE_SECONDS)
        finally:
            for task in self._announcing:
                task.cancel()

    async def _work(self) -> None:
        try:
            await self._app.open_async()
            await self._table.create()
            self._pool = pool = WorkerPool(self._app, self._table, self._queues)
            if self._is_finishing:
                return
            async with asyncio.TaskGroup() as tasks:
                recovery = tasks.create_task(self._keep_recovering(pool))
                await pool.run()
                recovery.cancel()
        finally:
            self._pool = None
            await self._app.close_async()

    async def _keep_recovering(self, pool: WorkerPool) -> None:
        for number in itertools.count():
            try:
                async with asyncio.timeout(_RECOVERY_LIMIT_SECONDS):
                    await self._recover(pool, is_sweep=number % _RECOVERIES_PER_SWEEP == 0)
            except Exception:  # the next time tries again
                _log.exception("recovery_failed")
            await asyncio.sleep(_RECOVERY_SECONDS)

    async def _recover(self, pool: WorkerPool, *, is_sweep: bool) -> None:
        """Queue the jobs of dead workers again, and in a sweep also steps that no process has announced."""
        await self._table.requeue(await pool.lost())
        async with self._table.recovering() as is_ours:
            if is_ours:
                await self._table.requeue(await self._table.stalled(STALLED_SECONDS))
            if is_ours and is_sweep:
                fetches = [self._fetching(recording_id) for recording_id, _ in await self._recordings.unread()]
                segments = [self._recognizing(key) for key in await self._recordings.unsettled(_MOST_SWEPT)]
                await self._table.add([*fetches, *segments])

    async def _announce(self, jobs: Sequence[Job]) -> None:
        """Queue jobs; if that takes long, it continues in the background.

        The steps are in the tables of recordings, so that a sweep queues what could not be queued here.
        """
        if len(self._announcing) >= _MOST_ANNOUNCING:
            return
        task = asyncio.create_task(self._add(jobs))
        self._announcing.add(task)
        task.add_done_callback(self._announcing.discard)
        await asyncio.wait({task}, timeout=_ANNOUNCE_SECONDS)

    async def _add(self, jobs: Sequence[Job]) -> None:
        try:
            await self._table.add(jobs)
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
        if self._owners[recording.owner] >= MOST_FETCHES_PER_OWNER:
            raise RetryError(_CROWDED_FAILURES)
        self._owners[recording.owner] += 1
        try:
            await self._steps.fetch(recording_id, self.announce_segments)
        finally:
            self._owners[recording.owner] -= 1
            self._owners += Counter()  # drops the owners without a download

    async def _recognize_segment(self, recording_id: str, number: int) -> None:
        # Without a pause all queued jobs would be fetched and put back in a tight loop.
        if not await self._steps.is_ready_within(_UNREADY_SECONDS):
            # The recognizer of another process may be ready.
            raise RetryError(1)
        await self._steps.recognize((recording_id, number))


class _Retries(BaseRetryStrategy):
    """Retries every job: a step that cannot succeed fails its recording itself."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision:
        match exception:
            case RetryError(delay_seconds=delay_seconds):
                seconds = round(delay_seconds)
            case asyncio.CancelledError() | HandedBackError():
                seconds = 0
            case _:
                seconds = _BROKEN_PAUSE_SECONDS
        return RetryDecision(retry_in={"seconds": seconds})


async def _limit_statements(connection: AsyncConnection) -> None:
    """Bound every statement of a connection, and transactions that a dead process left open."""
    await connection.execute(
        "SELECT set_config('lock_timeout', '10s', false), set_config('statement_timeout', '20s', false),"
        " set_config('idle_in_transaction_session_timeout', '40s', false)"
    )
    await connection.commit()
