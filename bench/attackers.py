"""Measures what attackers do to honest streams: their latencies alone, and beside them.

    python -m bench.attackers [--streams N] [--attackers N] [--rounds N]

A quarter of the attackers each send handshakes that never end, floods of handshakes, sound whose answers they never
read, and garbage. They come from another address of this machine, in a process of their own that runs when nobody else
wants the processor: in earnest they would bring their own. What they take from honest streams only by being on the same
machine shows while they attack another server than the streams' own.
"""

import argparse
import asyncio
import multiprocessing
import os
import random
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
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
_Figures = tuple[float, float]


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
            with suppress(OSError, EOFError, RuntimeError, TimeoutError):
                async with asyncio.timeout(5):
                    await kind(str(parts.hostname), int(parts.port or 0))
            await asyncio.sleep(_PAUSE_SECONDS)

    await asyncio.gather(*(again(_KINDS[number % len(_KINDS)]) for number in range(attackers)))


def _besiege(url: str, attackers: int, is_over: Event) -> None:
    os.nice(19)
    uvloop.run(_attack(url, attackers, is_over))


async def _honest(url: str, streams: int) -> list[float]:
    runs = await asyncio.gather(*(through(url, number * CHUNK_SECONDS / streams) for number in range(streams)))
    return [1000 * latency for run in runs for latency in run]


@contextmanager
def _under_siege(url: str, attackers: int) -> Iterator[None]:
    context = multiprocessing.get_context("spawn")
    is_over = context.Event()
    process = context.Process(target=_besiege, args=(url, attackers, is_over), daemon=True)
    process.start()
    try:
        yield
    finally:
        is_over.set()
        process.join(30)
        process.kill()


def measure(url: str, other_url: str, streams: int, attackers: int) -> tuple[_Figures, _Figures, _Figures]:
    """Figures of honest streams alone, while another server is attacked, and while theirs is."""
    quiet = _figures(uvloop.run(_honest(url, streams)))
    with _under_siege(other_url, attackers):
        elsewhere = _figures(uvloop.run(_honest(url, streams)))
    with _under_siege(url, attackers):
        return quiet, elsewhere, _figures(uvloop.run(_honest(url, streams)))


@contextmanager
def _gateway() -> Iterator[str]:
    riva = Server.run("bench.answering")
    try:
        gateway = Server.start("--riva-uri", riva.url)
        try:
            yield gateway.url
        finally:
            gateway.stop()
    finally:
        riva.stop()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=20, choices=range(1, 201), metavar="N")
    parser.add_argument("--attackers", type=int, default=40, choices=range(4, 401), metavar="N")
    parser.add_argument("--rounds", type=int, default=3, choices=range(1, 11), metavar="N")
    arguments = parser.parse_args()
    with _gateway() as url, _gateway() as other_url:
        rounds = [measure(url, other_url, arguments.streams, arguments.attackers) for _ in range(arguments.rounds)]
    table = Table(
        title=f"{arguments.streams} honest streams, {arguments.attackers} attackers, p50 / p99 in milliseconds"
    )
    for column in ("round", "quiet", "another attacked", "attacked", "p99 to quiet", "p99 to another attacked"):
        table.add_column(column, justify="right")
    ratios = [(attacked[1] / quiet[1], attacked[1] / elsewhere[1]) for quiet, elsewhere, attacked in rounds]
    for number, (figures, both) in enumerate(zip(rounds, ratios, strict=True), start=1):
        cells = (f"{p50:.2f} / {p99:.2f}" for p50, p99 in figures)
        table.add_row(str(number), *cells, *(f"{ratio:.2f}" for ratio in both))
    to_quiet, to_elsewhere = (median(column) for column in zip(*ratios, strict=True))
    Console(width=110).print(table, f"median ratios of p99: {to_quiet:.2f} and {to_elsewhere:.2f}")


def _figures(latencies: list[float]) -> _Figures:
    return median(latencies), quantiles(latencies, n=100)[98]


if __name__ == "__main__":
    main()
