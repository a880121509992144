"""Attacks whose bytes cost more time than they take to send: on the live endpoint, and by REST."""

import asyncio
import json
import struct

import msgspec

from bench.attacks.attack import Attack, connected, frame, upgraded
from stream.paths import LIVE_PATH
from stream.protocols.farsava.messages import WireResult, WireWord
from vad import SAMPLE_RATE
from web.auth.caller import LOCAL_OWNER
from web.clock import wall_clock
from web.store.database.database import Database
from web.store.tables import Kind, Status, transcriptions, utterances

_MESSAGE_BYTES = 1 << 20
_BURST_BYTES = 1 << 18
_JSON_BYTES = 15 << 20
_HOURS = 4
_LONG_ID = "00000000-0000-4000-8000-000000000004"
_TEXT, _BINARY, _PING, _PONG = 1, 2, 9, 10

_SQUARES = frame(_BINARY, b"QQ==" * (_MESSAGE_BYTES // 4))
_WAV_HEADER = b"RIFF\xff\xff\xff\xffWAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, SAMPLE_RATE, 2 * SAMPLE_RATE, 2, 16)
_WAV_CHUNKS = frame(_BINARY, _WAV_HEADER + b"JUNK\0\0\0\0" * ((_MESSAGE_BYTES - 64) // 8))
_LOUD = frame(_BINARY, b"\x00\x40\x00\xc0" * (_MESSAGE_BYTES // 4))
_PHRASES = frame(_TEXT, json.dumps({"config": {"phrases": ["a b c d e f"] * 500}}).encode())
_LISTS = b"[" + b"[]," * (_JSON_BYTES // 3) + b"1]"
_NUMBERS = b'{"config":{"phrases":[' + b"1," * (_JSON_BYTES // 2) + b"1]}}"
_SOUND = b'{"config":{},"audio":{"data":"' + b"QUFB" * (_JSON_BYTES // 4) + b'"}}'


async def _repeated(host: str, port: int, message: bytes, query: str = "") -> None:
    """Send the same over and over, as fast as it is taken, and read what comes back."""
    reader, writer = await upgraded(host, port, query)
    burst = message * max(1, _BURST_BYTES // len(message))

    async def read() -> None:
        while await reader.read(1 << 16):
            pass

    reading = asyncio.create_task(read())
    try:
        while not reading.done():
            writer.write(burst)
            await writer.drain()
            await asyncio.sleep(0)
    finally:
        reading.cancel()
        writer.transport.abort()


def _repeating(message: bytes, query: str = "") -> Attack:
    async def run(host: str, port: int) -> None:
        await _repeated(host, port, message, query)

    return Attack(run=run)


async def _ask(host: str, port: int, head: str, body: bytes = b"") -> None:
    reader, writer = await connected(host, port)
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    writer.write(f"{head}\r\nHost: {host}:{port}\r\nConnection: close\r\n{length}\r\n".encode())
    try:
        writer.write(body)
        await writer.drain()
        while await reader.read(1 << 16):
            pass
    finally:
        writer.transport.abort()


def _posting(body: bytes) -> Attack:
    async def run(host: str, port: int) -> None:
        await _ask(host, port, "POST /v1/speech/asr HTTP/1.1\r\nContent-Type: application/json", body)

    return Attack(run=run, seconds=20)


def _getting(query: str) -> Attack:
    async def run(host: str, port: int) -> None:
        await _ask(host, port, f"GET /v1/speech/transcriptions/{_LONG_ID}?{query} HTTP/1.1")

    return Attack(run=run, seconds=20, prepare=_store_long)


async def _store_long(database_url: str) -> None:
    """Store four hours of speech without a pause: an utterance every six seconds, three words a second."""
    database, now = Database(database_url), wall_clock()
    row = {
        "id": _LONG_ID,
        "owner": LOCAL_OWNER,
        "kind": Kind.LIVE,
        "status": Status.DONE,
        "created_at": now,
        "touched_at": now,
        "expires_at": now + 86_400,
        "whole_seconds": False,
        "is_received": True,
        "received_samples": _HOURS * 3600 * SAMPLE_RATE,
        "inference_seconds": 1.0,
    }
    rows = [
        {
            "transcription_id": _LONG_ID,
            "number": number + 1,
            "channel": 0,
            "start": 6 * number * SAMPLE_RATE,
            "end": 6 * (number + 1) * SAMPLE_RATE,
            "alternatives": msgspec.json.encode([_utterance(6.0 * number)]),
        }
        for number in range(_HOURS * 600)
    ]
    async with database.writing() as connection:
        await connection.execute(database.insert_missing(transcriptions).values(row))
        await connection.execute(database.insert_missing(utterances), rows)
    await database.close()


def _utterance(start: float) -> WireResult:
    words = [WireWord(start + n / 3, start + (n + 0.9) / 3, f"word{n}", 0.9) for n in range(18)]
    return WireResult(" ".join(word.word for word in words), 0.9, words)


async def _unread_pings(host: str, port: int) -> None:
    """Pings as fast as they are taken, and no look at the pongs."""
    _, writer = await upgraded(host, port)
    burst = frame(_PING, b"p" * 100) * (_BURST_BYTES // 106)
    while not writer.is_closing():
        writer.write(burst)
        await writer.drain()
        await asyncio.sleep(0)


async def _explain(host: str, port: int) -> None:
    """Ask the plain address of the live endpoint with a query of many keys."""
    query = "&".join(f"phrases=p{n}" for n in range(700))
    await _ask(host, port, f"GET {LIVE_PATH}?{query} HTTP/1.1")


BUSYWORK = {
    "base64-squares": _repeating(_SQUARES, "audioTransfer=base64"),
    "wav-chunks": _repeating(_WAV_CHUNKS),
    "loud-megabytes": _repeating(_LOUD, "audioTransfer=raw"),
    "silero-megabytes": _repeating(_LOUD, "audioTransfer=raw&vad=silero"),
    "empty-frames": _repeating(frame(_BINARY, b"")),
    "empty-fragments": _repeating(b"\x02\x80\0\0\0\0" + b"\x00\x80\0\0\0\0" * 40_000),
    "pings": _repeating(frame(_PING, b"")),
    "unread-pings": Attack(run=_unread_pings),
    "pongs": _repeating(frame(_PONG, b"")),
    "keep-alive": _repeating(frame(_TEXT, b'{"type":"keepAlive"}')),
    "finalize": _repeating(frame(_TEXT, b'{"type":"finalize"}')),
    "one-key-configs": _repeating(frame(_TEXT, b'{"config":{"boost":1}}'), "extended=true"),
    "phrases-configs": _repeating(_PHRASES, "extended=true"),
    "json-lists": _posting(_LISTS),
    "json-numbers": _posting(_NUMBERS),
    "json-sound": _posting(_SOUND),
    "long-vtt": _getting("format=vtt"),
    "long-json": _getting("extended=true"),
    "many-keys": Attack(run=_explain),
}
