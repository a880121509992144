"""Schedule decodes over all calls: the queue, the worker threads, and the intervals between partials."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from stream.engine.scheduling.load import Lateness, SessionUsage
from stream.engine.scheduling.load_control import DecodeIntervals, LoadControl
from stream.engine.scheduling.queue import DecodeQueue, Job
from stream.engine.scheduling.work import Work

T = TypeVar("T")

# A session still counts as talking for so long after an utterance: its final and often the next utterance follow.
_QUIET_SECONDS = 1.0
# Finals are late if they wait so long for a worker, and for several decodes: one decode may always be in the way.
_LATE_SECONDS = 0.5
_LATE_DECODES = 3.0
# The longest utterance takes a second or two to decode; with a large model and twenty talkers on two cores, ten.
_STUCK_SECONDS = 120.0
_CLOSE_SECONDS = 10.0


class Scheduler:
    """Runs blocking decodes, `workers` at once, in threads or in `pool`; use it from one event loop.

    The queue has one job of each kind for a call at most, and the server bounds the number of calls. No decode is
    interrupted, so a single final waits for one other decode at most. While anybody talks, files leave one of several
    workers free, because their utterances are long. Intervals grow with the number of growing utterances, so that
    partials do not queue up.
    """

    def __init__(self, workers: int, pool: Executor | None = None) -> None:
        if workers < 1:
            raise ValueError(f"workers is {workers}; at least 1 is needed")
        self._workers = workers
        self._pool = pool or ThreadPoolExecutor(workers, thread_name_prefix="decode")
        self._queue = DecodeQueue()
        self._running: dict[Job, float] = {}  # since when
        self._load_control = LoadControl(workers)
        self._lateness = Lateness()
        self._growing = 0
        self._talking = 0

    @property
    def intervals(self) -> DecodeIntervals:
        """The intervals at which growing utterances are decoded now."""
        return self._load_control.intervals(self._growing)

    @contextmanager
    def growing(self) -> Iterator[None]:
        """Count an utterance as growing while the context lasts, which is decoded anew for every partial."""
        self._growing += 1
        try:
            with self.talking():
                yield
        finally:
            self._growing -= 1

    @contextmanager
    def talking(self) -> Iterator[None]:
        """Count somebody as talking while the context lasts, and for a moment after it."""
        self._talking += 1
        try:
            yield
        finally:
            asyncio.get_running_loop().call_later(_QUIET_SECONDS, self._stop_talking)

    @property
    def is_late(self) -> bool:
        """Whether finals wait too long for a worker."""
        now = asyncio.get_running_loop().time()
        wait_seconds = max(self._lateness.seconds(now), self._queue.longest_wait_seconds(now))
        return wait_seconds > max(_LATE_SECONDS, _LATE_DECODES * self._load_control.mean_seconds)

    @property
    def waiting(self) -> int:
        """How many jobs wait for a worker."""
        return len(self._queue)

    @property
    def running(self) -> int:
        """How many workers are in use; that of a cancelled job counts until its thread is done."""
        return len(self._running)

    @property
    def is_stuck(self) -> bool:
        """Whether a decode has taken so long that it will never end."""
        now = asyncio.get_running_loop().time()
        return any(now - began > _STUCK_SECONDS for began in self._running.values())

    async def final(self, work: Callable[[], T], kind: Work = Work.FINAL, usage: SessionUsage | None = None) -> T:
        """Run `work` in a thread once the finals before it have begun; raises what it raises."""
        result: T = await self._wait(Job(begin=lambda: work, kind=kind, usage=usage))
        return result

    async def early(
        self,
        kind: Work,
        begin: Callable[[], Callable[[], T] | None],
        usage: SessionUsage | None = None,
        *,
        is_step: bool = False,
    ) -> T | None:
        """Call `begin` when a worker is free for this kind, and run what it returns in a thread; None if that is None.

        `begin` runs in the event loop and reads the audio that is there at that moment. A partial that `is_step` is
        the next audio for a streaming model, which goes first.
        """
        result: T | None = await self._wait(Job(begin=begin, kind=kind, usage=usage, is_step=is_step))
        return result

    async def close(self) -> None:
        """Cancel waiting jobs, and wait for running ones within a limit that no decode exceeds."""
        self._queue.cancel()
        closing = asyncio.ensure_future(asyncio.to_thread(self._pool.shutdown))
        await asyncio.wait([closing], timeout=_CLOSE_SECONDS)

    async def _wait(self, job: Job) -> Any:
        self._queue.put(job)
        self._start_jobs()
        try:
            return await job.outcome
        finally:
            self._queue.discard(job)  # it is still there if the waiting task was cancelled

    def _start_jobs(self) -> None:
        loop = asyncio.get_running_loop()
        while len(self._running) < self._workers and (
            job := self._queue.pop(loop.time(), takes_files=self._takes_files)
        ):
            work = job.begin()
            if work is None:
                job.outcome.set_result(None)
                continue
            if job.kind is Work.FINAL and not (job.usage and job.usage.is_greedy(loop.time())):
                self._lateness.note(loop.time() - job.queued_at, loop.time())
            self._running[job] = loop.time()
            settle = partial(self._settle, job, loop.time())
            self._pool.submit(work).add_done_callback(partial(loop.call_soon_threadsafe, settle))

    @property
    def _takes_files(self) -> bool:
        files = sum(job.kind is Work.FILE for job in self._running)
        return not self._talking or files < max(1, self._workers - 1)

    def _stop_talking(self) -> None:
        self._talking -= 1
        self._start_jobs()

    def _settle(self, job: Job, began: float, done: Future[Any]) -> None:
        self._running.pop(job, None)
        now = asyncio.get_running_loop().time()
        if job.kind is Work.PARTIAL and not job.is_step:
            self._load_control.note(now - began)
        elif job.usage is not None:
            job.usage.spend(now - began, now, is_step=job.is_step)
        if not job.outcome.cancelled():
            if error := done.exception():
                job.outcome.set_exception(error)
            else:
                job.outcome.set_result(done.result())
        self._start_jobs()
