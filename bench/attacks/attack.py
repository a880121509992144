"""What an attack is, and the connections from which attacks are made."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from stream.paths import LIVE_PATH

_ATTACKERS_ADDRESS = "127.0.0.2"
_UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
Socket = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One way to harm others.

    `run` gets the server's host and port and is repeated until the measurement ends, each time cut off after `seconds`;
    so many `connections` do it at once. `prepare` is awaited once with the address of the server's database before the
    attack; `environment` is added to that of the server.
    """

    run: Callable[[str, int], Awaitable[None]]
    connections: int = 4
    seconds: float = 5.0
    environment: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[str], Coroutine[Any, Any, None]] | None = None


async def connected(host: str, port: int) -> Socket:
    """Connect from the attackers' own address."""
    raw = socket.socket()
    raw.bind((_ATTACKERS_ADDRESS, 0))
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, (host, port))
    return await asyncio.open_connection(sock=raw)


def upgrade(host: str, port: int, query: str = "") -> bytes:
    """The head of a handshake."""
    path = f"{LIVE_PATH}?{query}" if query else LIVE_PATH
    return _UPGRADE.format(path=path, host=f"{host}:{port}").encode()


async def upgraded(host: str, port: int, query: str = "") -> Socket:
    """Open a live connection."""
    reader, writer = await connected(host, port)
    writer.write(upgrade(host, port, query))
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


def frame(opcode: int, payload: bytes) -> bytes:
    """A whole frame of a client; its mask is zero, so the bytes are the payload's own."""
    match len(payload):
        case size if size < 126:
            length = bytes([0x80 | size])
        case size if size < 1 << 16:
            length = b"\xfe" + size.to_bytes(2, "big")
        case size:
            length = b"\xff" + size.to_bytes(8, "big")
    return bytes([0x80 | opcode]) + length + bytes(4) + payload
