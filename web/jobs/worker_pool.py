"""Owns the procrastinate workers of one process for as long as one connection lasts: signs of life, a clean end."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from procrastinate import App
from procrastinate.job_context import JobContext
from procrastinate.jobs import DeleteJobCondition, Job
from procrastinate.worker import Worker

from web.jobs.job_table import Ledger
from web.jobs.steps import RetryError

STALLED_SECONDS = 6.0
"""A worker without a sign of life for so long is taken for dead."""
_BEAT_SECONDS = 1.5
# What is queued again is not announced by PostgreSQL, it has to be looked for.
_POLL_SECONDS = 1.0
# Longer than most segments take, within what a process manager gives before it kills.
_DRAIN_SECONDS = 20.0
_STOP_POLL_SECONDS = 0.1
_log = structlog.get_logger()


class WorkerLostError(Exception):
    """A worker has ended by itself; that is how procrastinate takes the loss of its connection."""


class GivenBackError(Exception):
    """A task was taken when the process was about to end already."""


class Crew:
    """A worker for each queue, with so many tasks at once."""

    def __init__(self, app: App, ledger: Ledger, queues: Mapping[str, int]) -> None:
        self._ledger = ledger
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
                worker_middleware=[self._watched],
            )
            for queue, count in queues.items()
        ]

    def finish(self) -> None:
        """Take nothing new; `run` ends when all that is in work is done, or given back after 20 s."""
        self._ending.set()

    async def run(self) -> None:
        """Work; cancelled, give back what is in work. Raises WorkerLostError in a group."""
        async with asyncio.TaskGroup() as tasks:
            beating = tasks.create_task(self._beat())
            working = [tasks.create_task(self._work(worker)) for worker in self._workers]
            await self._ending.wait()
            if working:
                await asyncio.wait(working)
            beating.cancel()

    async def lost(self) -> list[Job]:
        """Tasks that the tables say are done here, and that are not, now and when this was asked before.

        The end of a task is not written down when the connection breaks at that moment.
        """
        ids = [worker.worker_id for worker in self._workers if worker.worker_id is not None]
        strays = [job for id_ in ids for job in await self._ledger.taken(id_) if job.id not in self._tasks]
        before, self._suspects = self._suspects, {job.id for job in strays if job.id is not None}
        return [job for job in strays if job.id in before]

    async def _beat(self) -> None:
        """procrastinate's own heartbeat stops as soon as a worker is told to end, whatever it is still doing."""
        while True:
            for worker in self._workers:
                if worker.worker_id is not None:
                    await self._ledger.beat(worker.worker_id)
            await asyncio.sleep(_BEAT_SECONDS)

    async def _work(self, worker: Worker) -> None:
        running = asyncio.create_task(worker.run())  # type: ignore[no-untyped-call]
        ending = asyncio.create_task(self._ending.wait())
        try:
            await asyncio.wait([running, ending], return_when=asyncio.FIRST_COMPLETED)
            if not self._ending.is_set():
                raise WorkerLostError(worker.worker_name) from running.exception()
            await _stopped(worker, running)
        except asyncio.CancelledError:
            self._give_back()
            await _stopped(worker, running)
            raise
        finally:
            ending.cancel()

    def _give_back(self) -> None:
        """Cancelled tasks are queued again at once, see the retries of the queue."""
        self._ending.set()
        while self._tasks:
            # Once only: a second time it would not be written down.
            self._tasks.popitem()[1].cancel()

    async def _watched(self, step: Callable[[], Awaitable[Any]], context: JobContext, _: Worker) -> Any:
        task, job_id = asyncio.current_task(), context.job.id
        if self._ending.is_set() or task is None or job_id is None:
            raise GivenBackError
        self._tasks[job_id] = task
        try:
            return await step()
        except RetryError:
            raise
        except Exception:
            _log.exception("step_broke", task=context.job.queueing_lock)
            raise
        finally:
            self._tasks.pop(job_id, None)


async def _stopped(worker: Worker, running: asyncio.Task[None]) -> None:
    """Wait for the end; a worker that is just starting forgets that it was told to stop."""
    while not running.done():
        worker.stop()  # type: ignore[no-untyped-call]
        await asyncio.wait([running], timeout=_STOP_POLL_SECONDS)
    await asyncio.gather(running, return_exceptions=True)
