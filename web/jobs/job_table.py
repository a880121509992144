"""Owns procrastinate's tables: made where they are missing, each task in them once, none left to a dead process."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

import structlog
from procrastinate import PsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job
from procrastinate.manager import JobManager
from procrastinate.schema import SchemaManager

# What PostgreSQL is told to hold meanwhile; any numbers that are always the same would do.
_SCHEMA_LOCK, _ADDING_LOCK, _TENDING_LOCK = 0x53504C31, 0x53504C32, 0x53504C33
_KNOWN = """
    SELECT queueing_lock FROM procrastinate_jobs WHERE status = 'todo' AND queueing_lock = ANY(%s)
    UNION ALL
    SELECT queueing_lock FROM procrastinate_jobs WHERE status = 'doing'
"""
_log = structlog.get_logger()


class Ledger:
    """The tasks of all processes; what a task is for is told by its queueing lock."""

    def __init__(self, connector: PsycopgConnector) -> None:
        self._connector = connector
        self._manager = JobManager(connector)

    async def create(self) -> None:
        """Make the tables unless they are there; processes that start together wait for the first."""
        async with self._connector.pool.connection() as connection:
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", [_SCHEMA_LOCK])
            found = await (await connection.execute("SELECT to_regclass('procrastinate_jobs')")).fetchone()
            if found is None or found[0] is None:
                await connection.execute(SchemaManager.get_schema())

    async def add(self, jobs: Sequence[Job]) -> None:
        """Queue those that are neither queued nor running.

        One process adds at a time: what another one adds meanwhile could be running already, and would run twice.
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
    async def tending(self) -> AsyncIterator[bool]:
        """Whether this process is the one that looks after the tables while the context lasts."""
        async with self._connector.pool.connection() as connection:
            cursor = await connection.execute("SELECT pg_try_advisory_xact_lock(%s)", [_TENDING_LOCK])
            row = await cursor.fetchone()
            yield row is not None and bool(row[0])

    async def beat(self, worker_id: int) -> None:
        """Give a worker's sign of life."""
        await self._manager.update_heartbeat(worker_id)

    async def stalled(self, seconds: float) -> Iterable[Job]:
        """What is with workers that gave no sign of life for so long."""
        return await self._manager.get_stalled_jobs(seconds_since_heartbeat=seconds)

    async def taken(self, worker_id: int) -> Iterable[Job]:
        """What a worker does, as these tables have it."""
        return await self._manager.list_jobs_async(worker_id=worker_id, status="doing")

    async def free(self, jobs: Iterable[Job]) -> None:
        """Queue again what was taken and is not done by anybody."""
        for job in jobs:
            try:
                await self._manager.retry_job(job)
            except ConnectorException as over:  # it has ended meanwhile, or is queued already
                _log.info("task_not_freed", task=job.queueing_lock, error=str(over))
            else:
                _log.warning("task_freed", task=job.queueing_lock)
