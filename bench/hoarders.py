"""Attackers that make a server hold something: answers, bodies, packets, connections, downloads.

Each attack is a coroutine that holds what it can through one connection for as long as it is let, and returns when the
server ends it. What it sends is bounded, so that a server without bounds of its own survives it as well.
"""

import asyncio
import base64
import json
import os
import random
import socket
import struct
import zlib
from contextlib import suppress

from stream.addresses import LIVE_PATH

ADDRESS = "127.0.0.2"
MOST_SENT_BYTES = 24 << 20
_UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_HOLD_SECONDS = 600
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_Socket = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connected(host: str, port: int) -> _Socket:
    """A connection from the attackers' own address."""
    raw = socket.socket()
    raw.bind((ADDRESS, 0))
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, (host, port))
    return await asyncio.open_connection(sock=raw)


async def pipeline(host: str, port: int) -> None:
    """GETs back to back whose answers are never read."""
    _, writer = await connected(host, port)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    request = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    for _ in range(MOST_SENT_BYTES // (1000 * len(request))):
        writer.write(1000 * request)
        await writer.drain()
    await asyncio.sleep(_HOLD_SECONDS)


async def endless_ogg(host: str, port: int) -> None:
    """Opus, and beside it a second stream whose one packet goes on in every page."""
    reader, writer = await connected(host, port)
    path = f"{LIVE_PATH}?audioEncoding=OGG_OPUS&audioTransfer=raw"
    writer.write(_UPGRADE.format(path=path).encode())
    await reader.readuntil(b"\r\n\r\n")
    head = b"OpusHead\x01\x01\x00\x00" + struct.pack("<IHB", 16_000, 0, 0)
    tags = b"OpusTags" + struct.pack("<I", 4) + b"test" + struct.pack("<I", 0)
    begin = page(1, 0, 0, 2, head) + page(2, 0, 0, 2, random.randbytes(255 * 200), is_open=True)
    begin += page(1, 1, 0, 0, tags)
    _send_frame(writer, begin)
    sent, number = 0, 2
    while sent < MOST_SENT_BYTES:
        pages = b"".join(page(2, number + n, -1, 1, bytes(255 * 255), is_open=True) for n in range(10))
        # A frame of silence now and then, so that sound comes out.
        pages += page(1, number, 960 * number, 0, b"\x08" + bytes(8))
        _send_frame(writer, pages)
        await writer.drain()
        sent, number = sent + len(pages), number + 10
        await asyncio.sleep(0.01)
    await reader.read()


async def held_body(host: str, port: int) -> None:
    """A JSON body of the largest size, all but its end."""
    reader, writer = await connected(host, port)
    size = 16 << 20
    writer.write(_post("/v1/speech/asr", "application/json", size) + b'{"config":{},"audio":{"data":"')
    await _all_but_the_end(reader, writer, size - 30)


async def held_form(host: str, port: int) -> None:
    """A form with a file, all but its end."""
    reader, writer = await connected(host, port)
    size = 100 << 20
    start = b'--x\r\nContent-Disposition: form-data; name="audio"; filename="a"\r\n\r\n'
    writer.write(_post("/v1/speech/asrlongrunning", "multipart/form-data; boundary=x", size) + start)
    await _all_but_the_end(reader, writer, size - len(start))


async def idle(host: str, port: int) -> None:
    """A connection on which nothing is said."""
    reader, _ = await connected(host, port)
    await reader.read()


async def many_idle(host: str, port: int) -> None:
    """A share of 1,100 of them."""
    await asyncio.gather(*(idle(host, port) for _ in range(275)))


async def idle_drip(host: str, port: int) -> None:
    """A head that comes letter by letter."""
    _, writer = await connected(host, port)
    writer.write(f"GET {LIVE_PATH} HTTP/1.1\r\n".encode())
    while not writer.is_closing():
        writer.write(b"X-A: a\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)


async def dripping_download(host: str, port: int) -> None:
    """A recording at a URI that comes letter by letter; SHENAVA_FETCH_NETWORKS has to let it."""
    server = await asyncio.start_server(_drip, ADDRESS, 0)
    async with server:
        uri = f"http://{ADDRESS}:{server.sockets[0].getsockname()[1]}/a.wav"
        body = json.dumps({"config": {}, "audio": {"uri": uri}}).encode()
        reader, writer = await connected(host, port)
        writer.write(_post("/v1/speech/asrlongrunning", "application/json", len(body)) + body)
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(_HOLD_SECONDS)


async def _drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, EOFError):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\nContent-Length: 100000000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"\0")
            await writer.drain()
            await asyncio.sleep(1)


def page(serial: int, number: int, granule: int, flags: int, payload: bytes, *, is_open: bool = False) -> bytes:
    """One Ogg page with the whole of a packet, or with a part of one that goes on."""
    lacing = [255] * (len(payload) // 255) + ([] if is_open else [len(payload) % 255])
    head = struct.pack("<4sBBqIII", b"OggS", 0, flags, granule, serial, number, 0) + bytes([len(lacing), *lacing])
    return head[:22] + struct.pack("<I", _crc(head + payload)) + head[26:] + payload


def _crc(data: bytes) -> int:
    """Ogg's checksum: the polynomial of CRC-32 over bits in the other order, begun with nothing."""
    value = zlib.crc32(data.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{value:032b}"[::-1], 2)


def _send_frame(writer: asyncio.StreamWriter, payload: bytes) -> None:
    # The mask is zero, so the bytes are the frame's own.
    writer.write(b"\x82\xff" + len(payload).to_bytes(8, "big") + bytes(4) + payload)


def _post(path: str, media_type: str, size: int) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {media_type}\r\nContent-Length: {size}\r\n\r\n"
    return head.encode()


async def _all_but_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, size: int) -> None:
    piece = base64.b64encode(os.urandom(48 << 10))
    while size > len(piece):
        writer.write(piece)
        await writer.drain()
        size -= len(piece)
    await reader.read()
