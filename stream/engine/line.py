"""Owns the line of what waits to be decoded: finals, early finals, partials, and files where there is nothing else."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from stream.engine.work import Work

# So often a file goes first, whoever talks: with a larger model, or more sessions than the workers are good for,
# talkers alone keep them all busy, and a file would wait for ever (measured with 60 talkers on two workers). A decode
# takes 0.1 to 1 s, so that is a tenth of two workers at most.
_FILE_SECONDS = 5.0


@dataclass(eq=False, slots=True)
class Job:
    """Something to decode; `begin` is asked when a slot is free and answers None when it is no longer wanted."""

    begin: Callable[[], Callable[[], Any] | None]
    kind: Work
    came: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    outcome: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Line:
    """Jobs in the order of their kinds, each kind in order of arrival; but a file never waits for ever."""

    def __init__(self) -> None:
        self._queues: dict[Work, deque[Job]] = {kind: deque() for kind in sorted(Work)}
        self._file_left = 0.0

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def join(self, job: Job) -> None:
        """Wait in the line."""
        self._queues[job.kind].append(job)

    def leave(self, job: Job) -> None:
        """Wait no longer; a job that has left already may leave again."""
        if job in self._queues[job.kind]:
            self._queues[job.kind].remove(job)

    def next(self, now: float, *, takes_files: bool) -> Job | None:
        """Take the job out whose turn it is; None when there is none, or only files where none is taken."""
        if takes_files and self._file_is_due(now):
            return self._take(Work.FILE, now)
        kinds = (kind for kind in self._queues if takes_files or kind is not Work.FILE)
        return next((job for kind in kinds if (job := self._take(kind, now))), None)

    def cancel(self) -> None:
        """Send everybody away."""
        for queue in self._queues.values():
            for job in queue:
                job.outcome.cancel()
            queue.clear()

    def _file_is_due(self, now: float) -> bool:
        files = self._queues[Work.FILE]
        return bool(files) and now - max(files[0].came, self._file_left) >= _FILE_SECONDS

    def _take(self, kind: Work, now: float) -> Job | None:
        queue = self._queues[kind]
        while queue:
            job = queue.popleft()
            if not job.outcome.cancelled():
                if kind is Work.FILE:
                    self._file_left = now
                return job
        return None
