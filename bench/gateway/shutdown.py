"""Stop a gateway while streams talk, and count those that get their whole text.

    python -m bench.gateway.shutdown [--streams N] [--rounds N]

Each stream talks at the speed of speech to a Riva server that answers at once. In the middle of everybody's sentence
the gateway is asked to stop; each stream then is owed its final, `done`, and a Close with 1012.
"""

import argparse
import asyncio
import json
import signal
import time
from contextlib import suppress
from dataclasses import dataclass

import uvloop
from rich.console import Console
from rich.table import Table
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from bench.common.server import Server
from bench.gateway.latency import CHUNK_SECONDS, CHUNKS
from stream.paths import LIVE_PATH

_TALK_SECONDS = 3.0
_CONNECTS_AT_ONCE = 20
_SETTINGS = {
    "NIYOSHA_STREAMS": "2000",
    "NIYOSHA_STREAMS_PER_OWNER": "2000",
    "NIYOSHA_HANDSHAKES_PER_SECOND": "2000",
}


@dataclass(slots=True, kw_only=True)
class Ending:
    """What one stream got after the stop, and how long after."""

    has_final: bool = False
    has_done: bool = False
    code: int | None = None
    seconds: float = 0.0

    @property
    def is_whole(self) -> bool:
        return self.has_final and self.has_done and self.code == 1012


async def _talk(url: str, gate: asyncio.Semaphore, stopped: asyncio.Event, ending: Ending) -> None:
    target = url.replace("http", "ws", 1) + LIVE_PATH
    async with gate:
        socket = await connect(target, proxy=None, compression=None, open_timeout=30)
    async with socket:
        talking = asyncio.create_task(_speak(socket))
        with suppress(ConnectionClosed):
            async for text in socket:
                if not stopped.is_set():
                    continue
                message = json.loads(text)
                words = message["results"][0]["words"]
                ending.has_final |= message["status"] == "partial" and bool(words) and words[-1]["endTime"] > 0
                ending.has_done |= message["status"] == "done"
        ending.seconds = time.perf_counter()
        ending.code = socket.close_code
        talking.cancel()


async def _speak(socket: ClientConnection) -> None:
    with suppress(ConnectionClosed):
        while True:
            for chunk in CHUNKS:
                await socket.send(chunk)
                await asyncio.sleep(CHUNK_SECONDS)


async def stop_among(streams: int) -> tuple[list[Ending], int, float]:
    """The endings, the exit code, and the seconds from the signal to the exit."""
    riva = Server.run("bench.load.null_riva", "0")
    gateway = Server.start("--riva-uri", riva.url, environment=_SETTINGS)
    try:
        endings = [Ending() for _ in range(streams)]
        gate, stopped = asyncio.Semaphore(_CONNECTS_AT_ONCE), asyncio.Event()
        talks = [asyncio.create_task(_talk(gateway.url, gate, stopped, ending)) for ending in endings]
        await asyncio.sleep(_TALK_SECONDS + streams / 200)
        began = time.perf_counter()
        stopped.set()
        gateway.process.send_signal(signal.SIGTERM)
        await asyncio.gather(*talks)
        code = await asyncio.to_thread(gateway.process.wait, 60)
        for ending in endings:
            ending.seconds -= began
        return endings, code, time.perf_counter() - began
    finally:
        gateway.stop()
        riva.stop()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.gateway.shutdown", description=__doc__)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    table = Table(title=f"{arguments.streams} streams, stopped in mid sentence")
    for column in ("final, done and 1012", "final", "done", "last stream after s", "exit after s", "exit code"):
        table.add_column(column)
    for _ in range(arguments.rounds):
        endings, code, seconds = uvloop.run(stop_among(arguments.streams))
        counts = (sum(getattr(ending, name) for ending in endings) for name in ("is_whole", "has_final", "has_done"))
        last = max(ending.seconds for ending in endings)
        table.add_row(*map(str, counts), f"{last:.2f}", f"{seconds:.2f}", str(code))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
