"""A WebSocket client whose test chooses every byte of its frames."""

import asyncio
import base64
import os
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
UPGRADE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\n"
)
# Longer than any limit of a connection: it ends by itself, or never.
SECONDS = 600
NEVER = 1 << 60


def frame(  # noqa: PLR0917
    opcode: int,
    payload: bytes = b"",
    fin: bool = True,
    reserved: int = 0,
    masked: bool = True,
    declared: int | None = None,
) -> bytes:
    """One frame; `declared` is a length that is not the payload's."""
    length = len(payload) if declared is None else declared
    first = fin << 7 | reserved << 4 | opcode
    mask_bit = masked << 7
    if length < 126:
        head = struct.pack(">BB", first, mask_bit | length)
    elif length < 65536:
        head = struct.pack(">BBH", first, mask_bit | 126, length)
    else:
        head = struct.pack(">BBQ", first, mask_bit | 127, length)
    if not masked:
        return head + payload
    key = os.urandom(4)
    stream = key * (len(payload) // 4 + 1)
    return head + key + bytes(a ^ b for a, b in zip(payload, stream, strict=False))


def close(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, struct.pack(">H", code) + reason)


@dataclass
class Received:
    """What a server said until it closed: its messages as (opcode, payload), its pongs, its Close."""

    messages: list[tuple[int, bytes]] = field(default_factory=list)
    pongs: list[bytes] = field(default_factory=list)
    pings: list[bytes] = field(default_factory=list)
    code: int | None = None
    reason: str = ""


class RawClient:
    """An open connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.received = Received()

    async def send(self, data: bytes, piece: int = 0) -> None:
        """Send bytes, in pieces of so many if any, each in a segment of its own as far as the kernel lets us."""
        for start in range(0, len(data), piece or len(data) or 1):
            self.writer.write(data[start : start + (piece or len(data))])
            await self.writer.drain()
            if piece:
                await asyncio.sleep(0)

    async def receive(self, messages: int = NEVER, pings: int = NEVER) -> Received:
        """Read until the server's Close or the connection's end, or so many messages or pings in all."""
        async with asyncio.timeout(SECONDS):
            while len(self.received.messages) < messages and len(self.received.pings) < pings:
                try:
                    opcode, payload = await self._frame()
                except (asyncio.IncompleteReadError, ConnectionError):
                    break
                match opcode:
                    case 8:
                        self.received.code = struct.unpack(">H", payload[:2])[0] if payload else 1005
                        self.received.reason = payload[2:].decode()
                        break
                    case 9:
                        self.received.pings.append(payload)
                    case 10:
                        self.received.pongs.append(payload)
                    case _:
                        self.received.messages.append((opcode, payload))
        return self.received

    async def _frame(self) -> tuple[int, bytes]:
        first, second = await self.reader.readexactly(2)
        length = second & 127
        if length == 126:
            (length,) = struct.unpack(">H", await self.reader.readexactly(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", await self.reader.readexactly(8))
        return first & 15, await self.reader.readexactly(length)

    async def is_closed(self) -> bool:
        """Whether the server ends the connection; what it still says is dropped."""
        async with asyncio.timeout(SECONDS):
            try:
                while await self.reader.read(65536):
                    pass
            except ConnectionError:
                pass
        return True


@asynccontextmanager
async def connected(place: int | str, receive_bytes: int = 65536) -> AsyncIterator[RawClient]:
    """A connection to a port, or to the path of a Unix socket, on which nothing was said yet."""
    if isinstance(place, str):
        reader, writer = await asyncio.open_unix_connection(place, limit=receive_bytes)
    else:
        reader, writer = await asyncio.open_connection("127.0.0.1", place, limit=receive_bytes)
    try:
        yield RawClient(reader, writer)
    finally:
        writer.transport.abort()


@asynccontextmanager
async def upgraded(place: int | str, path: str = "/echo", headers: str = "") -> AsyncIterator[RawClient]:
    """An open WebSocket."""
    async with connected(place) as client:
        await client.send(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{UPGRADE}{headers}\r\n".encode())
        async with asyncio.timeout(SECONDS):
            head = await client.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        assert b"sec-websocket-extensions" not in head.lower()
        yield client
