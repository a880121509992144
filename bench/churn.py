"""Counts what is left of thousands of connections that come and go, politely and not.

    python -m bench.churn [--connections N] [--per-second N]

One of four says `close`, one vanishes in mid utterance, one is refused, one breaks off its handshake.
"""

import argparse
import asyncio
import gc
import itertools
import logging
import os
import socket
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import structlog
from rich.console import Console
from rich.table import Table
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from stream.addresses import LIVE_PATH
from tests.hostile.audio import numbered_speech, silence
from tests.hostile.riva import HostileRiva
from tests.hostile.server import running as running_riva
from tests.tasks import own_tasks
from web.serve import running
from web.settings import read_settings

_SPEECH = numbered_speech([2])
_SETTLE_SECONDS = 3.0
_MOST_AT_ONCE = 200
_WARM_SHARE = 0.2
# This process has the server, its Riva and the clients in it.
_SETTINGS = {"port": 0, "handshakes_per_second": 100_000, "streams": 10_000, "streams_per_owner": 10_000}


class Count(Counter[str]):
    """What there is now: tasks of the gateway, calls at the recognizer, descriptors, memory."""

    @classmethod
    def take(cls, riva: HostileRiva) -> "Count":
        gc.collect()
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
        return cls(
            {
                "tasks of the gateway": own_tasks().total(),
                "open calls at the recognizer": riva.open_calls,
                "file descriptors": len(list(Path("/proc/self/fd").iterdir())),
                "resident kB": resident,
            }
        )


async def _close(url: str) -> None:
    async with connect(url, compression=None) as websocket:
        await websocket.send(_SPEECH + silence(300))
        await websocket.send("close")
        async for _ in websocket:
            pass


async def _vanish(url: str) -> None:
    websocket = await connect(url, compression=None)
    await websocket.send(_SPEECH)
    websocket.transport.abort()


async def _be_refused(url: str) -> None:
    try:
        await connect(f"{url}&sampleRateHertz=1", compression=None)
    except InvalidStatus:
        return
    raise AssertionError("a wrong configuration was accepted")


async def _break_off(url: str) -> None:
    parts = urlsplit(url)
    with socket.socket() as raw:
        raw.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(raw, (parts.hostname, parts.port))
        await loop.sock_sendall(raw, f"GET {LIVE_PATH} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgr".encode())


_WAYS = (_close, _vanish, _be_refused, _break_off)


async def _churn(url: str, connections: int, per_second: int) -> None:
    """So many connections at an even pace; raises what goes wrong with any."""
    address = url.replace("http", "ws", 1) + LIVE_PATH + "?audioTransfer=raw"
    room = asyncio.Semaphore(_MOST_AT_ONCE)

    async def one(way: int) -> None:
        async with room:
            await _WAYS[way](address)

    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.TaskGroup() as tasks:
        for number, way in zip(range(connections), itertools.cycle(range(len(_WAYS))), strict=False):
            await asyncio.sleep(max(0.0, began + number / per_second - loop.time()))
            tasks.create_task(one(way))


async def measure(connections: int, per_second: int) -> tuple[Count, Count, float]:
    """Counts before and after, and how many connections a second there were."""
    structlog.configure(processors=[_drop])
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    async with (
        running_riva(HostileRiva()) as server,
        running(read_settings({**_SETTINGS, "riva_uri": server.address})) as gateway,
    ):
        await _churn(gateway.url, int(_WARM_SHARE * connections), per_second)
        await asyncio.sleep(_SETTLE_SECONDS)
        before = Count.take(server.riva)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await _churn(gateway.url, connections, per_second)
        rate = connections / (loop.time() - began)
        await asyncio.sleep(_SETTLE_SECONDS)
        return before, Count.take(server.riva), rate


def _drop(*_: object) -> str:
    raise structlog.DropEvent


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=6000, choices=range(100, 100_001), metavar="N")
    parser.add_argument("--per-second", type=int, default=100, choices=range(1, 1001), metavar="N")
    arguments = parser.parse_args()
    before, after, rate = asyncio.run(measure(arguments.connections, arguments.per_second))
    table = Table(title=f"{arguments.connections} connections, {rate:.0f} a second")
    for column in ("what", "before", "after"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for name in before:
        table.add_row(name, str(before[name]), str(after[name]))
    grown = 100 * (after["resident kB"] / before["resident kB"] - 1)
    Console(width=100).print(table, f"memory of server, recognizer and clients in one process: {grown:+.1f} %")


if __name__ == "__main__":
    main()
