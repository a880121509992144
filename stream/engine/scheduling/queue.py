"""The queue of decodes: steps, then finals, early finals, partials and files, fair between sessions."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from stream.engine.scheduling.load import SessionUsage
from stream.engine.scheduling.work import Work

# How often a file goes first, whatever else waits. With a large model, or more sessions than the workers can serve,
# live sessions keep all workers busy and a file would never finish (measured with 60 talkers on two workers). A decode
# takes 0.1 to 1 s, so that files take a tenth of two workers at most.
_FILE_SECONDS = 5.0


@dataclass(eq=False, slots=True, kw_only=True)
class Job:
    """A decode in the queue; `begin` is called when a worker is free and returns None if it is no longer wanted.

    `usage` is that of the session that is charged for it, None for no session; `queued_at` is in the loop's seconds. A
    partial that `is_step` is the next audio for a streaming model.
    """

    begin: Callable[[], Callable[[], Any] | None]
    kind: Work
    usage: SessionUsage | None = None
    is_step: bool = False
    turn: int = 0
    queued_at: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    outcome: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class DecodeQueue:
    """Jobs by kind, then by arrival, except that one file goes first every few seconds.

    Steps go before everything: each takes milliseconds, and they are as many as the audio of the admitted sessions.

    Finals of different sessions follow start-time fair queueing (Goyal, Vin and Cheng, 1996): the second final of a
    session goes behind the first of every other session. Finals of a greedy session (`SessionUsage.is_greedy`) go
    behind the partials of all others.
    """

    def __init__(self) -> None:
        self._queues: dict[Work, deque[Job]] = {kind: deque() for kind in sorted(Work)}
        self._steps: deque[Job] = deque()
        self._file_taken_at = 0.0
        self._turn = 0

    def __len__(self) -> int:
        return sum(map(len, (self._steps, *self._queues.values())))

    def put(self, job: Job) -> None:
        """Add a job."""
        if job.is_step:
            self._steps.append(job)
            return
        job.turn = self._turn
        if job.usage is not None:
            job.turn = max(self._turn, job.usage.next_turn)
            job.usage.next_turn = job.turn + 1
        self._queues[job.kind].append(job)

    def discard(self, job: Job) -> None:
        """Remove a job if it is still in the queue."""
        queue = self._steps if job.is_step else self._queues[job.kind]
        if job in queue:
            queue.remove(job)

    def pop(self, now: float, *, takes_files: bool) -> Job | None:
        """Remove and return the job that is next; None if there is none, or only files without `takes_files`."""
        while self._steps:
            if not (step := self._steps.popleft()).outcome.cancelled():
                return step
        job = self._first(now, takes_files=takes_files)
        if job is not None:
            self._queues[job.kind].remove(job)
            self._turn = max(self._turn, job.turn)
            if job.kind is Work.FILE:
                self._file_taken_at = now
        return job

    def longest_wait_seconds(self, now: float) -> float:
        """Return how long the next final has waited; 0.0 if none waits except those of greedy sessions."""
        job = self._fair(Work.FINAL, now)
        return 0.0 if job is None else now - job.queued_at

    def cancel(self) -> None:
        """Cancel all jobs."""
        for queue in (self._steps, *self._queues.values()):
            for job in queue:
                job.outcome.cancel()
            queue.clear()

    def _first(self, now: float, *, takes_files: bool) -> Job | None:
        files = self._waiting(Work.FILE) if takes_files else []
        if files and now - max(files[0].queued_at, self._file_taken_at) >= _FILE_SECONDS:
            return files[0]
        finals = (Work.FINAL, Work.EARLY_FINAL)
        if job := next((job for kind in finals if (job := self._fair(kind, now))), None):
            return job
        rest = [*self._waiting(Work.PARTIAL), *self._by_share(now), *files]
        return rest[0] if rest else None

    def _waiting(self, kind: Work) -> list[Job]:
        return [job for job in self._queues[kind] if not job.outcome.cancelled()]

    def _fair(self, kind: Work, now: float) -> Job | None:
        """The job with the lowest turn among sessions that are not greedy, the oldest of several."""
        fair = (job for job in self._waiting(kind) if not (job.usage and job.usage.is_greedy(now)))
        return min(fair, key=lambda job: job.turn, default=None)

    def _by_share(self, now: float) -> list[Job]:
        """The finals and early finals of greedy sessions, the smallest share of the workers first."""
        jobs = [*self._waiting(Work.FINAL), *self._waiting(Work.EARLY_FINAL)]
        return sorted(jobs, key=lambda job: job.usage.share(now) if job.usage else 0.0)
