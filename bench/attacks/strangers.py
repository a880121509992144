"""Attacks of those whom nobody knows: unfinished handshakes, floods of them, answers that are never read, garbage."""

import asyncio
import random

from bench.attacks.attack import Attack, connected, frame, upgrade, upgraded
from bench.gateway.latency import CHUNKS
from stream.paths import LIVE_PATH

_PAUSE_SECONDS = 0.02


async def _drip(host: str, port: int) -> None:
    """A handshake that comes letter by letter and has no end."""
    _, writer = await connected(host, port)
    writer.write(f"GET {LIVE_PATH} HTTP/1.1\r\n".encode())
    while not writer.is_closing():
        writer.write(b"X-A: a\r\n")
        await writer.drain()
        await asyncio.sleep(10 * _PAUSE_SECONDS)


async def _flood(host: str, port: int) -> None:
    """Handshake after handshake."""
    _, writer = await connected(host, port)
    writer.write(upgrade(host, port))
    await writer.drain()
    await asyncio.sleep(_PAUSE_SECONDS)
    writer.transport.abort()


async def _never_read(host: str, port: int) -> None:
    """Sound as fast as it goes, and no look at what comes back."""
    _, writer = await upgraded(host, port, "extended=true")
    while not writer.is_closing():
        writer.write(frame(2, CHUNKS[-20]))
        await writer.drain()
        await asyncio.sleep(_PAUSE_SECONDS)


async def _babble(host: str, port: int) -> None:
    """A handshake like any other, then anything."""
    _, writer = await connected(host, port)
    writer.write(upgrade(host, port))
    for _ in range(10):
        writer.write(random.randbytes(random.randrange(1, 4000)))  # noqa: S311
        await writer.drain()
        await asyncio.sleep(_PAUSE_SECONDS)
    writer.transport.abort()


STRANGERS = {
    "slow-handshake": Attack(run=_drip, connections=20),
    "handshake-flood": Attack(run=_flood),
    "never-read": Attack(run=_never_read),
    "garbage": Attack(run=_babble),
}
