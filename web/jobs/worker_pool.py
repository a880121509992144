"""The procrastinate workers of one process, from a connection to the database until it is lost or the process ends."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from procrastinate import App
from procrastinate.job_context import JobContext
from procrastinate.jobs import DeleteJobCondition, Job
from procrastinate.worker import Worker

from web.jobs.job_table import JobTable
from web.jobs.steps import RetryError

STALLED_SECONDS = 6.0
"""A worker without a heartbeat for so long counts as dead."""
_HEARTBEAT_SECONDS = 1.5
# PostgreSQL notifies workers of new jobs, not of those that are queued again.
_POLL_SECONDS = 1.0
# Longer than most segments take, and shorter than the time after which process managers kill.
_DRAIN_SECONDS = 20.0
_log = structlog.get_logger()


class WorkerLostError(Exception):
    """A worker has ended by itself, as procrastinate's do when they lose their connection."""


class HandedBackError(Exception):
    """A job was fetched after the process had begun to end."""


class WorkerPool:
    """A worker for each queue, with so many jobs at once."""

    def __init__(self, app: App, table: JobTable, queues: Mapping[str, int]) -> None:
        self._table = table
        self._ending = asyncio.Event()
        self._tasks: dict[int, asyncio.Task[Any]] = {}
        self._suspects: set[int] = set()
        self._workers = [
            Worker(
                app,
                queues=[queue],
                name=queue,
                concurrency=count,
                fetch_job_polling_interval=_POLL_SECONDS,
                shutdown_graceful_timeout=_DRAIN_SECONDS,
                stalled_worker_timeout=STALLED_SECONDS,
                delete_jobs=DeleteJobCondition.ALWAYS,
                install_signal_handlers=False,
                worker_middleware=[self._tracked],
            )
            for queue, count in queues.items()
        ]

    def finish(self) -> None:
        """Fetch no more jobs; `run` ends once the running ones are done, or handed back after 20 s."""
        self._ending.set()

    async def run(self) -> None:
        """Work until finished or cancelled, which hands back the running jobs. Raises WorkerLostError in a group."""
        async with asyncio.TaskGroup() as tasks:
            heartbeat = tasks.create_task(self._keep_beating())
            working = [tasks.create_task(self._work(worker)) for worker in self._workers]
            await self._ending.wait()
            if working:
                await asyncio.wait(working)
            heartbeat.cancel()

    async def lost(self) -> list[Job]:
        """Return jobs that run here according to the tables, and did not now nor at the last call.

        procrastinate does not write the end of a job if the connection breaks at that moment.
        """
        ids = [worker.worker_id for worker in self._workers if worker.worker_id is not None]
        strays = [job for id_ in ids for job in await self._table.running(id_) if job.id not in self._tasks]
        before, self._suspects = self._suspects, {job.id for job in strays if job.id is not None}
        return [job for job in strays if job.id in before]

    async def _keep_beating(self) -> None:
        """Write heartbeats: procrastinate's own end as soon as a worker is stopped, before its running jobs do."""
        while True:
            for worker in self._workers:
                if worker.worker_id is not None:
                    await self._table.beat(worker.worker_id)
            await asyncio.sleep(_HEARTBEAT_SECONDS)

    async def _work(self, worker: Worker) -> None:
        running = asyncio.create_task(worker.run())  # type: ignore[no-untyped-call]
        ending = asyncio.create_task(self._ending.wait())
        try:
            await asyncio.wait([running, ending], return_when=asyncio.FIRST_COMPLETED)
            if not self._ending.is_set():
                raise WorkerLostError(worker.worker_name) from running.exception()
            await _stopped(worker, running)
        except asyncio.CancelledError:
            self._hand_back()
            await _stopped(worker, running)
            raise
        finally:
            ending.cancel()

    def _hand_back(self) -> None:
        """Cancel the running jobs: the retry strategy of the queue then queues them again at once."""
        self._ending.set()
        while self._tasks:
            # A second cancellation would keep procrastinate from writing the end of the job.
            self._tasks.popitem()[1].cancel()

    async def _tracked(self, step: Callable[[], Awaitable[Any]], context: JobContext, _: Worker) -> Any:
        task, job_id = asyncio.current_task(), context.job.id
        if self._ending.is_set() or task is None or job_id is None:
            raise HandedBackError
        self._tasks[job_id] = task
        try:
            return await step()
        except RetryError:
            raise
        except Exception:
            _log.exception("step_failed", job=context.job.queueing_lock)
            raise
        finally:
            self._tasks.pop(job_id, None)


async def _stopped(worker: Worker, running: asyncio.Task[None]) -> None:
    """Stop a worker and wait for its end; what it raises by then does not matter."""
    worker.stop()  # type: ignore[no-untyped-call]
    await asyncio.wait([running])
    if not running.cancelled():
        running.exception()
