"""Owns the order of decoding: one queue over all streams, finals before early finals before partials."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from stream.engine.pace import Pace, Pacer
from stream.engine.work import Work

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class _Job:
    """Something to decode; `begin` is asked when a slot is free and answers None when it is no longer wanted."""

    begin: Callable[[], Callable[[], Any] | None]
    kind: Work
    outcome: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Scheduler:
    """Runs blocking decodes in `workers` threads; to be used from one event loop.

    The queues hold what callers are waiting for, one job each: they are as long as there are streams, which the
    server bounds. No decode is interrupted, so a final waits for one other at most where there is no crowd of finals.
    The pace slows down with the number of growing utterances, so that partials do not queue up.
    """

    def __init__(self, workers: int) -> None:
        if workers < 1:
            raise ValueError(f"workers is {workers}; at least 1 is needed")
        self._workers = workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
        self._queues: dict[Work, deque[_Job]] = {kind: deque() for kind in sorted(Work)}
        self._running: set[_Job] = set()
        self._pacer = Pacer(workers)
        self._growing = 0

    @property
    def pace(self) -> Pace:
        """How often growing utterances may be decoded now."""
        return self._pacer.pace(self._growing)

    @contextmanager
    def growing(self) -> Iterator[None]:
        """An utterance grows while the context lasts."""
        self._growing += 1
        try:
            yield
        finally:
            self._growing -= 1

    @property
    def waiting(self) -> int:
        """Jobs that wait for a slot."""
        return sum(map(len, self._queues.values()))

    @property
    def running(self) -> int:
        """Slots in use; the thread of a job whose caller was cancelled counts until it is done."""
        return len(self._running)

    async def final(self, work: Callable[[], T]) -> T:
        """Run `work` in a thread as soon as the finals before it began; raises what it raises."""
        result: T = await self._wait(_Job(lambda: work, Work.FINAL))
        return result

    async def early(self, kind: Work, begin: Callable[[], Callable[[], T] | None]) -> T | None:
        """Ask `begin` for the work when the turn of its kind comes, and run that in a thread; None when there is none.

        `begin` runs in the event loop: it reads the sound there is at that moment.
        """
        result: T | None = await self._wait(_Job(begin, kind))
        return result

    async def close(self) -> None:
        """Cancel what waits and let what runs come to its end; no decode takes longer than a few seconds."""
        for queue in self._queues.values():
            for job in queue:
                job.outcome.cancel()
            queue.clear()
        await asyncio.to_thread(self._pool.shutdown)

    async def _wait(self, job: _Job) -> Any:
        queue = self._queues[job.kind]
        queue.append(job)
        self._fill_slots()
        try:
            return await job.outcome
        finally:
            if job in queue:  # the caller was cancelled
                queue.remove(job)

    def _fill_slots(self) -> None:
        while len(self._running) < self._workers and (job := self._next()):
            work = job.begin()
            if work is None:
                job.outcome.set_result(None)
                continue
            self._running.add(job)
            loop = asyncio.get_running_loop()
            settle = partial(self._settle, job, loop.time())
            self._pool.submit(work).add_done_callback(partial(loop.call_soon_threadsafe, settle))

    def _next(self) -> _Job | None:
        for queue in self._queues.values():
            while queue:
                job = queue.popleft()
                if not job.outcome.cancelled():
                    return job
        return None

    def _settle(self, job: _Job, began: float, done: Future[Any]) -> None:
        self._running.discard(job)
        if job.kind is Work.PARTIAL:
            self._pacer.note(asyncio.get_running_loop().time() - began)
        if not job.outcome.cancelled():
            if error := done.exception():
                job.outcome.set_exception(error)
            else:
                job.outcome.set_result(done.result())
        self._fill_slots()
