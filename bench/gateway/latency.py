"""Measure what the gateway adds: the same audio at the same pace, straight to a Riva server and through it.

    python -m bench.gateway.latency [--streams N] [--rounds N]

Each stream sends 100 ms chunks at the speed of speech to a server that answers each at once; the time from a
chunk's sending to the first message that speaks of it is one measurement. Directly and through the gateway take
turns, so that a busy machine is busy for both.
"""

import argparse
import asyncio
import time
from collections.abc import Callable, Coroutine
from statistics import median, quantiles
from typing import Any

import grpc
import msgspec
import uvloop
from rich.console import Console
from rich.table import Table
from riva.client.proto import riva_asr_pb2 as pb
from riva.client.proto import riva_asr_pb2_grpc
from websockets.asyncio.client import connect

from bench.common.server import Server
from stream.paths import LIVE_PATH
from tests.hostile.riva.audio import numbered_speech
from vad import SAMPLE_RATE

_CHUNK_SAMPLES = SAMPLE_RATE // 10
CHUNK_SECONDS = 0.1
_SPEECH = numbered_speech([48])
CHUNKS = [_SPEECH[n : n + 2 * _CHUNK_SAMPLES] for n in range(0, len(_SPEECH), 2 * _CHUNK_SAMPLES)]
# What is sent before speech is found is answered later, by design.
_UNCOUNTED = 10
COUNTED = len(CHUNKS) - _UNCOUNTED


class Watch:
    """The chunks of one stream: when each was sent, and how long until an answer spoke of it."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self._sent: list[float] = []
        self._answered = 0

    def send(self) -> None:
        self._sent.append(_now())

    def answer(self, heard_samples: int) -> None:
        """All chunks that end before `heard_samples` are answered."""
        now = _now()
        while self._answered < len(self._sent) and (self._answered + 1) * _CHUNK_SAMPLES <= heard_samples:
            if self._answered >= _UNCOUNTED:
                self.latencies.append(now - self._sent[self._answered])
            self._answered += 1


def _now() -> float:
    return time.perf_counter()  # uvloop's own clock counts whole milliseconds


async def _pace(phase: float, send: Callable[[bytes], Coroutine[Any, Any, None]], watch: Watch) -> None:
    began = _now() + phase
    for number, chunk in enumerate(CHUNKS):
        await asyncio.sleep(max(0.0, began + number * CHUNK_SECONDS - _now()))
        watch.send()
        await send(chunk)


async def direct(channel: grpc.aio.Channel, phase: float) -> list[float]:
    """One stream straight to the server."""
    watch = Watch()
    call = riva_asr_pb2_grpc.RivaSpeechRecognitionStub(channel).StreamingRecognize()
    config = pb.RecognitionConfig(language_code="en-US", sample_rate_hertz=SAMPLE_RATE)
    streaming = pb.StreamingRecognitionConfig(config=config, interim_results=True)
    await call.write(pb.StreamingRecognizeRequest(streaming_config=streaming))

    async def send(chunk: bytes) -> None:
        await call.write(pb.StreamingRecognizeRequest(audio_content=chunk))

    async def speak() -> None:
        await _pace(phase, send, watch)
        await call.done_writing()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(speak())
        while (response := await call.read()) is not grpc.aio.EOF:
            for result in response.results:
                watch.answer(round(result.audio_processed * SAMPLE_RATE))
    return watch.latencies


async def through(url: str, phase: float) -> list[float]:
    """One stream through the gateway."""
    watch = Watch()
    address = url.replace("http", "ws", 1) + LIVE_PATH + "?audioTransfer=raw"
    async with connect(address, compression=None) as websocket, asyncio.TaskGroup() as tasks:

        async def send(chunk: bytes) -> None:
            await websocket.send(chunk)

        async def speak() -> None:
            await _pace(phase, send, watch)
            await websocket.send("close")

        tasks.create_task(speak())
        async for text in websocket:
            message = msgspec.json.decode(text)
            if message["status"] == "partial":
                watch.answer(round(message["duration"] * SAMPLE_RATE))
    return watch.latencies


async def _all(streams: int, one: Callable[[float], Coroutine[Any, Any, list[float]]]) -> list[float]:
    """Run all streams at once, evenly out of step; return milliseconds."""
    runs = await asyncio.gather(*(one(number * CHUNK_SECONDS / streams) for number in range(streams)))
    return [1000 * latency for run in runs for latency in run]


async def measure(url: str, uri: str, streams: int, rounds: int) -> list[tuple[list[float], list[float]]]:
    """Latencies in milliseconds of each round, direct and through the gateway."""
    async with grpc.aio.insecure_channel(uri) as channel:
        return [
            (
                await _all(streams, lambda phase: direct(channel, phase)),
                await _all(streams, lambda phase: through(url, phase)),
            )
            for _ in range(rounds)
        ]


def _figures(latencies: list[float]) -> tuple[float, float]:
    return median(latencies), quantiles(latencies, n=100)[98]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.gateway.latency", description=__doc__)
    parser.add_argument("--streams", type=int, default=100, choices=range(1, 501), metavar="N")
    parser.add_argument("--rounds", type=int, default=3, choices=range(1, 11), metavar="N")
    arguments = parser.parse_args()
    riva = Server.run("bench.load.null_riva", "0")
    gateway = Server.start("--riva-uri", riva.url, environment={"NIYOSHA_HANDSHAKES_PER_SECOND": "1000"})
    try:
        rounds = uvloop.run(measure(gateway.url, riva.url, arguments.streams, arguments.rounds))
        spoken = arguments.rounds * arguments.streams * len(CHUNKS) * CHUNK_SECONDS
        cpu = gateway.cpu_seconds() / spoken
    finally:
        gateway.stop()
        riva.stop()
    table = Table(title=f"{arguments.streams} streams, {len(rounds[0][0])} messages a round, milliseconds")
    for column in ("round", "direct p50", "gateway p50", "added", "direct p99", "gateway p99", "added"):
        table.add_column(column, justify="right")
    rows = [(*_figures(straight), *_figures(gated)) for straight, gated in rounds]
    middle = tuple(median(column) for column in zip(*rows, strict=True))
    for name, (p50, p99, gated_p50, gated_p99) in (*enumerate(rows, start=1), ("median", middle)):
        figures = (p50, gated_p50, gated_p50 - p50, p99, gated_p99, gated_p99 - p99)
        table.add_row(str(name), *(f"{figure:.2f}" for figure in figures))
    Console(width=110).print(table, f"gateway CPU: {100 * cpu:.2f} % of a core for a stream")


if __name__ == "__main__":
    main()
