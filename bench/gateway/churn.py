"""Count what is left of thousands of connections that come and go, politely and not.

    python -m bench.gateway.churn [--connections N] [--per-second N]

One of four says `close`, one vanishes in mid utterance, one is refused, one breaks off its handshake. Tasks and calls
are counted with everything in one process; memory and descriptors are those of a `niyosha serve` by itself.
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

from bench.common.server import Server
from stream.paths import LIVE_PATH
from tests.hostile.riva.audio import numbered_speech, silence
from tests.hostile.riva.riva import HostileRiva
from tests.hostile.server import running as running_riva
from tests.support.loops.tasks import own_tasks
from web.process.serve import running
from web.settings.settings import read_settings

_SPEECH = numbered_speech([2])
_SETTLE_SECONDS = 13.0  # a head that never ends has ten
_MOST_AT_ONCE = 200
_WARM_SHARE = 0.2
# All come from one address.
_SETTINGS = {"handshakes_per_second": 100_000, "streams": 10_000, "streams_per_owner": 10_000}


async def _inside(connections: int, per_second: int) -> list[Counter[str]]:
    """Tasks of the gateway and calls at the recognizer, before and after."""
    structlog.configure(processors=[_drop])
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    counts = []
    async with (
        running_riva(HostileRiva()) as server,
        running(read_settings({**_SETTINGS, "port": 0, "riva_uri": server.address})) as gateway,
    ):
        for share in (_WARM_SHARE, 1):
            await _churn(gateway.url, int(share * connections), per_second)
            await asyncio.sleep(_SETTLE_SECONDS)
            gc.collect()
            calls = server.riva.open_calls
            counts.append(Counter({"tasks of the gateway": own_tasks().total(), "open calls at the recognizer": calls}))
    return counts


async def _outside(server: Server, connections: int, per_second: int) -> list[Counter[str]]:
    """Descriptors and memory of a server by itself, before and after."""
    counts = []
    process = Path(f"/proc/{server.process.pid}")
    for share in (_WARM_SHARE, 1):
        await _churn(server.url, int(share * connections), per_second)
        await asyncio.sleep(_SETTLE_SECONDS)
        resident = int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
        counts.append(Counter({"file descriptors": len(list((process / "fd").iterdir())), "resident kB": resident}))
    return counts


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


async def break_off(url: str) -> None:
    """Leave in the middle of a handshake."""
    parts = urlsplit(url)
    with socket.socket() as raw:
        raw.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(raw, (parts.hostname, parts.port))
        await loop.sock_sendall(raw, f"GET {LIVE_PATH} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgr".encode())


_WAYS = (_close, _vanish, _be_refused, break_off)


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


def _drop(*_: object) -> str:
    raise structlog.DropEvent


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=6000, choices=range(100, 100_001), metavar="N")
    parser.add_argument("--per-second", type=int, default=100, choices=range(1, 1001), metavar="N")
    arguments = parser.parse_args()
    before, after = asyncio.run(_inside(arguments.connections, arguments.per_second))
    riva = Server.run("bench.load.null_riva", "0")
    environment = {f"NIYOSHA_{name.upper()}": str(value) for name, value in _SETTINGS.items()}
    server = Server.start("--riva-uri", riva.url, environment=environment)
    try:
        alone = asyncio.run(_outside(server, arguments.connections, arguments.per_second))
    finally:
        server.stop()
        riva.stop()
    before.update(alone[0])
    after.update(alone[1])
    table = Table(title=f"{arguments.connections} connections, {arguments.per_second} a second")
    for column in ("what", "before", "after"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for name in before:
        table.add_row(name, str(before[name]), str(after[name]))
    grown = 100 * (after["resident kB"] / before["resident kB"] - 1)
    Console(width=100).print(table, f"memory {grown:+.1f} %")


if __name__ == "__main__":
    main()
