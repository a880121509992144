"""Measures how many streams one core of the gateway holds, and what a chunk of audio costs it.

    python -m bench.gateway.streams [--streams N ...] [--seconds N] [--half-silent] [--words-per-second N]

The gateway is pinned to one core; the load and a Riva server that only echoes share another one. Talkers send 100 ms at
a time, on time whether or not answers come (open loop), evenly out of step. Times count from the moment when a chunk
was due to the first message that speaks of its end; the first seconds, in which everything starts, are left out.
"""

import argparse
import asyncio
import base64
import os
import time
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from statistics import median, quantiles
from typing import cast
from urllib.parse import urlsplit

import uvloop
from rich.console import Console
from rich.table import Table

from bench.common.server import Server
from stream.paths import LIVE_PATH
from tests.support.sounds import clip_pcm
from vad import SAMPLE_BYTES, SAMPLE_RATE

CHUNK_SECONDS = 0.1
_CHUNK_BYTES = int(SAMPLE_RATE * CHUNK_SECONDS) * SAMPLE_BYTES
_WARM_UP_SECONDS = 4.0
_OPEN_SECONDS = 10.0
_GATEWAY_CORE, _LOAD_CORE = {0}, {1}
_DURATION = b'"duration":'


def speech(*, is_half_silent: bool) -> list[bytes]:
    """Chunks as WebSocket frames of a client, with a mask of zeros; they are said over and over."""
    # The middle of a long clip has no pause that would end an utterance.
    pcm = clip_pcm("library.wav")[SAMPLE_RATE : 5 * SAMPLE_RATE * SAMPLE_BYTES]
    if is_half_silent:
        pcm += bytes(len(pcm))
    pcm = pcm[: len(pcm) // _CHUNK_BYTES * _CHUNK_BYTES]
    head = b"\x82\xfe" + _CHUNK_BYTES.to_bytes(2, "big") + bytes(4)
    return [head + pcm[start : start + _CHUNK_BYTES] for start in range(0, len(pcm), _CHUNK_BYTES)]


@dataclass(slots=True, kw_only=True)
class Load:
    """What all talkers measured; latencies are seconds."""

    is_counted: bool = False
    chunks: int = 0
    latencies: list[float] = field(default_factory=list)
    lost: int = 0


class Talker(asyncio.Protocol):
    """One stream over a bare WebSocket, so that the load costs little beside what is measured."""

    def __init__(self, host: str, frames: list[bytes], load: Load, opened: asyncio.Future[None]) -> None:
        self._host = host
        self._frames = frames
        self._load = load
        self._opened = opened
        self._received = bytearray()
        self._sent_at: list[float] = []
        self._answered = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own does not inherit from it
        key = base64.b64encode(os.urandom(16)).decode()
        self._transport.write(
            f"GET {LIVE_PATH}?audioTransfer=raw HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        if not self._opened.done():
            self._received += data
            head, end, rest = self._received.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                raise SystemExit(f"refused: {bytes(head)!r}")
            self._opened.set_result(None)
            data = bytes(rest)
        # Messages begin with what is looked for here, and a message is not cut where it stands.
        start = data.find(_DURATION)
        while start >= 0:
            seconds = float(data[start + len(_DURATION) : start + len(_DURATION) + 12].partition(b",")[0])
            self._answer(round(seconds / CHUNK_SECONDS + 0.499), now)
            start = data.find(_DURATION, start + 1)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._opened.done():
            self._opened.set_exception(ConnectionError("closed before it was open"))
        self._load.lost += 1

    def send(self, due: float) -> None:
        """Send the next chunk, which was due at that time."""
        assert self._transport is not None
        self._transport.write(self._frames[len(self._sent_at) % len(self._frames)])
        self._sent_at.append(due)
        self._load.chunks += self._load.is_counted

    def close(self) -> None:
        """Break the connection off."""
        if self._transport is not None:
            self._transport.abort()

    def _answer(self, chunks: int, now: float) -> None:
        if self._answered < chunks <= len(self._sent_at):
            self._answered = chunks
            if self._load.is_counted:
                self._load.latencies.append(now - self._sent_at[chunks - 1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one number of streams came to."""

    streams: int
    busy: float
    chunk_us: float
    p50_ms: float
    p99_ms: float
    lost: int


async def _speak(talker: Talker, began: float, until: float) -> None:
    number = 0
    while (due := began + number * CHUNK_SECONDS) < until:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        talker.send(due)
        number += 1


async def _load(gateway: Server, streams: int, seconds: float, frames: list[bytes]) -> Row:
    address, load, loop = urlsplit(gateway.url), Load(), asyncio.get_running_loop()
    talkers = []
    for _ in range(streams):
        opened = loop.create_future()
        _, talker = await loop.create_connection(
            lambda opened=opened: Talker(address.netloc, frames, load, opened),  # type: ignore[misc]
            str(address.hostname),
            int(address.port or 0),
        )
        talkers.append(talker)
        async with asyncio.timeout(_OPEN_SECONDS):
            await opened
    began = time.perf_counter() + 0.1
    until = began + _WARM_UP_SECONDS + seconds
    async with asyncio.TaskGroup() as tasks:
        for number, talker in enumerate(talkers):
            tasks.create_task(_speak(talker, began + number * CHUNK_SECONDS / streams, until))
        await asyncio.sleep(_WARM_UP_SECONDS)
        load.is_counted, cpu_before, at = True, gateway.family_cpu_seconds(), time.perf_counter()
        await asyncio.sleep(seconds)
        load.is_counted, cpu, passed = False, gateway.family_cpu_seconds() - cpu_before, time.perf_counter() - at
    lost = load.lost
    for talker in talkers:
        talker.close()
    latencies = [1000 * latency for latency in load.latencies]
    return Row(
        streams=streams,
        busy=cpu / passed,
        chunk_us=1e6 * cpu / load.chunks,
        p50_ms=median(latencies),
        p99_ms=quantiles(latencies, n=100)[98],
        lost=lost,
    )


def measure(
    streams: int, seconds: float, words_per_second: float, *, is_half_silent: bool = False, workers: int = 1
) -> Row:
    """Measure one number of streams against a gateway of its own, with so many workers on the same core."""
    riva = Server.run("bench.gateway.echo_server", "--words-per-second", str(words_per_second))
    gateway = Server.start(
        "--riva-uri",
        riva.url,
        "--workers",
        str(workers),
        environment={
            "NIYOSHA_HANDSHAKES_PER_SECOND": "10000",
            "NIYOSHA_STREAMS": "10000",
            "NIYOSHA_STREAMS_PER_OWNER": "10000",
            "NIYOSHA_CONNECTIONS_PER_ADDRESS": "10000",
        },
    )
    try:
        pin_apart(gateway, riva)
        return uvloop.run(_load(gateway, streams, seconds, speech(is_half_silent=is_half_silent)))
    finally:
        gateway.process.kill()
        gateway.discard()
        riva.stop()


def pin_apart(gateway: Server, riva: Server) -> None:
    """Pin the gateway to one core, and its recognizer and this process to another."""
    pids = (gateway.process.pid, *gateway.children)
    for pid, cores in (*((pid, _GATEWAY_CORE) for pid in pids), (riva.process.pid, _LOAD_CORE), (0, _LOAD_CORE)):
        _pin(pid, cores)


def _pin(pid: int, cores: set[int]) -> None:
    """Pin all threads of a process."""
    if (os.cpu_count() or 1) < 2:
        return
    for thread in Path(f"/proc/{pid or 'self'}/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.gateway.streams",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--streams", type=int, nargs="+", default=[50, 100, 200, 400], metavar="N")
    parser.add_argument("--seconds", type=float, default=10.0, metavar="N")
    parser.add_argument("--half-silent", action="store_true", help="four seconds of speech, then as many of silence")
    parser.add_argument("--words-per-second", type=float, default=0.0, metavar="N", help="of the text, 0 for one word")
    parser.add_argument("--workers", type=int, nargs="+", default=[1], metavar="N", help="processes, by turns")
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="of all levels, interleaved")
    arguments = parser.parse_args()
    table = Table(title="half silent" if arguments.half_silent else "speech all the time")
    for column in ("streams", "workers", "busy", "us a chunk", "p50 ms", "p99 ms", "lost"):
        table.add_column(column, justify="right")
    for _, streams, workers in product(range(arguments.rounds), arguments.streams, arguments.workers):
        row = measure(
            streams,
            arguments.seconds,
            arguments.words_per_second,
            is_half_silent=arguments.half_silent,
            workers=workers,
        )
        figures = (f"{row.busy:.0%}", f"{row.chunk_us:.0f}", f"{row.p50_ms:.2f}", f"{row.p99_ms:.2f}", str(row.lost))
        table.add_row(str(streams), str(workers), *figures)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
