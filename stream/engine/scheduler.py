"""Owns the order of decoding: one queue over all streams, finals before partials."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class _Job:
    """Something to decode; `begin` is asked when a slot is free and answers None when it is no longer wanted."""

    begin: Callable[[], Callable[[], Any] | None]
    is_final: bool
    outcome: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Scheduler:
    """Runs blocking decodes in `workers` threads; to be used from one event loop.

    Finals run in the order of their arrival, and before any partial. Partials run oldest first, and
    leave one slot to the finals where there is more than one. Both queues hold what callers are waiting
    for, one job each: they are as long as there are streams, which the server bounds. Overload shows
    as partials that come late, of more sound each, never as a lost final.
    """

    def __init__(self, workers: int) -> None:
        if workers < 1:
            raise ValueError(f"workers is {workers}; at least 1 is needed")
        self._workers = workers
        self._most_partials = max(1, workers - 1)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
        self._finals: deque[_Job] = deque()
        self._partials: deque[_Job] = deque()
        self._running: set[_Job] = set()

    @property
    def waiting(self) -> int:
        """Jobs that wait for a slot."""
        return len(self._finals) + len(self._partials)

    @property
    def running(self) -> int:
        """Slots in use; the thread of a job whose caller was cancelled counts until it is done."""
        return len(self._running)

    async def final(self, work: Callable[[], T]) -> T:
        """Run `work` in a thread as soon as the finals before it began; raises what it raises."""
        result: T = await self._wait(_Job(lambda: work, is_final=True), self._finals)
        return result

    async def partial(self, begin: Callable[[], Callable[[], T] | None]) -> T | None:
        """Ask `begin` for the work when its turn comes, and run that in a thread; None when `begin` said None.

        `begin` runs in the event loop: it reads the sound there is at that moment.
        """
        result: T | None = await self._wait(_Job(begin, is_final=False), self._partials)
        return result

    async def close(self) -> None:
        """Cancel what waits and let what runs come to its end; no decode takes longer than a few seconds."""
        for job in (*self._finals, *self._partials):
            job.outcome.cancel()
        self._finals.clear()
        self._partials.clear()
        await asyncio.to_thread(self._pool.shutdown)

    async def _wait(self, job: _Job, queue: deque[_Job]) -> Any:
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
            settle = partial(self._settle, job)
            self._pool.submit(work).add_done_callback(partial(loop.call_soon_threadsafe, settle))

    def _next(self) -> _Job | None:
        partials = sum(not job.is_final for job in self._running)
        queues = (self._finals, self._partials) if partials < self._most_partials else (self._finals,)
        for queue in queues:
            while queue:
                job = queue.popleft()
                if not job.outcome.cancelled():
                    return job
        return None

    def _settle(self, job: _Job, done: Future[Any]) -> None:
        self._running.discard(job)
        if not job.outcome.cancelled():
            if error := done.exception():
                job.outcome.set_exception(error)
            else:
                job.outcome.set_result(done.result())
        self._fill_slots()
