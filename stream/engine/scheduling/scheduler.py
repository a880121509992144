"""What is decoded when: the line over all streams, the threads, and the pace of those who talk."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from stream.engine.scheduling.load import Flow, Lateness
from stream.engine.scheduling.load_control import Pace, Pacer
from stream.engine.scheduling.queue import Job, Line
from stream.engine.scheduling.work import Work

T = TypeVar("T")

# Who fell silent is still talking for so long: the final comes right then, and often the next utterance.
_QUIET_SECONDS = 1.0
# Finals that wait this long are late, and for longer than decodes take: one may always be in the way.
_LATE_SECONDS = 0.5
_LATE_DECODES = 3.0
# A decode of the longest utterance takes a second or two; a large model beside twenty talkers on two cores, ten.
_STUCK_SECONDS = 120.0
_CLOSE_SECONDS = 10.0


class Scheduler:
    """Runs blocking decodes, `workers` at once, in threads or in `pool`; to be used from one event loop.

    The line holds what callers are waiting for, one job each: it is as long as there are streams, which the server
    bounds. No decode is interrupted, so a final waits for one other at most where there is no crowd of finals; while
    somebody talks, files leave one worker of several free, because their utterances are long.
    The pace slows down with the number of growing utterances, so that partials do not queue up.
    """

    def __init__(self, workers: int, pool: Executor | None = None) -> None:
        if workers < 1:
            raise ValueError(f"workers is {workers}; at least 1 is needed")
        self._workers = workers
        self._pool = pool or ThreadPoolExecutor(workers, thread_name_prefix="decode")
        self._line = Line()
        self._running: dict[Job, float] = {}  # since when
        self._pacer = Pacer(workers)
        self._lateness = Lateness()
        self._growing = 0
        self._talking = 0

    @property
    def pace(self) -> Pace:
        """How often growing utterances may be decoded now."""
        return self._pacer.pace(self._growing)

    @contextmanager
    def growing(self) -> Iterator[None]:
        """An utterance grows while the context lasts."""
        self._growing += 1
        self._talking += 1
        try:
            yield
        finally:
            self._growing -= 1
            asyncio.get_running_loop().call_later(_QUIET_SECONDS, self._fell_silent)

    @property
    def is_late(self) -> bool:
        """Whether finals wait too long for a worker."""
        now = asyncio.get_running_loop().time()
        wait_seconds = max(self._lateness.seconds(now), self._line.longest_wait(now))
        return wait_seconds > max(_LATE_SECONDS, _LATE_DECODES * self._pacer.mean_seconds)

    @property
    def waiting(self) -> int:
        """Jobs that wait for a slot."""
        return len(self._line)

    @property
    def running(self) -> int:
        """Slots in use; the thread of a job whose caller was cancelled counts until it is done."""
        return len(self._running)

    @property
    def is_stuck(self) -> bool:
        """Whether a decode takes so long that it will never end."""
        now = asyncio.get_running_loop().time()
        return any(now - began > _STUCK_SECONDS for began in self._running.values())

    async def final(self, work: Callable[[], T], kind: Work = Work.FINAL, flow: Flow | None = None) -> T:
        """Run `work` in a thread as soon as the finals before it began; raises what it raises."""
        result: T = await self._wait(Job(lambda: work, kind, flow))
        return result

    async def early(
        self, kind: Work, begin: Callable[[], Callable[[], T] | None], flow: Flow | None = None
    ) -> T | None:
        """Ask `begin` for the work when the turn of its kind comes, and run that in a thread; None when there is none.

        `begin` runs in the event loop: it reads the sound there is at that moment.
        """
        result: T | None = await self._wait(Job(begin, kind, flow))
        return result

    async def close(self) -> None:
        """Cancel what waits and let what runs come to its end, unless that takes longer than any decode."""
        self._line.cancel()
        closing = asyncio.ensure_future(asyncio.to_thread(self._pool.shutdown))
        await asyncio.wait([closing], timeout=_CLOSE_SECONDS)

    async def _wait(self, job: Job) -> Any:
        self._line.join(job)
        self._fill_slots()
        try:
            return await job.outcome
        finally:
            self._line.leave(job)  # where the caller was cancelled it is still there

    def _fill_slots(self) -> None:
        loop = asyncio.get_running_loop()
        while len(self._running) < self._workers and (
            job := self._line.next(loop.time(), takes_files=self._takes_files)
        ):
            work = job.begin()
            if work is None:
                job.outcome.set_result(None)
                continue
            if job.kind is Work.FINAL and not (job.flow and job.flow.is_greedy(loop.time())):
                self._lateness.note(loop.time() - job.came, loop.time())
            self._running[job] = loop.time()
            settle = partial(self._settle, job, loop.time())
            self._pool.submit(work).add_done_callback(partial(loop.call_soon_threadsafe, settle))

    @property
    def _takes_files(self) -> bool:
        files = sum(job.kind is Work.FILE for job in self._running)
        return not self._talking or files < max(1, self._workers - 1)

    def _fell_silent(self) -> None:
        self._talking -= 1
        self._fill_slots()

    def _settle(self, job: Job, began: float, done: Future[Any]) -> None:
        self._running.pop(job, None)
        now = asyncio.get_running_loop().time()
        if job.kind is Work.PARTIAL:
            self._pacer.note(now - began)
        elif job.flow is not None:
            job.flow.spend(now - began, now)
        if not job.outcome.cancelled():
            if error := done.exception():
                job.outcome.set_exception(error)
            else:
                job.outcome.set_result(done.result())
        self._fill_slots()
