"""Run the embedded engine as a child process: start it, reach it, and end it."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog

from stream.recognition.recognizer import Recognizer
from stream.riva import RivaOptions
from stream.scratch import scratch_directory
from web.process.heartbeat import HANG_LIMITS, HangLimits
from web.process.supervisor import Supervisor
from web.process.vitals import Vitals
from web.settings.settings import Settings

_STOP_SECONDS = 3.0
# A process that is killed ends at once, unless it waits for a disk that does not answer.
_KILL_SECONDS = 2.0
# How long to wait for an engine: loading a large model takes a while. One that is downloaded first may take longer;
# the gateway then serves as soon as it is there.
READY_SECONDS = 60.0
# A Riva server is there or is not.
RIVA_READY_SECONDS = 3.0
_ENGINE_KEEPALIVE_SECONDS = 20.0
_READ_BYTES = 4096
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class EngineChild:
    """The engine listens at `address`; `gave_up` is set when it said that it can never start."""

    address: str
    supervisor: Supervisor

    @property
    def gave_up(self) -> asyncio.Event:
        return self.supervisor.gave_up


@dataclass(frozen=True, slots=True)
class Way:
    """How a recognizer is reached, how long to wait for it; `gave_up` is set for an engine that can never start.

    `drop` ends an engine at once.
    """

    recognizer: RivaOptions | Recognizer
    ready_seconds: float = RIVA_READY_SECONDS
    gave_up: asyncio.Event = field(default_factory=asyncio.Event)
    drop: Callable[[], None] = lambda: None


@asynccontextmanager
async def riva_or_engine(settings: Settings) -> AsyncIterator[Way]:
    """The Riva server of the settings, or without one the embedded engine, for as long as the context lasts."""
    if settings.riva_uri is not None:
        yield Way(settings.riva_options)
        return
    async with engine_child(settings) as child:
        yield Way(engine_options(child), READY_SECONDS, child.gave_up, child.supervisor.drop)


def engine_options(child: EngineChild) -> RivaOptions:
    """How to speak to the engine."""
    return RivaOptions(
        uris=(child.address,),
        keepalive_seconds=_ENGINE_KEEPALIVE_SECONDS,
        is_answering=lambda: child.supervisor.is_answering,
    )


@asynccontextmanager
async def engine_child(settings: Settings, limits: HangLimits = HANG_LIMITS) -> AsyncIterator[EngineChild]:
    """Run the engine while the context lasts, ready or not yet; it is replaced when it dies, or hangs by the limits.

    The socket lies in a directory that only this user can enter.
    """
    with scratch_directory() as directory:
        address = f"unix:{directory / 'engine.sock'}"
        command = _command(settings, address)
        supervisor = Supervisor(lambda: _EngineProcess.start(command), limits)
        supervising = asyncio.create_task(supervisor.run())
        try:
            yield EngineChild(address, supervisor)
        finally:
            supervising.cancel()
            await asyncio.gather(supervising, return_exceptions=True)


def _command(settings: Settings, address: str) -> list[str]:
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
    if settings.engine_workers is not None:
        command += ["--workers", str(settings.engine_workers)]
    if settings.engine_sessions is not None:
        command += ["--sessions", str(settings.engine_sessions)]
    return command


class _EngineProcess:
    """An engine that was started: it beats on its standard output, and ends when its standard input closes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.pid = process.pid
        self._process = process
        self._vitals = Vitals(process.pid)

    @classmethod
    async def start(cls, command: list[str]) -> "_EngineProcess":
        pipe = asyncio.subprocess.PIPE
        # A session of its own keeps the terminal's Ctrl-C from it: it has to outlive the draining gateway.
        return cls(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, start_new_session=True))

    async def wait(self) -> int:
        return await self._process.wait()

    async def read(self) -> bytes:
        assert self._process.stdout is not None  # noqa: S101
        return await self._process.stdout.read(_READ_BYTES)

    def is_working(self) -> bool:
        return self._vitals.is_working()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def stop(self) -> None:
        assert self._process.stdin is not None  # noqa: S101
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
