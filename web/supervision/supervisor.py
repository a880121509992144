"""Keep a child process running: start it again when it dies, and replace it when it hangs."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Protocol

import structlog

from stream.waiting import Changes, first_of
from web.supervision.heartbeat import BEAT_SECONDS, HangLimits, Health, Heartbeat
from web.supervision.parent_process import READY
from web.supervision.restarts import GivenUp, Restarts

_NOT_STARTED = 1
_log = structlog.get_logger()


class Child(Protocol):
    """A process that was started."""

    pid: int

    async def wait(self) -> int:
        """Wait for its end; return its exit code."""

    async def read(self) -> bytes:
        """Wait for what it writes; empty when it will write no more."""

    def is_working(self) -> bool:
        """Whether it did anything since the last call."""

    def kill(self) -> None:
        """End it at once."""

    async def stop(self) -> None:
        """Ask it to end, and end it if it does not."""


def _ignore() -> None:
    """Do nothing when a child has ended."""


class Supervisor:
    """Runs one child after the other until it is given up, which sets `gave_up`, or retired."""

    def __init__(
        self,
        start: Callable[[], Awaitable[Child]],
        limits: HangLimits,
        changes: Changes,
        *,
        name: str,
        restarts: Restarts | None = None,
        on_end: Callable[[], None] = _ignore,
        labels: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        """Supervise what `start` starts: it writes once a second, and `READY` as soon as it is ready.

        `changes` is signalled whenever `is_answering` changes. `name` is what the log calls the child,
        `labels` are in its lines. `on_end` is called when one has ended.
        """
        self.gave_up = asyncio.Event()
        self.failure: GivenUp | None = None
        self.exit_code: int | None = None  # of the latest child that ended
        self.starts = 0
        self._name = name
        self._log = _log.bind(**labels)
        self._on_end = on_end
        self._restarts = restarts or Restarts()
        self._changes = changes
        self._was_answering = False
        self._start = start
        self._limits = limits
        self.pid: int | None = None
        """The process that runs now."""
        self._heartbeat: Heartbeat | None = None
        self._hangs = 0  # in a row
        self._child: Child | None = None
        self._retired = asyncio.Event()

    @property
    def is_answering(self) -> bool:
        """Whether the child said that it is ready, and is not suspected of hanging."""
        return self._heartbeat is not None and self._heartbeat.health is Health.WELL

    def _note_health(self) -> None:
        if self.is_answering is not self._was_answering:
            self._was_answering = self.is_answering
            self._changes.signal()

    def retire(self) -> None:
        """Start no other child; `run` returns when this one has ended."""
        self._retired.set()

    def drop(self) -> None:
        """Kill the child, and start no other one."""
        self.retire()
        if self._child is not None:
            self._child.kill()

    async def run(self) -> None:
        """Keep a child running until cancelled, which stops it."""
        clock = asyncio.get_running_loop().time
        while not self._retired.is_set():
            self._restarts.started(clock())
            code = self.exit_code = await self._run_once()
            if self._retired.is_set():
                return
            self._log.error(f"{self._name}_died", exit_code=code)
            after = self._restarts.ended(clock(), code)
            if isinstance(after, GivenUp):
                self.failure = after
                self.gave_up.set()
                return
            await first_of(self._retired.wait(), seconds=after)

    async def _run_once(self) -> int:
        """Run a child until it ends, killed if it hangs; return its exit code."""
        try:
            child = await self._start()
        except OSError as error:  # no memory, or no process left
            self._log.error(f"{self._name}_not_started", error=error.strerror)
            return _NOT_STARTED
        self._child, self.pid = child, child.pid
        if self._retired.is_set():
            child.kill()
        self.starts += 1
        self._log.info(f"{self._name}_started", pid=child.pid)
        heartbeat = Heartbeat(self._limits, asyncio.get_running_loop().time(), hangs=self._hangs)
        self._heartbeat = heartbeat
        besides = [
            asyncio.create_task(work) for work in (self._listen(child, heartbeat), self._watch(child, heartbeat))
        ]
        try:
            return await child.wait()
        finally:
            for task in besides:
                task.cancel()
            await asyncio.gather(*besides, return_exceptions=True)
            self._heartbeat = self._child = self.pid = None
            self._note_health()
            self._on_end()
            await child.stop()

    async def _watch(self, child: Child, heartbeat: Heartbeat) -> None:
        """Look at the child once a second, and kill it when it hangs."""
        clock = asyncio.get_running_loop().time
        while heartbeat.look(clock(), is_working=child.is_working()) is not Health.HUNG:
            self._note_health()
            if heartbeat.is_proven:
                self._hangs = 0
            await asyncio.sleep(BEAT_SECONDS)
        self._note_health()
        self._hangs += 1
        self._log.error(f"{self._name}_hung", pid=child.pid)
        child.kill()

    async def _listen(self, child: Child, heartbeat: Heartbeat) -> None:
        """Take note of the child's beats."""
        while written := await child.read():
            heartbeat.beat(is_ready=READY.encode() in written)
            self._note_health()
