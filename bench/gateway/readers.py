"""Measure readers of one caption channel: how late settled text reaches the last of them, and what each one costs.

    python -m bench.gateway.readers [--readers N] [--seconds N]

A gateway in a process of its own, with a recognizer that costs next to nothing, serves all readers and one publisher,
who speaks at the speed of speech. Readers are plain sockets of this process: what they take of a shared machine is in
the figures. The delay of a line is from the publisher's own message with it to the last reader's event.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import httpx
from rich.console import Console
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.support.recognizers import ScriptedRecognizer
from tests.support.sounds import clip_pcm
from vad import SAMPLE_RATE
from web.process.serve import running
from web.settings.settings import Settings

_CHUNK_BYTES = SAMPLE_RATE // 5
_CHUNK_SECONDS = 0.1
_CLIP = clip_pcm("quick.wav") + bytes(SAMPLE_RATE * 2)
_NAME = "bench"
_AT_ONCE = 50
_SETTLE_SECONDS = 3.0


async def serve(folder: str) -> None:
    """Serve until the input ends; the address is the first line of the output."""
    settings = Settings(port=0, database_url=f"sqlite:///{folder}/bench.db", connections_per_address=100_000)
    async with running(settings, ScriptedRecognizer()) as server:
        sys.stdout.write(server.url + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


class Arrivals:
    """When settled lines arrived, in seconds of the loop's clock: at the publisher, and at each reader."""

    def __init__(self) -> None:
        self.published: list[float] = []
        self.read: list[list[float]] = []

    def delays(self) -> list[list[float]]:
        """Return for each line the delays of all readers that got it."""
        return [
            sorted(times[number] - at for times in self.read if number < len(times))
            for number, at in enumerate(self.published)
        ]


async def read(url: str, arrivals: list[float]) -> None:
    """Read the channel, and note when settled lines arrive, until cancelled."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(f"GET /v1/channels/{_NAME}/events HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
    try:
        while row := await reader.readline():
            if row.startswith(b"event: final"):
                arrivals.append(asyncio.get_running_loop().time())
    finally:
        writer.close()


async def publish(url: str, seconds: float, arrivals: list[float]) -> None:
    """Speak clip after clip for so long, and note when settled text arrives."""
    loop = asyncio.get_running_loop()
    async with connect(url.replace("http", "ws", 1) + f"/v1/speech/asrlive?channel={_NAME}", proxy=None) as socket:

        async def listen() -> None:
            with suppress(ConnectionClosed):
                async for text in socket:
                    message = json.loads(text)
                    words = message["results"][0]["words"] if message["status"] == "partial" else []
                    if words and words[-1]["endTime"] > 0:
                        arrivals.append(loop.time())

        listening = asyncio.create_task(listen())
        began, sent_bytes = loop.time(), 0
        while (elapsed := loop.time() - began) < seconds:
            place = sent_bytes % len(_CLIP)
            await socket.send(_CLIP[place : place + _CHUNK_BYTES])
            sent_bytes += len(_CLIP[place : place + _CHUNK_BYTES])
            await asyncio.sleep(max(0.0, sent_bytes / (2 * SAMPLE_RATE) - elapsed))
        await socket.send("close")
        await listening


def resident_bytes(pid: int) -> int:
    """Return how much memory a process has."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def processor_seconds(pid: int) -> float:
    """Return how much processor time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(readers: int, seconds: float, console: Console) -> None:
    """Run the bench and print its figures."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory())
        server = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.gateway.readers", "--serve", folder),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert server.stdin is not None
        assert server.stdout is not None
        stack.push_async_callback(server.wait)
        while not (url := (await server.stdout.readline()).decode().strip()).startswith("http"):
            pass
        # A log that nobody reads would stop the gateway.
        draining = asyncio.create_task(server.stdout.read())
        stack.push_async_callback(asyncio.wait, [draining])
        stack.callback(server.stdin.close)
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            (await client.post("/v1/channels", json={"name": _NAME, "public": True})).raise_for_status()
        alone, crowded = Arrivals(), Arrivals()
        await publish(url, min(seconds, 10.0), alone.published)
        before = resident_bytes(server.pid)
        crowded.read = [[] for _ in range(readers)]
        tasks = []
        for first in range(0, readers, _AT_ONCE):
            tasks += [asyncio.create_task(read(url, times)) for times in crowded.read[first : first + _AT_ONCE]]
            await asyncio.sleep(0.2)
        await asyncio.sleep(_SETTLE_SECONDS)
        earlier = len(alone.published)
        for times in crowded.read:
            del times[:]
        of_reader = (resident_bytes(server.pid) - before) / readers
        used = processor_seconds(server.pid)
        await publish(url, seconds, crowded.published)
        await asyncio.sleep(_SETTLE_SECONDS)
        used = processor_seconds(server.pid) - used
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    delays = crowded.delays()
    last = [one[-1] for one in delays if one]
    missed = sum(readers - len(one) for one in delays)
    every = sorted(delay for one in delays for delay in one)
    console.print(f"{readers} readers, {len(delays)} settled lines in {seconds:.0f} s ({earlier} before)")
    console.print(f"delay: p50 {1000 * every[len(every) // 2]:.0f} ms, p99 {1000 * quantiles(every, n=100)[98]:.0f} ms")
    console.print(f"delay of the last reader: {', '.join(f'{1000 * one:.0f}' for one in last)} ms")
    console.print(f"lines that did not arrive: {missed}; memory of a reader: {of_reader / 1024:.1f} KiB")
    console.print(f"processor time of the gateway: {100 * used / (seconds + _SETTLE_SECONDS):.0f} % of a core")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the bench, or the gateway of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--serve", metavar="FOLDER", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.serve:
        asyncio.run(serve(given.serve))
    else:
        asyncio.run(measure(given.readers, given.seconds, Console()))


if __name__ == "__main__":
    main()
