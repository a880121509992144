"""A child process on pipes: it beats on its standard output, and ends when its standard input closes."""

import asyncio
import contextlib
import signal
from collections.abc import Collection, Sequence

import structlog

from web.supervision.process_activity import ProcessActivity

_STOP_SECONDS = 3.0
# A process that is killed ends at once, unless it waits for a disk that does not answer.
_KILL_SECONDS = 2.0
_READ_BYTES = 4096
_log = structlog.get_logger()


class ChildProcess:
    """A command that was started; `name` is what the log calls it."""

    def __init__(self, process: asyncio.subprocess.Process, name: str, drain_seconds: float | None) -> None:
        self.pid = process.pid
        self._process = process
        self._name = name
        self._drain_seconds = drain_seconds
        self._activity = ProcessActivity(process.pid)

    @classmethod
    async def start(
        cls, command: Sequence[str], *, name: str, drain_seconds: float | None = None, descriptors: Collection[int] = ()
    ) -> "ChildProcess":
        """Start a command, which inherits these file descriptors.

        One with `drain_seconds` is stopped by SIGTERM, and has so long to finish; others end with their input.
        """
        pipe = asyncio.subprocess.PIPE
        # A session of its own keeps the terminal's Ctrl-C from it: it is for the parent to stop it, in its order.
        process = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, pass_fds=tuple(descriptors), start_new_session=True
        )
        return cls(process, name, drain_seconds)

    async def wait(self) -> int:
        """Wait for its end; return its exit code, negative for a signal."""
        return await self._process.wait()

    async def read(self) -> bytes:
        """Wait for what it writes; empty when it will write no more."""
        stdout = self._process.stdout
        return b"" if stdout is None else await stdout.read(_READ_BYTES)

    def is_working(self) -> bool:
        """Whether it did anything since the last call."""
        return self._activity.is_working()

    def terminate(self) -> None:
        """Ask it to end, by SIGTERM."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self._signal(signal.SIGKILL)

    async def stop(self) -> None:
        """Ask it to end, and end it if it does not."""
        if self._drain_seconds is not None:
            self.terminate()
        elif self._process.stdin is not None:
            self._process.stdin.close()
        if await self._is_over_within(self._drain_seconds or _STOP_SECONDS):
            return
        self.kill()
        if not await self._is_over_within(_KILL_SECONDS):
            _log.error(f"{self._name}_left_behind", pid=self.pid)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def _is_over_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._process.wait()
        except TimeoutError:
            return False
        return True
