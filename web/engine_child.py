"""Owns the embedded engine as a child process: started, watched, started again when it dies."""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from stream.recognizer import Recognizer
from stream.riva import RivaOptions
from web.exits import CANNOT_START
from web.settings import Settings

# A child that dies at once is not started again at once; one that lived starts from the first pause.
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0
_HEALTHY_SECONDS = 10.0
_STOP_SECONDS = 5.0
# How long to wait for an engine: loading a large model takes a while. One that is downloaded first may take longer;
# the gateway then serves as soon as it is there.
READY_SECONDS = 60.0
# A Riva server is there or is not.
RIVA_READY_SECONDS = 3.0
_ENGINE_KEEPALIVE_SECONDS = 20.0
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class EngineChild:
    """The engine listens at `address`; `gave_up` is set when it said that it can never start."""

    address: str
    gave_up: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class Way:
    """How a recognizer is reached, how long to wait for it; `gave_up` is set for an engine that can never start."""

    recognizer: RivaOptions | Recognizer
    ready_seconds: float = RIVA_READY_SECONDS
    gave_up: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def riva_or_engine(settings: Settings) -> AsyncIterator[Way]:
    """The Riva server of the settings, or without one the embedded engine, for as long as the context lasts."""
    if settings.riva_uri is not None:
        yield Way(settings.riva_options)
        return
    async with engine_child(settings) as child:
        options = RivaOptions((child.address,), keepalive_seconds=_ENGINE_KEEPALIVE_SECONDS)
        yield Way(options, READY_SECONDS, child.gave_up)


@asynccontextmanager
async def engine_child(settings: Settings) -> AsyncIterator[EngineChild]:
    """Run the engine while the context lasts, ready or not yet.

    The socket lies in a directory that only this user can enter.
    """
    with tempfile.TemporaryDirectory(prefix="shenava-") as directory:
        child = EngineChild(f"unix:{Path(directory) / 'engine.sock'}")
        supervising = asyncio.create_task(_supervise(_command(settings, child.address), child.gave_up))
        try:
            yield child
        finally:
            supervising.cancel()
            await asyncio.gather(supervising, return_exceptions=True)


def _command(settings: Settings, address: str) -> list[str]:
    # `-m` alone would look for modules in the working directory first, and run whatever lies there.
    command = [sys.executable, "-P", "-m", "web.cli", "engine", "--listen", address, "--exit-with-stdin"]
    for model in settings.models:
        command += ["--model", model]
    if settings.engine_workers is not None:
        command += ["--workers", str(settings.engine_workers)]
    if settings.engine_sessions is not None:
        command += ["--sessions", str(settings.engine_sessions)]
    return command


async def _supervise(command: list[str], gave_up: asyncio.Event) -> None:
    clock = asyncio.get_running_loop().time
    pause = _FIRST_PAUSE_SECONDS
    while True:
        started = clock()
        code = await _run_once(command)
        _log.error("engine_died", exit_code=code)
        if code == CANNOT_START:
            gave_up.set()
            return
        pause = _FIRST_PAUSE_SECONDS if clock() - started > _HEALTHY_SECONDS else pause
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


async def _run_once(command: list[str]) -> int:
    """Run the engine until it ends; cancelled, its standard input is closed, which it takes as the order to stop."""
    # A session of its own keeps the terminal's Ctrl-C from it: it has to outlive the draining gateway.
    child = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, start_new_session=True
    )
    _log.info("engine_started", pid=child.pid)
    try:
        return await child.wait()
    finally:
        if child.returncode is None:
            await _stop(child)


async def _stop(child: asyncio.subprocess.Process) -> None:
    assert child.stdin is not None  # noqa: S101
    child.stdin.close()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await child.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()
