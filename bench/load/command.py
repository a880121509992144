"""What `niyosha bench` does: choose the servers, run all levels by turns, and report."""

import asyncio
import os
import platform
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc

from bench.load.floors import detector_chunk_us, grpc_chunk_us
from bench.load.levels import Level, Row, run_iterations
from bench.load.report import Report
from bench.load.sound import Clip, SoundError, clips_in, synthetic
from bench.load.streams import LiveStream, Opener, RivaStream

_ITERATIONS = 3
_START_SECONDS = 60.0
_ECHO_STREAMS, _ECHO_SECONDS = 50, 2.0
_STOP_SECONDS = 40.0
_ROOM = "100000"
OPEN_LIMITS = {
    "NIYOSHA_STREAMS": _ROOM,
    "NIYOSHA_STREAMS_PER_OWNER": _ROOM,
    "NIYOSHA_HANDSHAKES_PER_SECOND": _ROOM,
    "NIYOSHA_CONNECTIONS_PER_ADDRESS": _ROOM,
}
"""Settings of a gateway that is measured: its limits are for callers."""


class BenchError(Exception):
    """The bench cannot run; `str()` says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is measured.

    `server` is a gateway's address, `riva` a Riva server's; without either, a gateway is started in front of a Riva
    server that recognizes nothing, and both are measured. `pids` are the server's processes on this machine.
    """

    server: str | None = None
    riva: str | None = None
    token: str | None = None
    streams: Sequence[int] = (10, 50, 100)
    seconds: float = 10.0
    warm_up_seconds: float = 4.0
    rounds: int = 1
    clips: Path | None = None
    is_half_silent: bool = False
    is_rivas_method: bool = False
    has_floors: bool = False
    words_per_second: float = 2.5
    pids: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A server that is measured: how streams to it are opened, and its processes."""

    name: str
    opener: Opener
    pids: Mapping[str, int] = field(default_factory=dict)


async def run(load: Load, progress: Callable[[str], None]) -> Report:
    """Run all levels against all servers by turns; raises BenchError."""
    try:
        clips = synthetic(is_half_silent=load.is_half_silent)
        if load.clips is not None:
            clips = await asyncio.to_thread(clips_in, load.clips, is_half_silent=load.is_half_silent)
    except SoundError as error:
        raise BenchError(str(error)) from error
    rows: list[Row] = []
    floors: dict[str, list[float]] = {}
    async with AsyncExitStack() as stack:
        targets, null = await _targets(load, stack)
        for number in range(load.rounds):
            for streams in load.streams:
                for target in targets:
                    progress(f"round {number + 1}: {target.name}, {streams} streams")
                    rows.append(await _measured(load, target, streams, clips))
            if load.has_floors:
                progress(f"round {number + 1}: floors")
                for name, chunk_us in (await _floors(load, clips, null, stack)).items():
                    floors.setdefault(name, []).append(chunk_us)
    # The machine is busy with other things, too: the least is nearest to the cost.
    return Report(rows=rows, machine=_machine(load), floors_us={name: min(each) for name, each in floors.items()})


async def _measured(load: Load, target: Target, streams: int, clips: Sequence[Clip]) -> Row:
    if load.is_rivas_method:
        return await run_iterations(target.name, target.opener, clips[0], streams, _ITERATIONS)
    level = Level(
        name=target.name,
        streams=streams,
        seconds=load.seconds,
        warm_up_seconds=load.warm_up_seconds,
        clips=clips,
        pids=target.pids,
    )
    row = await level.run(target.opener)
    if row.refused == streams:
        raise BenchError(f"{target.name} refused all {streams} streams; is it ready, and does it want a token?")
    return row


async def _targets(load: Load, stack: AsyncExitStack) -> tuple[list[Target], str | None]:
    """Return the servers, and the address of one that recognizes nothing, if it was started."""
    targets = []
    if load.server is not None:
        server, token = load.server, load.token
        targets.append(Target(name=server, opener=lambda: LiveStream(server, token), pids=load.pids))
    if load.riva is not None:
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(load.riva))
        pids = {} if load.server else load.pids
        targets.append(Target(name=f"Riva at {load.riva}", opener=lambda: RivaStream(channel), pids=pids))
    if targets:
        return targets, None
    null = await stack.enter_async_context(_process("bench.load.null_riva", str(load.words_per_second)))
    folder = stack.enter_context(TemporaryDirectory(prefix="niyosha-bench-", ignore_cleanup_errors=True))
    own = {"NIYOSHA_DATABASE_URL": f"sqlite:///{folder}/niyosha.db", **OPEN_LIMITS}
    options = ("serve", "--port", "0", "--quiet", "--riva-uri", null.address)
    gateway = await stack.enter_async_context(_process("web.cli.main", *options, environment=own))
    channel = await stack.enter_async_context(grpc.aio.insecure_channel(null.address))
    pids = {"gateway": gateway.pid}
    targets = [
        Target(name="gateway", opener=lambda: LiveStream(gateway.address), pids=pids),
        Target(name="null Riva, directly", opener=lambda: RivaStream(channel), pids={"null Riva": null.pid}),
    ]
    return targets, null.address


async def _floors(load: Load, clips: Sequence[Clip], null: str | None, stack: AsyncExitStack) -> dict[str, float]:
    """Measure each floor once, in microseconds of processor time a chunk."""
    if null is None:
        null = (await stack.enter_async_context(_process("bench.load.null_riva", "0"))).address
    async with _process("bench.load.echo") as echo:
        level = Level(
            name="echo",
            # Processor time is counted in hundredths of a second.
            streams=_ECHO_STREAMS,
            seconds=_ECHO_SECONDS,
            warm_up_seconds=1.0,
            clips=clips,
            pids={"echo": echo.pid},
        )
        row = await level.run(lambda: LiveStream(echo.address))
    return {
        "WebSocket echo": row.costs["echo"].chunk_us,
        "detector": await asyncio.to_thread(detector_chunk_us, clips),
        "gRPC stream": await grpc_chunk_us(null, clips),
    }


@dataclass(frozen=True, slots=True)
class _Process:
    address: str
    pid: int


@asynccontextmanager
async def _process(module: str, *options: str, environment: Mapping[str, str] | None = None) -> AsyncIterator[_Process]:
    """Run a module that prints its address in its first line, until the block ends."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *options),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    )
    try:
        if process.stdout is None:
            raise BenchError(f"{module} has no output")
        async with asyncio.timeout(_START_SECONDS):
            line = (await process.stdout.readline()).decode()
        address = next((word for word in line.split() if "127.0.0.1:" in word), None)
        if address is None:
            raise BenchError(f"{module} did not start: {line.strip()!r}")
        yield _Process(address.rstrip(",."), process.pid)
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(_STOP_SECONDS):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


def _machine(load: Load) -> str:
    speech = "half silent" if load.is_half_silent else "speech all the time"
    method = "NVIDIA's method" if load.is_rivas_method else f"open loop, {load.seconds:g} s"
    return f"{method}, {speech}; {os.cpu_count()} cores, Python {platform.python_version()}"
