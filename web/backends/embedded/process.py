"""Run the embedded engine as a child process: start it, reach it, and end it."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from stream.temporary import temporary_directory
from stream.waiting import Changes
from web.backends.embedded.settings import EngineSettings
from web.supervision.child_process import ChildProcess
from web.supervision.heartbeat import HANG_LIMITS, HangLimits
from web.supervision.supervisor import Supervisor


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
        supervisor = Supervisor(lambda: ChildProcess.start(command, name="engine"), limits, changes, name="engine")
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
    if settings.device != "auto":
        command += ["--device", settings.device]
    if settings.sessions is not None:
        command += ["--sessions", str(settings.sessions)]
    return command
