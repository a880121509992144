"""The workers of a server: kept running, watched, and stopped together."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from stream.waiting import Changes, first_of
from web.supervision.heartbeat import HANG_LIMITS, HangLimits
from web.supervision.restarts import Restarts
from web.supervision.supervisor import Child, Supervisor

# With the pauses between them they take about twenty seconds.
_MOST_DEATHS = 8
_NOTHING_BEGUN = frozenset({0, -signal.SIGTERM, 128 + signal.SIGTERM})
"""Exit codes of a worker that was stopped with nothing left to deliver: it finished, or had not started yet."""


class WorkerChild(Child, Protocol):
    """A worker that was started."""

    def terminate(self) -> None:
        """Ask it to finish; the second time, to end."""


Start = Callable[[int], Awaitable[WorkerChild]]
"""Starts the worker with a number."""


class LostWorkerError(Exception):
    """A worker cannot be kept running; the text says which and why."""


class WorkerPool:
    """Runs workers 1 to `count`; `changes` is signalled when one begins to answer, no longer does, or ends."""

    def __init__(
        self, start: Start, count: int, *, on_end: Callable[[int], None], limits: HangLimits = HANG_LIMITS
    ) -> None:
        """`on_end` is called with the number of a worker that has ended, before another takes its place."""
        self.changes = Changes()
        self._start = start
        self._on_end = on_end
        self._children: dict[int, WorkerChild] = {}
        self._delivering: list[Supervisor] = []
        self._is_stopping = False
        self._supervisors = [self._supervisor(number, limits) for number in range(1, count + 1)]

    def _supervisor(self, number: int, limits: HangLimits) -> Supervisor:
        async def start() -> WorkerChild:
            child = self._children[number] = await self._start(number)
            return child

        def on_end() -> None:
            self._children.pop(number, None)
            self._on_end(number)
            self.changes.signal()

        return Supervisor(
            start,
            limits,
            self.changes,
            name="worker",
            restarts=Restarts(_MOST_DEATHS),
            on_end=on_end,
            labels={"worker": number},
        )

    @property
    def pids(self) -> Sequence[int]:
        """The processes that run now."""
        return [child.pid for child in self._children.values()]

    @property
    def answering(self) -> int:
        """How many workers serve now."""
        return sum(supervisor.is_answering for supervisor in self._supervisors)

    @property
    def is_complete(self) -> bool:
        """Whether all workers serve now."""
        return self.answering == len(self._supervisors)

    @property
    def replaced(self) -> int:
        """How many workers were started in place of another."""
        return sum(max(0, supervisor.starts - 1) for supervisor in self._supervisors)

    async def run(self) -> bool:
        """Keep all workers running until they are stopped; return whether each has delivered everything.

        Raises LostWorkerError if one cannot be kept; the others have finished then. Cancelled, it stops them.
        """
        running = [asyncio.create_task(supervisor.run()) for supervisor in self._supervisors]
        try:
            await first_of(asyncio.wait(running), *(one.gave_up.wait() for one in self._supervisors))
            self.drain()
            await asyncio.wait(running)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        for number, supervisor in enumerate(self._supervisors, 1):
            if supervisor.failure is not None:
                raise LostWorkerError(f"worker {number} cannot be kept running: {supervisor.failure.value}")
        return all(one.exit_code in _NOTHING_BEGUN for one in self._delivering)

    def drain(self) -> None:
        """Let each worker finish, and start no other one; nothing happens the second time."""
        if self._is_stopping:
            return
        self._is_stopping = True
        self._delivering = [supervisor for supervisor in self._supervisors if supervisor.pid is not None]
        for supervisor in self._supervisors:
            supervisor.retire()
        self._terminate()

    def force(self) -> None:
        """Let each worker end at once."""
        self.drain()
        self._terminate()

    def _terminate(self) -> None:
        for child in self._children.values():
            child.terminate()
