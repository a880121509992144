"""Attacks that make a server hold something: answers, bodies, packets, connections, downloads.

What each sends is bounded, so that a server without bounds of its own survives it as well.
"""

import asyncio
import base64
import json
import os
import struct
import zlib
from contextlib import suppress

from bench.attacks.attack import Attack, connected, frame, upgraded

_MOST_SENT_BYTES = 24 << 20
_JSON_BYTES = 16 << 20
_FORM_BYTES = 100 << 20
_IDLE_CONNECTIONS = 1100
_IDLE_ATTACKERS = 20
_HOLD_SECONDS = 600.0
_DOWNLOADS_ADDRESS = "127.0.0.2"
# The bits of each byte in the other order.
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


async def _pipeline(host: str, port: int) -> None:
    """GETs back to back whose answers are never read."""
    _, writer = await connected(host, port)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    request = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    for _ in range(_MOST_SENT_BYTES // (1000 * len(request))):
        writer.write(1000 * request)
        await writer.drain()
    await asyncio.sleep(_HOLD_SECONDS)


async def _endless_ogg(host: str, port: int) -> None:
    """Opus, and beside it a second stream whose one packet goes on in every page."""
    reader, writer = await upgraded(host, port, "audioEncoding=OGG_OPUS&audioTransfer=raw")
    head = b"OpusHead\x01\x01\x00\x00" + struct.pack("<IHB", 16_000, 0, 0)
    tags = b"OpusTags" + struct.pack("<I", 4) + b"test" + struct.pack("<I", 0)
    begin = _page(1, 0, 0, 2, head) + _page(2, 0, 0, 2, bytes(255 * 200), is_open=True)
    begin += _page(1, 1, 0, 0, tags)
    writer.write(frame(2, begin))
    sent, number = 0, 2
    while sent < _MOST_SENT_BYTES:
        pages = b"".join(_page(2, number + n, -1, 1, bytes(255 * 255), is_open=True) for n in range(10))
        # A frame of silence now and then, so that sound comes out.
        pages += _page(1, number, 960 * number, 0, b"\x08" + bytes(8))
        writer.write(frame(2, pages))
        await writer.drain()
        sent, number = sent + len(pages), number + 10
        await asyncio.sleep(0.01)
    await reader.read()


async def _held_body(host: str, port: int) -> None:
    """A JSON body of the largest size, all but its end."""
    reader, writer = await connected(host, port)
    writer.write(_post("/v1/speech/asr", "application/json", _JSON_BYTES) + b'{"config":{},"audio":{"data":"')
    await _all_but_the_end(reader, writer, _JSON_BYTES - 30)


async def _held_form(host: str, port: int) -> None:
    """A form with a file, all but its end."""
    reader, writer = await connected(host, port)
    start = b'--x\r\nContent-Disposition: form-data; name="audio"; filename="a"\r\n\r\n'
    writer.write(_post("/v1/speech/asrlongrunning", "multipart/form-data; boundary=x", _FORM_BYTES) + start)
    await _all_but_the_end(reader, writer, _FORM_BYTES - len(start))


async def _many_idle(host: str, port: int) -> None:
    """A share of many idle connections."""

    async def idle() -> None:
        reader, _ = await connected(host, port)
        await reader.read()

    await asyncio.gather(*(idle() for _ in range(_IDLE_CONNECTIONS // _IDLE_ATTACKERS)))


async def _dripping_download(host: str, port: int) -> None:
    """A recording at a URI that comes letter by letter; NIYOSHA_FETCH_NETWORKS has to let it."""
    server = await asyncio.start_server(_drip, _DOWNLOADS_ADDRESS, 0)
    async with server:
        uri = f"http://{_DOWNLOADS_ADDRESS}:{server.sockets[0].getsockname()[1]}/a.wav"
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


def _page(serial: int, number: int, granule: int, flags: int, payload: bytes, *, is_open: bool = False) -> bytes:
    """One Ogg page with the whole of a packet, or with a part of one that goes on."""
    lacing = [255] * (len(payload) // 255) + ([] if is_open else [len(payload) % 255])
    head = struct.pack("<4sBBqIII", b"OggS", 0, flags, granule, serial, number, 0) + bytes([len(lacing), *lacing])
    return head[:22] + struct.pack("<I", _crc(head + payload)) + head[26:] + payload


def _crc(data: bytes) -> int:
    """Ogg's checksum: the polynomial of CRC-32 over bits in the other order, begun with nothing."""
    value = zlib.crc32(data.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{value:032b}"[::-1], 2)


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


HOARDERS = {
    "pipeline": Attack(run=_pipeline, seconds=30),
    "endless-ogg": Attack(run=_endless_ogg, seconds=30),
    "held-body": Attack(run=_held_body, seconds=30),
    "held-form": Attack(run=_held_form, seconds=30),
    "many-idle": Attack(run=_many_idle, connections=_IDLE_ATTACKERS, seconds=30),
    "dripping-download": Attack(
        run=_dripping_download, seconds=30, environment={"NIYOSHA_FETCH_NETWORKS": '["127.0.0.2/32"]'}
    ),
}
