"""Measures what a chunk of audio costs the gateway over each of its protocols, beside Farsava's.

    python -m bench.gateway.protocols [--streams N] [--seconds N] [--rounds N]

As in `bench.gateway.streams` the gateway is pinned to one core, load and recognizer to another, and talkers send 100 ms
at a time. All protocols are measured in each round, one after the other; the median of the rounds counts.
"""

import argparse
import asyncio
import base64
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import cast
from urllib.parse import urlsplit

import uvloop
from rich.console import Console
from rich.table import Table

from bench.common.server import Server
from bench.gateway.streams import pin_apart
from bench.load.sound import CHUNK_SECONDS
from stream.paths import LIVE_PATH
from tests.support.ports import unused_port
from tests.support.sounds import clip_pcm, cut
from vad import SAMPLE_BYTES, SAMPLE_RATE

_WARM_UP_SECONDS = 3.0
_OPEN_SECONDS = 10.0
_FORMAT = {"rate": SAMPLE_RATE, "width": SAMPLE_BYTES, "channels": 1}


def _websocket_frame(kind: int, data: bytes) -> bytes:
    """Return a client's message, with a mask of zeros."""
    length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
    return bytes([0x80 | kind]) + length + bytes(4) + data


def _audio_message(pcm: bytes) -> bytes:
    return _websocket_frame(2, pcm)


def _wyoming_event(kind: str, payload: bytes = b"") -> bytes:
    """Return an event as the reference's client writes it."""
    data = json.dumps(_FORMAT | ({"timestamp": None} if payload else {})).encode()
    header = {"type": kind, "version": "1.10.2", "data_length": len(data), "payload_length": len(payload)}
    return json.dumps(header).encode() + b"\n" + data + payload


def _wyoming_chunk(pcm: bytes) -> bytes:
    return _wyoming_event("audio-chunk", pcm)


def _realtime_append(pcm: bytes) -> bytes:
    audio = base64.b64encode(pcm).decode()
    return _websocket_frame(1, json.dumps({"type": "input_audio_buffer.append", "audio": audio}).encode())


def _nim_chunk(pcm: bytes) -> bytes:
    """Return a chunk as NVIDIA's client sends it: each one is committed."""
    return _realtime_append(pcm) + _websocket_frame(1, b'{"type":"input_audio_buffer.commit"}')


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """How a protocol's client begins, and how it sends a chunk at its rate; without a path on Wyoming's port."""

    path: str | None
    rate: int = SAMPLE_RATE
    beginning: bytes = b""
    chunk: Callable[[bytes], bytes] = _audio_message


DOORS = {
    "farsava": Door(path=f"{LIVE_PATH}?audioTransfer=raw"),
    "farsava, 24 kHz": Door(path=f"{LIVE_PATH}?audioTransfer=raw&sampleRateHertz=24000", rate=24_000),
    "deepgram": Door(path="/v1/listen?encoding=linear16&sample_rate=16000&interim_results=true"),
    "openai realtime": Door(path="/v1/realtime?intent=transcription", rate=24_000, chunk=_realtime_append),
    "nim realtime": Door(path="/nim/v1/realtime", chunk=_nim_chunk),
    "vosk": Door(path="/vosk", beginning=_websocket_frame(1, b'{"config":{"sample_rate":16000}}')),
    "wyoming": Door(path=None, beginning=_wyoming_event("audio-start"), chunk=_wyoming_chunk),
}


class Talker(asyncio.Protocol):
    """One stream; whatever it receives only shows that it is open."""

    def __init__(self, door: Door, host: str) -> None:
        self.opened = asyncio.get_running_loop().create_future()
        self.is_lost = False
        self._door = door
        self._host = host
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own does not inherit from it
        if self._door.path is None:
            self._open()
            return
        key = base64.b64encode(os.urandom(16)).decode()
        self._transport.write(
            f"GET {self._door.path} HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        if self.opened.done():
            return
        if not data.startswith(b"HTTP/1.1 101"):
            raise SystemExit(f"refused: {data!r}")
        self._open()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True

    def _open(self) -> None:
        self.send(self._door.beginning)
        self.opened.set_result(None)

    def send(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)

    def close(self) -> None:
        assert self._transport is not None
        self._transport.abort()


async def _speak(talker: Talker, frames: list[bytes], began: float, until: float) -> None:
    number = 0
    while (due := began + number * CHUNK_SECONDS) < until:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        talker.send(frames[number % len(frames)])
        number += 1


async def _cost_us(gateway: Server, port: int, door: Door, streams: int, seconds: float) -> float:
    """Return the processor time of the gateway for one chunk, in microseconds."""
    address, loop = urlsplit(gateway.url), asyncio.get_running_loop()
    # The middle of a long clip has no pause that would end an utterance.
    pcm = clip_pcm("library.wav")[SAMPLE_RATE : 5 * SAMPLE_RATE * SAMPLE_BYTES]
    # At another rate than the clip's it is said faster, which costs as much.
    chunk_bytes = int(door.rate * CHUNK_SECONDS) * SAMPLE_BYTES
    frames = [door.chunk(chunk) for chunk in cut(pcm, chunk_bytes) if len(chunk) == chunk_bytes]
    talkers = []
    for _ in range(streams):
        where = str(address.hostname), port if door.path is None else int(address.port or 0)
        _, talker = await loop.create_connection(lambda: Talker(door, address.netloc), *where)
        talkers.append(talker)
        async with asyncio.timeout(_OPEN_SECONDS):
            await talker.opened
    began = time.perf_counter() + 0.1
    until = began + _WARM_UP_SECONDS + seconds
    async with asyncio.TaskGroup() as tasks:
        for number, talker in enumerate(talkers):
            tasks.create_task(_speak(talker, frames, began + number * CHUNK_SECONDS / streams, until))
        await asyncio.sleep(_WARM_UP_SECONDS)
        cpu_before, at = gateway.cpu_seconds(), time.perf_counter()
        await asyncio.sleep(seconds)
        cpu_seconds, passed_seconds = gateway.cpu_seconds() - cpu_before, time.perf_counter() - at
    if any(talker.is_lost for talker in talkers):
        raise SystemExit(f"a stream at {door.path} was lost")
    for talker in talkers:
        talker.close()
    return 1e6 * cpu_seconds / (passed_seconds / CHUNK_SECONDS * streams)


def measure(door: Door, streams: int, seconds: float) -> float:
    """Measure one protocol against a gateway of its own; return microseconds a chunk."""
    riva, port = Server.run("bench.load.null_riva", "0"), unused_port()
    limits = {"HANDSHAKES_PER_SECOND": "10000", "STREAMS": "10000", "WYOMING_PORT": str(port)}
    environment = {f"NIYOSHA_{name}": value for name, value in limits.items()}
    gateway = Server.start("--riva-uri", riva.url, environment=environment)
    try:
        pin_apart(gateway, riva)
        return uvloop.run(_cost_us(gateway, port, door, streams, seconds))
    finally:
        gateway.process.kill()
        gateway.discard()
        riva.stop()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.gateway.protocols",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--streams", type=int, default=50, metavar="N")
    parser.add_argument("--seconds", type=float, default=10.0, metavar="N")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    arguments = parser.parse_args()
    costs: dict[str, list[float]] = {name: [] for name in DOORS}
    for _ in range(arguments.rounds):
        for name, door in DOORS.items():
            costs[name].append(measure(door, arguments.streams, arguments.seconds))
    table = Table(title=f"{arguments.streams} streams")
    for column in ("protocol", "us a chunk", "beside Farsava's"):
        table.add_column(column, justify="right")
    usual = median(costs["farsava"])
    for name, some in costs.items():
        table.add_row(name, f"{median(some):.0f}", f"{median(some) / usual - 1:+.0%}")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
