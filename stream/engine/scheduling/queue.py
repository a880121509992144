"""The line of what waits to be decoded: finals, early finals, partials, and files where there is nothing else."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from stream.engine.scheduling.load import Flow
from stream.engine.scheduling.work import Work

# So often a file goes first, whoever talks: with a larger model, or more sessions than the workers are good for,
# talkers alone keep them all busy, and a file would wait for ever (measured with 60 talkers on two workers). A decode
# takes 0.1 to 1 s, so that is a tenth of two workers at most.
_FILE_SECONDS = 5.0


@dataclass(eq=False, slots=True)
class Job:
    """Something to decode; `begin` is asked when a slot is free and answers None when it is no longer wanted.

    `flow` is the session's whose time it takes, None for nobody's.
    """

    begin: Callable[[], Callable[[], Any] | None]
    kind: Work
    flow: Flow | None = None
    turn: int = 0
    came: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    outcome: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Line:
    """Jobs in the order of their kinds, each kind in order of arrival; but a file never waits for ever.

    Sessions take turns with their finals, by start-time fair queueing (Goyal, Vin and Cheng, 1996): a session's second
    goes behind the first of every other. One that lately wanted more of them than anybody speaks (`Flow.is_greedy`)
    goes behind what all others want.
    """

    def __init__(self) -> None:
        self._queues: dict[Work, deque[Job]] = {kind: deque() for kind in sorted(Work)}
        self._file_left = 0.0
        self._turn = 0

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def join(self, job: Job) -> None:
        """Wait in the line."""
        job.turn = self._turn
        if job.flow is not None:
            job.turn = max(self._turn, job.flow.next_turn)
            job.flow.next_turn = job.turn + 1
        self._queues[job.kind].append(job)

    def leave(self, job: Job) -> None:
        """Wait no longer; a job that has left already may leave again."""
        if job in self._queues[job.kind]:
            self._queues[job.kind].remove(job)

    def next(self, now: float, *, takes_files: bool) -> Job | None:
        """Take the job out whose turn it is; None when there is none, or only files where none is taken."""
        job = self._first(now, takes_files=takes_files)
        if job is not None:
            self._queues[job.kind].remove(job)
            self._turn = max(self._turn, job.turn)
            if job.kind is Work.FILE:
                self._file_left = now
        return job

    def longest_wait(self, now: float) -> float:
        """How long the final whose turn comes next has waited, 0.0 where none waits that is not greedy."""
        job = self._fair(Work.FINAL, now)
        return 0.0 if job is None else now - job.came

    def cancel(self) -> None:
        """Send everybody away."""
        for queue in self._queues.values():
            for job in queue:
                job.outcome.cancel()
            queue.clear()

    def _first(self, now: float, *, takes_files: bool) -> Job | None:
        files = self._waiting(Work.FILE) if takes_files else []
        if files and now - max(files[0].came, self._file_left) >= _FILE_SECONDS:
            return files[0]
        finals = (Work.FINAL, Work.EARLY_FINAL)
        if job := next((job for kind in finals if (job := self._fair(kind, now))), None):
            return job
        rest = [*self._waiting(Work.PARTIAL), *self._by_share(now), *files]
        return rest[0] if rest else None

    def _waiting(self, kind: Work) -> list[Job]:
        return [job for job in self._queues[kind] if not job.outcome.cancelled()]

    def _fair(self, kind: Work, now: float) -> Job | None:
        """The job of a session that is not greedy whose turn comes first, of several the one that came first."""
        fair = (job for job in self._waiting(kind) if not (job.flow and job.flow.is_greedy(now)))
        return min(fair, key=lambda job: job.turn, default=None)

    def _by_share(self, now: float) -> list[Job]:
        """What is left of finals and early finals: those of greedy sessions, least share first."""
        jobs = [*self._waiting(Work.FINAL), *self._waiting(Work.EARLY_FINAL)]
        return sorted(jobs, key=lambda job: job.flow.share(now) if job.flow else 0.0)
