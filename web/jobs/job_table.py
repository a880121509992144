"""procrastinate's tables: create them, queue each job once, and queue again the jobs of dead workers.

procrastinate notes which workers have stopped beating, but queues nothing again by itself. Its queueing lock keeps a
waiting job from being queued twice, not a running one.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

import structlog
from procrastinate import PsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job
from procrastinate.manager import JobManager
from procrastinate.schema import SchemaManager

# Keys of advisory locks in PostgreSQL: arbitrary, but the same in all processes.
_SCHEMA_LOCK, _ADDING_LOCK, _RECOVERY_LOCK = 0x53504C31, 0x53504C32, 0x53504C33
_KNOWN = """
    SELECT queueing_lock FROM procrastinate_jobs WHERE status = 'todo' AND queueing_lock = ANY(%s)
    UNION ALL
    SELECT queueing_lock FROM procrastinate_jobs WHERE status = 'doing'
"""
_log = structlog.get_logger()


class JobTable:
    """The jobs of all processes; the queueing lock of a job names the step that it is for."""

    def __init__(self, connector: PsycopgConnector) -> None:
        self._connector = connector
        self._manager = JobManager(connector)

    async def create(self) -> None:
        """Create the tables unless they exist; processes that start together wait for the first one."""
        async with self._connector.pool.connection() as connection:
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", [_SCHEMA_LOCK])
            found = await (await connection.execute("SELECT to_regclass('procrastinate_jobs')")).fetchone()
            if found is None or found[0] is None:
                await connection.execute(SchemaManager.get_schema())

    async def add(self, jobs: Sequence[Job]) -> None:
        """Queue those jobs that are neither queued nor running.

        One process adds at a time: otherwise a job that another process adds could be running by the time this one
        adds it too, and would run twice.
        """
        if not jobs:
            return
        async with self._connector.pool.connection() as connection:
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", [_ADDING_LOCK])
            cursor = await connection.execute(_KNOWN, [[job.queueing_lock for job in jobs]])
            known = {row[0] for row in await cursor.fetchall()}
            missing = {job.queueing_lock: job for job in jobs if job.queueing_lock not in known}
            if missing:
                await self._manager.batch_defer_jobs_async(list(missing.values()), connection=connection)

    @asynccontextmanager
    async def recovering(self) -> AsyncIterator[bool]:
        """Give whether this process is the one that recovers jobs while the context lasts."""
        async with self._connector.pool.connection() as connection:
            cursor = await connection.execute("SELECT pg_try_advisory_xact_lock(%s)", [_RECOVERY_LOCK])
            row = await cursor.fetchone()
            yield row is not None and bool(row[0])

    async def beat(self, worker_id: int) -> None:
        """Write the heartbeat of a worker."""
        await self._manager.update_heartbeat(worker_id)

    async def stalled(self, seconds: float) -> Iterable[Job]:
        """Return the running jobs of workers without a heartbeat for so long."""
        return await self._manager.get_stalled_jobs(seconds_since_heartbeat=seconds)

    async def running(self, worker_id: int) -> Iterable[Job]:
        """Return the jobs that a worker is running according to the tables."""
        return await self._manager.list_jobs_async(worker_id=worker_id, status="doing")

    async def requeue(self, jobs: Iterable[Job]) -> None:
        """Queue running jobs again whose worker does not run them."""
        for job in jobs:
            try:
                await self._manager.retry_job(job)
            except ConnectorException as over:  # the job has ended meanwhile, or is queued already
                _log.info("job_not_requeued", job=job.queueing_lock, error=str(over))
            else:
                _log.warning("job_requeued", job=job.queueing_lock)
