"""Measures what attackers do to honest streams: the gateway's latencies without them and beside them.

    python -m bench.attackers [--streams N] [--attackers N] [--rounds N]

A quarter of the attackers each send handshakes that never end, floods of handshakes, sound whose answers they never
read, and garbage. They come from another address of this machine, in a process of their own.
"""

import argparse
import asyncio
import contextlib
import multiprocessing
import random
import socket
from collections.abc import Callable, Coroutine
from multiprocessing.synchronize import Event
from statistics import median, quantiles
from typing import Any
from urllib.parse import urlsplit

import uvloop
from rich.console import Console
from rich.table import Table

from bench.gateway import CHUNK_SECONDS, CHUNKS, through
from bench.server import Server
from stream.addresses import LIVE_PATH

_ATTACKERS_ADDRESS = "127.0.0.2"
_UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_PAUSE_SECONDS = 0.02
_Socket = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _connected(host: str, port: int) -> _Socket:
    raw = socket.socket()
    raw.bind((_ATTACKERS_ADDRESS, 0))
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, (host, port))
    return await asyncio.open_connection(sock=raw)


async def _drip(host: str, port: int) -> None:
    """A handshake that comes letter by letter and has no end."""
    _, writer = await _connected(host, port)
    writer.write(f"GET {LIVE_PATH} HTTP/1.1\r\n".encode())
    while not writer.is_closing():
        writer.write(b"X-A: a\r\n")
        await writer.drain()
        await asyncio.sleep(10 * _PAUSE_SECONDS)


async def _flood(host: str, port: int) -> None:
    """Handshake after handshake."""
    _, writer = await _connected(host, port)
    writer.write(_UPGRADE.format(path=LIVE_PATH, host=f"{host}:{port}").encode())
    await writer.drain()
    await asyncio.sleep(_PAUSE_SECONDS)
    writer.transport.abort()


async def _never_read(host: str, port: int) -> None:
    """Sound as fast as it goes, and no look at what comes back."""
    reader, writer = await _connected(host, port)
    writer.write(_UPGRADE.format(path=f"{LIVE_PATH}?extended=true", host=f"{host}:{port}").encode())
    await reader.readuntil(b"\r\n\r\n")
    chunk = CHUNKS[-20]
    while not writer.is_closing():
        # The mask is zero, so the bytes are the frame's own.
        writer.write(b"\x82\xfe" + len(chunk).to_bytes(2, "big") + bytes(4) + chunk)
        await writer.drain()
        await asyncio.sleep(_PAUSE_SECONDS)


async def _babble(host: str, port: int) -> None:
    """A handshake like any other, then anything."""
    _, writer = await _connected(host, port)
    writer.write(_UPGRADE.format(path=LIVE_PATH, host=f"{host}:{port}").encode())
    for _ in range(10):
        writer.write(random.randbytes(random.randrange(1, 4000)))  # noqa: S311
        await writer.drain()
        await asyncio.sleep(_PAUSE_SECONDS)
    writer.transport.abort()


_KINDS: tuple[Callable[[str, int], Coroutine[Any, Any, None]], ...] = (_drip, _flood, _never_read, _babble)


async def _attack(url: str, attackers: int, is_over: Event) -> None:
    parts = urlsplit(url)

    async def again(kind: Callable[[str, int], Coroutine[Any, Any, None]]) -> None:
        while not is_over.is_set():
            # uvloop calls writing to a closed socket a RuntimeError.
            with contextlib.suppress(OSError, EOFError, RuntimeError, TimeoutError):
                async with asyncio.timeout(5):
                    await kind(str(parts.hostname), int(parts.port or 0))
            await asyncio.sleep(_PAUSE_SECONDS)

    await asyncio.gather(*(again(_KINDS[number % len(_KINDS)]) for number in range(attackers)))


def _besiege(url: str, attackers: int, is_over: Event) -> None:
    uvloop.run(_attack(url, attackers, is_over))


async def _honest(url: str, streams: int) -> list[float]:
    runs = await asyncio.gather(*(through(url, number * CHUNK_SECONDS / streams) for number in range(streams)))
    return [1000 * latency for run in runs for latency in run]


def measure(url: str, streams: int, attackers: int) -> tuple[list[float], list[float]]:
    """Milliseconds without attackers, and beside them."""
    quiet = uvloop.run(_honest(url, streams))
    context = multiprocessing.get_context("spawn")
    is_over = context.Event()
    process = context.Process(target=_besiege, args=(url, attackers, is_over), daemon=True)
    process.start()
    try:
        return quiet, uvloop.run(_honest(url, streams))
    finally:
        is_over.set()
        process.join(30)
        process.kill()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=20, choices=range(1, 201), metavar="N")
    parser.add_argument("--attackers", type=int, default=40, choices=range(4, 401), metavar="N")
    parser.add_argument("--rounds", type=int, default=3, choices=range(1, 11), metavar="N")
    arguments = parser.parse_args()
    riva = Server.run("bench.answering")
    gateway = Server.start("--riva-uri", riva.url)
    try:
        rounds = [measure(gateway.url, arguments.streams, arguments.attackers) for _ in range(arguments.rounds)]
    finally:
        gateway.stop()
        riva.stop()
    table = Table(title=f"{arguments.streams} honest streams, {arguments.attackers} attackers, milliseconds")
    for column in ("round", "quiet p50", "attacked p50", "quiet p99", "attacked p99", "ratio of p99"):
        table.add_column(column, justify="right")
    rows = [tuple(_figures(part) for part in one) for one in rounds]
    for number, ((p50, p99), (beside_p50, beside_p99)) in enumerate(rows, start=1):
        table.add_row(str(number), *(f"{ms:.2f}" for ms in (p50, beside_p50, p99, beside_p99, beside_p99 / p99)))
    ratio = median(beside[1] / quiet[1] for quiet, beside in rows)
    Console(width=100).print(table, f"median ratio of p99: {ratio:.2f}")


def _figures(latencies: list[float]) -> tuple[float, float]:
    return median(latencies), quantiles(latencies, n=100)[98]


if __name__ == "__main__":
    main()
