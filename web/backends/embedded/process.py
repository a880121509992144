"""Run the embedded engine as a child process: start it, reach it, and end it."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from stream.temporary import temporary_directory
from stream.waiting import Changes
from web.backends.embedded.settings import EngineSettings
from web.supervision.heartbeat import HANG_LIMITS, HangLimits
from web.supervision.process_activity import ProcessActivity
from web.supervision.supervisor import Supervisor

_STOP_SECONDS = 3.0
# A process that is killed ends at once, unless it waits for a disk that does not answer.
_KILL_SECONDS = 2.0
_READ_BYTES = 4096
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class EngineProcess:
    """The engine listens at `address`, whichever process it is now.

    `changes` is signalled when it begins to answer, and when it no longer does.
    """

    address: str
    supervisor: Supervisor
    changes: Changes


@asynccontextmanager
async def engine_process(settings: EngineSettings, limits: HangLimits = HANG_LIMITS) -> AsyncIterator[EngineProcess]:
    """Run the engine while the context lasts, ready or not yet; it is replaced when it dies, or hangs by the limits.

    The socket lies in a directory that only this user can enter.
    """
    with temporary_directory() as directory:
        address = f"unix:{directory / 'engine.sock'}"
        command = _command(settings, address)
        changes = Changes()
        supervisor = Supervisor(lambda: _ChildProcess.start(command), limits, changes, name="engine")
        supervising = asyncio.create_task(supervisor.run())
        try:
            yield EngineProcess(address, supervisor, changes)
        finally:
            supervising.cancel()
            await asyncio.gather(supervising, return_exceptions=True)


def _command(settings: EngineSettings, address: str) -> list[str]:
    # `-m` alone would look for modules in the working directory first, and run whatever lies there.
    command = [
        sys.executable,
        "-P",
        "-m",
        "web.cli.main",
        "engine",
        "--listen",
        address,
        "--beats",
        "--exit-with-stdin",
    ]
    for model in settings.models:
        command += ["--model", model]
    if settings.workers is not None:
        command += ["--workers", str(settings.workers)]
    if settings.sessions is not None:
        command += ["--sessions", str(settings.sessions)]
    return command


class _ChildProcess:
    """An engine that was started: it beats on its standard output, and ends when its standard input closes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.pid = process.pid
        self._process = process
        self._activity = ProcessActivity(process.pid)

    @classmethod
    async def start(cls, command: list[str]) -> "_ChildProcess":
        pipe = asyncio.subprocess.PIPE
        # A session of its own keeps the terminal's Ctrl-C from it: it has to outlive the draining gateway.
        return cls(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, start_new_session=True))

    async def wait(self) -> int:
        return await self._process.wait()

    async def read(self) -> bytes:
        stdout = self._process.stdout
        return b"" if stdout is None else await stdout.read(_READ_BYTES)

    def is_working(self) -> bool:
        return self._activity.is_working()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def stop(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        if await self._is_over_within(_STOP_SECONDS):
            return
        self.kill()
        if not await self._is_over_within(_KILL_SECONDS):
            _log.error("engine_left_behind", pid=self.pid)

    async def _is_over_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._process.wait()
        except TimeoutError:
            return False
        return True
