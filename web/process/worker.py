"""A process that recognizes long recordings and nothing else: no HTTP, any number of them, on any machine."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from stream.lazy_import import lazy_import
from stream.waiting import first_of
from web.backends.backend import Backend
from web.backends.registry import chosen_backend
from web.clock import wall_clock
from web.composition.access import counted_limits
from web.composition.recordings import opened_database, recording_steps, recordings_in
from web.settings.settings import Settings
from web.store.database.database import Database, UnusableDatabaseError, libpq_url

if TYPE_CHECKING:
    from web.jobs import postgres_queue
else:
    # An installation without PostgreSQL's driver gets as far as the sentence about its database.
    postgres_queue = lazy_import("web.jobs.postgres_queue")

# A database that does not answer cannot take anything back; other workers find that out by themselves.
_GIVE_BACK_SECONDS = 5.0


class WorkerError(Exception):
    """The worker cannot start, or not go on; the text says why and what to do."""


class Stop:
    """What asks a worker to end: `finish` what is in work, then `drop` it."""

    def __init__(self) -> None:
        self.finish = asyncio.Event()
        self.drop = asyncio.Event()


async def work(
    settings: Settings, say: Callable[[str], None], warn: Callable[[str], None], stop: Stop | None = None
) -> bool:
    """Work until `stop`; return whether everything that was begun then was also finished.

    What is in work is finished, or given back when that takes longer than a final may, or when it is to be dropped.
    `say` gets a sentence when the work begins, `warn` one when that takes long. Raises WorkerError.
    """
    _check(settings)
    try:
        return await _work(settings, say, warn, stop or Stop())
    except UnusableDatabaseError as error:
        raise WorkerError(str(error)) from None


async def _work(settings: Settings, say: Callable[[str], None], warn: Callable[[str], None], stop: Stop) -> bool:
    async with AsyncExitStack() as stack:
        backend = await stack.enter_async_context(chosen_backend(settings.backends).running())
        database = await stack.enter_async_context(opened_database(settings.store))
        limits = await stack.enter_async_context(counted_limits(settings, asyncio.get_running_loop().time))
        recordings = recordings_in(database, settings, wall_clock)
        steps = recording_steps(settings, recordings, backend.recognizer, limits.recording_meter)
        job_streams = settings.store.job_streams
        queue = postgres_queue.PostgresQueue(steps, recordings, job_streams, libpq_url(database.url))
        # Until the recognizer is ready, other workers do what there is to do.
        if not await _wait_for_start(backend, stop, backend.ready_seconds):
            warn("The recognizer does not answer yet; the work begins when it does. `niyosha doctor` tells more.")
            await _wait_for_start(backend, stop)
        is_finished = True
        if not (stop.finish.is_set() or backend.gave_up.is_set()):
            say(f"Working on long recordings, {job_streams} segments at once.")
            is_finished = await _is_finished(queue, backend, stop, settings.session.final_limit_seconds)
        if backend.gave_up.is_set():
            raise WorkerError(backend.failure)
        return is_finished


async def _wait_for_start(backend: Backend, stop: Stop, seconds: float | None = None) -> bool:
    """Wait until the recognizer is ready or can never be, or a stop; return False if `seconds` passed before."""
    return await first_of(backend.recognizer.ready(), backend.gave_up.wait(), stop.finish.wait(), seconds=seconds)


async def _is_finished(
    queue: "postgres_queue.PostgresQueue", backend: Backend, stop: Stop, limit_seconds: float
) -> bool:
    """Let the queue run until it has to stop, and within `limit_seconds` from then; return whether it ended itself."""
    running = asyncio.create_task(queue.run())
    try:
        await first_of(backend.gave_up.wait(), stop.finish.wait())
        queue.finish()
        await first_of(asyncio.wait([running]), stop.drop.wait(), seconds=limit_seconds)
        return running.done()
    finally:
        running.cancel()
        await asyncio.wait([running], timeout=_GIVE_BACK_SECONDS)


def _check(settings: Settings) -> None:
    if not Database(settings.store.database_url).is_postgres:
        raise WorkerError(
            "NIYOSHA_DATABASE_URL names a SQLite file, and only one process, `niyosha serve`, can work on that; "
            "give it and the workers the same postgresql://... URL"
        )
    if not settings.store.job_streams:
        raise WorkerError("NIYOSHA_JOB_STREAMS is 0, so there is nothing to do; set it to 1 or more, or give --streams")
