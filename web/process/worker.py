"""Owns a process that recognizes long recordings and nothing else: no HTTP, any number of them, on any machine."""

import asyncio
import math
from collections.abc import Callable
from contextlib import AsyncExitStack

from web.clock import wall_clock
from web.composition import amounts, opened, recognizing, step_options
from web.jobs.postgres_queue import PostgresQueue
from web.jobs.steps import Steps
from web.limits.limits import limiting
from web.process.engine_process import riva_or_engine
from web.process.stopping import StopSignals
from web.settings.settings import Settings
from web.store.database.database import Database, UnusableDatabaseError, libpq_url
from web.store.recordings import Recordings

_POLL_SECONDS = 0.05
# A database that does not answer cannot be given back anything; others find that out by themselves.
_GIVE_BACK_SECONDS = 5.0


class WorkerError(Exception):
    """The worker cannot start, or not go on; the text says why and what to do."""


async def work(
    settings: Settings,
    tell: Callable[[str], None],
    warn: Callable[[str], None],
    signals: StopSignals | None = None,
) -> bool:
    """Work until a signal; then finish what is in work, or give it back at the next signal. Whether it was finished.

    What takes longer than a final may is given back, too. `tell` gets a sentence when the work begins, `warn` one when
    that takes long. Raises WorkerError.
    """
    _check(settings)
    try:
        return await _work(settings, tell, warn, signals or StopSignals())
    except UnusableDatabaseError as error:
        raise WorkerError(str(error)) from None


async def _work(
    settings: Settings, tell: Callable[[str], None], warn: Callable[[str], None], signals: StopSignals
) -> bool:
    async with AsyncExitStack() as stack:
        way = await stack.enter_async_context(riva_or_engine(settings))
        database = await stack.enter_async_context(opened(settings.database_url))
        recognizer = await stack.enter_async_context(recognizing(way.recognizer))
        recordings = Recordings(database, settings.retention_seconds, clock=wall_clock)
        loop_clock = asyncio.get_running_loop().time
        limits = await stack.enter_async_context(limiting(amounts(settings), settings.limits_url, loop_clock))
        steps = Steps(recordings, recognizer, step_options(settings), limits.recording_meter)
        queue = PostgresQueue(steps, recordings, settings.job_streams, libpq_url(database.url))

        def is_over() -> bool:
            return way.gave_up.is_set() or bool(signals.count)

        # Until the recognizer is there, others do what there is to do.
        if not await _until(lambda: recognizer.is_ready or is_over(), way.ready_seconds):
            warn("The recognizer does not answer yet; the work begins when it does. `niyosha doctor` tells more.")
            await _until(lambda: recognizer.is_ready or is_over())
        is_finished = True
        if not is_over():
            tell(f"Working on long recordings, {settings.job_streams} segments at once.")
            is_finished = await _worked(queue, signals, is_over, settings.final_limit_seconds)
        if way.gave_up.is_set():
            raise WorkerError("the embedded engine cannot start; it says why above")
        return is_finished


def _check(settings: Settings) -> None:
    if not Database(settings.database_url).is_postgres:
        raise WorkerError(
            "NIYOSHA_DATABASE_URL names a SQLite file, and only one process, `niyosha serve`, can work on that; "
            "give it and the workers the same postgresql://... URL"
        )
    if not settings.job_streams:
        raise WorkerError("NIYOSHA_JOB_STREAMS is 0, so there is nothing to do; set it to 1 or more, or give --streams")


async def _until(condition: Callable[[], bool], seconds: float = math.inf) -> bool:
    """Whether it came about in time."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(_POLL_SECONDS)
    return True


async def _worked(
    queue: PostgresQueue, signals: StopSignals, is_over: Callable[[], bool], limit_seconds: float
) -> bool:
    """Let the queue run until it is over, and end it within `limit_seconds`; whether it ended by itself."""
    running = asyncio.create_task(queue.run())
    try:
        await _until(is_over)
        queue.finish()
        await _until(lambda: running.done() or signals.count > 1, limit_seconds)
        return running.done()
    finally:
        running.cancel()
        await asyncio.wait([running], timeout=_GIVE_BACK_SECONDS)
