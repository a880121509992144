"""The client of the live protocol: one WebSocket connection, audio out, messages in.

async with connect("http://127.0.0.1:8000", config={"languageCode": "en"}) as live:
    async for message in transcribe(live, chunks):
        print(message.results[0].transcript)
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self
from urllib.parse import urlencode, urlsplit, urlunsplit

import msgspec
from websockets.asyncio import client as websocket
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from stream.client.errors import (
    AddressError,
    LostError,
    RecognitionError,
    RefusedError,
    UnreachableError,
    UnreadableError,
)
from stream.errors import quoted
from stream.paths import LIVE_PATH, is_loopback
from stream.protocols.farsava.messages import Done, DoneMessage, ErrorMessage, Failure, Told, decode

MESSAGE_BYTES = 64 * 1024  # two seconds of audio at 16 kHz; servers accept 1 MiB, but small messages are fairer
DONE_BYTES = 16 * 1024 * 1024  # `done` has the whole text, for four hours of speech more than the usual 1 MiB
QUERY_BYTES = 4096  # many servers and proxies refuse a request line over 8 kB
PING_SECONDS = 20.0  # keeps the mappings of routers alive; the pong is not waited for, see `_open`

Message = Told


@dataclass(frozen=True, slots=True)
class Waits:
    """How long to wait for the server: to accept the connection, and to close it."""

    open_seconds: float = 10.0
    close_seconds: float = 2.0


class Live:
    """An open connection: `send` audio and `finish` while another task iterates over the messages.

    A server that is behind stops reading, and `send` then waits: receive meanwhile, or use `transcribe`.
    """

    def __init__(self, socket: websocket.ClientConnection) -> None:
        self._socket = socket
        self._is_done = False

    async def send(self, pcm: bytes) -> None:
        """Send audio, `int16[n_samples]` little-endian unless the config says otherwise, cut anywhere.

        Raises LostError if the connection has ended.
        """
        for start in range(0, len(pcm), MESSAGE_BYTES):
            await self._send(pcm[start : start + MESSAGE_BYTES])

    async def finish(self) -> None:
        """End the audio; the rest is recognized, and `Done` is the last message."""
        await self._send("close")

    async def configure(self, config: Mapping[str, object]) -> None:
        """Change the configuration; the keys that describe the audio are frozen by the first audio."""
        await self._send(msgspec.json.encode({"config": config}).decode())

    async def receive(self) -> Message:
        """Wait for the next message. Raises RecognitionError, LostError or UnreadableError."""
        try:
            text = await self._socket.recv()
        except ConnectionClosed as closed:
            raise LostError(closed.rcvd) from closed
        try:
            message = decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError) as invalid:
            raise UnreadableError(text, str(invalid)) from invalid
        match message:
            case Failure() | ErrorMessage():
                raise RecognitionError(message)
            case Done() | DoneMessage():
                self._is_done = True
        return message

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        if self._is_done:
            raise StopAsyncIteration
        return await self.receive()

    async def _send(self, message: str | bytes) -> None:
        try:
            await self._socket.send(message)
        except ConnectionClosed as closed:
            raise LostError(closed.rcvd) from closed


@asynccontextmanager
async def connect(
    url: str,
    *,
    token: str | None = None,
    config: Mapping[str, object] = MappingProxyType({}),
    waits: Waits = Waits(),
) -> AsyncIterator[Live]:
    """Open a live connection to the server at `url`, such as `http://127.0.0.1:8000` or `wss://host/base`.

    `config` has the keys of the protocol; a list of strings repeats its key. Audio is declared and sent as raw bytes,
    never as base64. Raises AddressError, UnreachableError or RefusedError, and TypeError for a value that the query
    string cannot contain.
    """
    config = {"audioTransfer": "raw", **config}
    query = urlencode(list(_pairs(config)))
    fits = len(query) <= QUERY_BYTES
    socket = await _open(url, live_url(url, query if fits else ""), bearer(token), waits)
    try:
        live = Live(socket)
        if not fits:
            await live.configure(config)
        yield live
    finally:
        await _close(socket, waits)


async def transcribe(live: Live, chunks: AsyncIterable[bytes]) -> AsyncGenerator[Message, None]:
    """Send all `chunks`, then `finish`, and yield the messages as they arrive; `Done` is the last.

    Exceptions of `chunks` are raised here, and the connection is then unusable. Leave early only inside
    `contextlib.aclosing`, which stops sending at once.
    """
    sender = asyncio.create_task(_send_all(live, chunks))
    receiver = asyncio.create_task(live.receive())
    try:
        while True:
            await asyncio.wait({sender, receiver}, return_when=asyncio.FIRST_COMPLETED)
            if sender.done():
                sender.result()
            message = await receiver
            yield message
            if isinstance(message, Done | DoneMessage):
                return
            receiver = asyncio.create_task(live.receive())
    finally:
        sender.cancel()
        receiver.cancel()
        await asyncio.gather(sender, receiver, return_exceptions=True)


def live_url(url: str, query: str = "") -> str:
    """Return the WebSocket address of the server with the base address `url`; raises AddressError."""
    schemes = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
    try:
        base = urlsplit(url)
        valid = base.scheme in schemes and base.hostname and base.port != 0
    except ValueError:
        valid = False
    if not valid or base.query or base.fragment or base.username is not None:
        raise AddressError(f"{quoted(url)} is not a server's address; write it like http://127.0.0.1:8000")
    path = base.path.rstrip("/") + LIVE_PATH
    return urlunsplit((schemes[base.scheme], base.netloc, path, query, ""))


async def _send_all(live: Live, chunks: AsyncIterable[bytes]) -> None:
    # The receiving side raises the reason when the connection ends.
    with suppress(LostError):
        async for chunk in chunks:
            await live.send(chunk)
        await live.finish()


class _Opening(websocket.connect):
    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc  # following a redirect would send the token to any host that it names


async def _open(url: str, target: str, headers: Mapping[str, str], waits: Waits) -> websocket.ClientConnection:
    try:
        return await _Opening(
            target,
            additional_headers=headers,
            compression=None,
            proxy=None if is_loopback(urlsplit(target).hostname or "") else True,
            open_timeout=waits.open_seconds,
            close_timeout=waits.close_seconds,
            max_size=DONE_BYTES,
            ping_interval=PING_SECONDS,
            # A server that is behind reads no pings, which is not a failure.
            ping_timeout=None,
        )
    except InvalidStatus as refusal:
        answer = refusal.response
        location, retry_after = answer.headers.get("Location"), answer.headers.get("Retry-After")
        failure = failure_in(answer.body or b"")
        raise RefusedError(url, answer.status_code, failure, location, retry_after) from refusal
    except TimeoutError as late:
        raise UnreachableError(url, f"no answer within {waits.open_seconds:g} s") from late
    except ConnectionRefusedError as refused:
        raise UnreachableError(url, "nothing listens there") from refused
    except (OSError, UnicodeError, WebSocketException) as failed:
        raise UnreachableError(url, str(failed)) from failed


async def _close(socket: websocket.ClientConnection, waits: Waits) -> None:
    try:
        # The timeout of the library begins once there is room to write, which a hung server never makes.
        async with asyncio.timeout(waits.close_seconds):
            await socket.close()
    except TimeoutError:
        socket.transport.abort()
        await socket.wait_closed()


def bearer(token: str | None) -> dict[str, str]:
    """Return the header with a token; raises AddressError for an invalid one."""
    if token is None:
        return {}
    if not token.isascii() or not token.isprintable() or " " in token or not token:
        raise AddressError("the token holds white space or characters that no token has; copy it again")
    return {"Authorization": f"Bearer {token}"}


def failure_in(body: bytes) -> Failure | None:
    """Return the error message in the body of a refusal, None if it is not the protocol's."""
    try:
        return msgspec.json.decode(body, type=Failure)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _pairs(config: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for key, value in config.items():
        match value:
            case bool():
                yield key, str(value).lower()
            case str() | int() | float():
                yield key, str(value)
            case Sequence():
                for item in value:
                    yield from _pairs({key: item})
            case _:
                raise TypeError(f"{key} is {value!r}; a configuration holds strings, numbers, booleans and lists")
