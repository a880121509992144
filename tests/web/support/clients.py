"""Drivers that imitate the traffic of the published Farsava clients, all in plain mode."""

import asyncio
import base64
import json
import wave
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.sync import client as blocking
from websockets.typing import Origin, Subprotocol

from tests.web.support.sockets import Conversation, address, received

_LONGEST_SECONDS = 60.0
_TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2ln"  # noqa: S105 - of the right shape, for a server without a key

Message = dict[str, Any]
Parse = Callable[[str], Message]


# --- parsers: a value and where it stands, to the value as the client keeps it ---


class ParseError(Exception):
    """The client cannot read a message; the sentence names the place, what is there and what is due."""


Read = Callable[[object, str], object]


def string(value: object, place: str) -> str:
    if isinstance(value, str):
        return value
    raise ParseError(f"{place} is {value!r}; a string is due")


def double(value: object, place: str) -> float:
    """As Java and C# read a double: any JSON number."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise ParseError(f"{place} is {value!r}; a number is due")


def integer(value: object, place: str) -> int:
    """As Java reads an int and Go an int64: 6 and never 6.0."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ParseError(f"{place} is {value!r}; an integer is due")


def array(item: Read) -> Read:
    def read(value: object, place: str) -> object:
        if not isinstance(value, list):
            raise ParseError(f"{place} is {value!r}; an array is due")
        return [item(one, f"{place}[{position}]") for position, one in enumerate(value)]

    return read


def record(fields: dict[str, Read], *, is_strict: bool) -> Read:
    """Read an object; a strict reader wants exactly `fields`, another takes what it knows of them."""

    def read(value: object, place: str) -> object:
        if not isinstance(value, dict):
            raise ParseError(f"{place} is {value!r}; an object is due")
        for name in fields.keys() ^ value.keys() if is_strict else ():
            raise ParseError(f"{place} {'lacks' if name in fields else 'has an unknown'} field {name}")
        return {name: field(value[name], f"{place}.{name}") for name, field in fields.items() if name in value}

    return read


def _parser(seconds: Read, *, is_strict: bool) -> Parse:
    """Make a parser of the reference's messages; `seconds` reads `duration` and `inferenceTime`."""
    word = record({"startTime": double, "endTime": double, "word": string, "confidence": double}, is_strict=is_strict)
    result = record({"transcript": string, "confidence": double, "words": array(word)}, is_strict=is_strict)
    done = {
        "transcriptionId": string,
        "duration": seconds,
        "inferenceTime": seconds,
        "status": string,
        "results": array(result),
    }
    kinds = {
        "partial": record(done | {"partial": integer}, is_strict=is_strict),
        "done": record(done, is_strict=is_strict),
    }

    def parse(text: str) -> Message:
        fields = json.loads(text, object_pairs_hook=_without_duplicates)
        status = fields.get("status") if isinstance(fields, dict) else None
        if status not in kinds:
            raise ParseError(f"the message has status {status!r}; partial or done is due")
        message = kinds[status](fields, "message")
        assert isinstance(message, dict)
        return message

    return parse


def _without_duplicates(pairs: list[tuple[str, object]]) -> Message:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ParseError(f"a field comes twice among {', '.join(name for name, _ in pairs)}")
    return fields


parse_strictly = _parser(double, is_strict=True)
"""Java-like: exactly the fields of the reference with exactly its types."""
parse_whole_seconds = _parser(integer, is_strict=False)
"""Go-like: unknown fields are passed over, but an int64 is never read from a float."""


# --- traffic ---


def _file(clip: Path) -> bytes:
    return clip.read_bytes()


def _pcm(clip: Path) -> bytes:
    with wave.open(str(clip)) as recording:
        pcm: bytes = recording.readframes(recording.getnframes())
        return pcm


def _cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


async def _talk(
    url: str,
    pieces: Iterable[bytes | str],
    *,
    pause_seconds: float = 0.0,
    query: str = "",
    parse: Parse = json.loads,
    hangs_up: bool = False,
    origin: str | None = None,
    subprotocols: tuple[str, ...] = (),
) -> Conversation:
    """Send the pieces while listening, until the server closes or, if the client `hangs_up`, until `done`."""
    conversation = Conversation()
    async with (
        asyncio.timeout(_LONGEST_SECONDS),
        connect(
            address(url, query),
            proxy=None,
            origin=None if origin is None else Origin(origin),
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
        ) as socket,
    ):
        if subprotocols and socket.subprotocol is None:
            raise ConnectionError(f"a browser drops a connection that answers none of {subprotocols}")
        sending = asyncio.create_task(_send(socket, pieces, pause_seconds))
        try:
            async for text in received(socket):
                conversation.messages.append(parse(text))
                if hangs_up and conversation.messages[-1]["status"] == "done":
                    await socket.close()
                    break
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
    conversation.close_code, conversation.close_reason = socket.close_code, socket.close_reason
    return conversation


async def _send(socket: ClientConnection, pieces: Iterable[bytes | str], pause_seconds: float) -> None:
    for number, piece in enumerate(pieces):
        if number:
            await asyncio.sleep(pause_seconds)
        await socket.send(piece)


def _talk_blocking(url: str, pieces: Iterable[bytes | str]) -> Conversation:
    """Send everything, only then listen, until the server closes."""
    conversation = Conversation()
    with blocking.connect(address(url), proxy=None, open_timeout=_LONGEST_SECONDS) as socket:
        for piece in pieces:
            socket.send(piece)
        with suppress(ConnectionClosed):
            while True:
                conversation.messages.append(json.loads(socket.recv(_LONGEST_SECONDS)))
    conversation.close_code, conversation.close_reason = socket.close_code, socket.close_reason
    return conversation


# --- the clients ---


async def send_blocking_without_close(url: str, clip: Path) -> Conversation:
    text = base64.b64encode(_file(clip))
    return await asyncio.to_thread(_talk_blocking, url, _cut(text, 16_000))


async def send_with_close(url: str, clip: Path) -> Conversation:
    text = base64.b64encode(_file(clip))
    return await _talk(url, [*_cut(text, 16_000), "close"], hangs_up=True)


async def send_large_messages(url: str, clip: Path) -> Conversation:
    text = base64.b64encode(_file(clip))
    return await _talk(url, _cut(text, 100_000), pause_seconds=0.01)


async def send_buffers_and_hang_up(url: str, clip: Path) -> Conversation:
    return await _talk(url, map(base64.encodebytes, _buffers(_pcm(clip))), hangs_up=True)


def _buffers(pcm: bytes) -> Iterator[bytes]:
    start = 0
    for size in cycle((1280, 4096, 2048, 3584)):
        if start >= len(pcm):
            return
        yield pcm[start : start + size]
        start += size


async def send_from_browser(url: str, clip: Path) -> Conversation:
    return await _talk(
        url,
        _cut(_pcm(clip), 4096 * 2),
        query=f"jwt={_TOKEN}",
        origin="http://localhost:3000",
        subprotocols=("farsava", f"jwt.{_TOKEN}"),
    )


async def read_strictly(url: str, clip: Path, query: str = "") -> Conversation:
    return await _talk(url, [*_cut(_file(clip), 8000), "close"], query=query, parse=parse_strictly)


async def read_whole_seconds(url: str, clip: Path, query: str = "wholeSeconds=true") -> Conversation:
    return await _talk(url, [*_cut(_file(clip), 8000), "close"], query=query, parse=parse_whole_seconds)


async def send_every_two_seconds(url: str, clip: Path) -> Conversation:
    return await _talk(url, [*_cut(_pcm(clip), 64_000), "close"], pause_seconds=2.0)


async def send_single_bytes(url: str, clip: Path) -> Conversation:
    """The header and an eighth of a second; so many small messages for a whole clip would only take time."""
    file = _file(clip)
    return await asyncio.to_thread(_talk_blocking, url, [*_cut(file[:4044], 1), *_cut(file[4044:], 999), "close"])


@dataclass(frozen=True, slots=True)
class Client:
    """A kind of client; `talk` takes a server's URL and a WAV file of 16 kHz mono.

    `pause_seconds` is the longest pause it makes while speaking: the server must not take that for an end.
    """

    kind: str
    sends: str
    talk: Callable[[str, Path], Awaitable[Conversation]]
    pause_seconds: float = 0.0


CLIENTS = (
    Client("blocking sender", "base64 of the file in 16,000-byte pieces, no close", send_blocking_without_close),
    Client("asyncio sender", "base64 of the file in 16,000-byte pieces, close", send_with_close),
    Client("large messages", "base64 of the file in 100,000-byte pieces, every 10 ms", send_large_messages),
    Client("buffer sender", "base64 of each buffer, padded, in lines; hangs up on done", send_buffers_and_hang_up),
    Client("browser", "PCM in 4,096-sample buffers, jwt in query and subprotocol", send_from_browser),
    Client("strict parser", "the file in 8,000-byte pieces, close", read_strictly),
    Client("integer parser", "the file in 8,000-byte pieces, wholeSeconds=true, close", read_whole_seconds),
    Client("slow sender", "PCM, 64,000 bytes every 2 s, close", send_every_two_seconds, 2.0),
    Client("single bytes", "the file, at first one byte a message, close", send_single_bytes),
)
