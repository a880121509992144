"""One stream of a load, over a live WebSocket or over Riva's gRPC, and what is measured of it."""

import asyncio
import base64
import os
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, cast
from urllib.parse import urlsplit

import grpc
import msgspec
from riva.client.proto import riva_asr_pb2 as pb
from riva.client.proto import riva_asr_pb2_grpc

from bench.load.sound import CHUNK_SECONDS
from stream.client.live import bearer, live_url
from vad import SAMPLE_RATE

OPEN_SECONDS = 30.0
_FINISH_SECONDS = 30.0
_TEXT, _CLOSE, _PING, _PONG = 0x1, 0x8, 0x9, 0xA
_SHORT, _LONG = 126, 127
_NO_MASK = bytes(4)


class RefusedStreamError(Exception):
    """The server did not open a stream; `str()` is its answer."""


@dataclass(slots=True)
class Watch:
    """What one stream sent and received; times are seconds of `time.perf_counter`.

    A chunk is answered by the first message about its end. Latencies count from when the chunk was due, so that a load
    that is late itself is not taken for a fast server.
    """

    is_counted: bool = False
    chunks: int = 0
    latencies: list[float] = field(default_factory=list)
    final_latencies: list[float] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    spoken: list[str] = field(default_factory=list)
    """The texts of the clips that were said, whole."""
    is_lost: bool = False
    _due: list[float] = field(default_factory=list)
    _answered: int = 0

    def send(self, due: float) -> None:
        """Note a chunk that is sent now and was due at that time."""
        self._due.append(due)
        self.chunks += self.is_counted

    def answer(self, audio_seconds: float) -> None:
        """Note a message about so much audio."""
        chunks = min(round(audio_seconds / CHUNK_SECONDS + 0.499), len(self._due))
        if self._answered < chunks:
            self._answered = chunks
            if self.is_counted:
                self.latencies.append(time.perf_counter() - self._due[chunks - 1])

    def settle(self, text: str) -> None:
        """Note settled text, and how long after the last chunk that was due it came."""
        self.texts.append(text)
        if self.is_counted and self._due:
            self.final_latencies.append(time.perf_counter() - self._due[-1])


class Stream(Protocol):
    """A stream of a load."""

    watch: Watch

    async def open(self) -> None:
        """Connect; raises RefusedStreamError, OSError or TimeoutError."""

    def send(self, chunk: bytes, due: float) -> None:
        """Send a chunk that was due at that time, without waiting."""

    async def finish(self) -> None:
        """End the audio, and wait for the rest of the text."""

    def abort(self) -> None:
        """Break the connection off."""


Opener = Callable[[], Stream]


class _Word(msgspec.Struct, rename="camel"):
    end_time: float = 0.0


class _Result(msgspec.Struct):
    transcript: str = ""
    words: list[_Word] = []


class _Message(msgspec.Struct):
    status: str = ""
    duration: float = 0.0
    results: list[_Result] = []


_MESSAGES = msgspec.json.Decoder(_Message)


class LiveStream(asyncio.Protocol):
    """A live connection over a bare WebSocket, so that the load costs little beside what is measured."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.watch = Watch()
        self._address = urlsplit(live_url(url, "audioTransfer=raw"))
        self._headers = bearer(token)
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = loop.create_future()
        self._ended: asyncio.Future[None] = loop.create_future()

    async def open(self) -> None:
        """Connect and upgrade."""
        address = self._address
        is_encrypted = address.scheme == "wss"
        context = ssl.create_default_context() if is_encrypted else None
        port = address.port or (443 if is_encrypted else 80)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(OPEN_SECONDS):
            await loop.create_connection(lambda: self, str(address.hostname), port, ssl=context)
            await self._opened

    def send(self, chunk: bytes, due: float) -> None:
        """Send a chunk as one message, with a mask of zeros."""
        if self._transport is not None and not self._ended.done():
            self._transport.write(b"\x82\xfe" + len(chunk).to_bytes(2, "big") + _NO_MASK + chunk)
            self.watch.send(due)

    async def finish(self) -> None:
        """Send `close`, and wait for the end of the connection."""
        self._frame(_TEXT, b"close")
        async with asyncio.timeout(_FINISH_SECONDS):
            await self._ended

    def abort(self) -> None:
        """Break the connection off."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own does not inherit from it
        headers = {
            "Host": self._address.netloc,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            **self._headers,
        }
        lines = [f"GET {self._address.path}?{self._address.query} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._transport.write("\r\n".join([*lines, "", ""]).encode())

    def data_received(self, data: bytes) -> None:
        """Read the answer to the upgrade, then messages."""
        self._received += data
        if not self._opened.done() and not self._read_head():
            return
        while self._read_frame():
            pass

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        del exc
        if not self._opened.done():
            self._opened.set_exception(RefusedStreamError("the connection broke off before it was open"))
        if not self._ended.done():
            self.watch.is_lost = True
            self._ended.set_result(None)

    def _read_head(self) -> bool:
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return False
        if head.startswith(b"HTTP/1.1 101"):
            self._received = rest
            self._opened.set_result(None)
            return True
        self._opened.set_exception(RefusedStreamError(f"{head[9:40].decode(errors='replace').splitlines()[0]}"))
        self.abort()
        return False

    def _read_frame(self) -> bool:
        """Read one whole frame; a server sends each message in one, without a mask."""
        received = self._received
        if len(received) < 2:
            return False
        length, start = received[1] & 0x7F, 2
        if length >= _SHORT:
            start = 4 if length == _SHORT else 10
            length = int.from_bytes(received[2:start], "big")
        if len(received) < start + length:
            return False
        kind, payload = received[0] & 0x0F, bytes(received[start : start + length])
        del received[: start + length]
        match kind:
            case 0x1:
                self._read_message(payload)
            case 0x9:
                self._frame(_PONG, payload)
            case 0x8:
                self._frame(_CLOSE, payload)
                if not self._ended.done():
                    self._ended.set_result(None)
        return True

    def _read_message(self, payload: bytes) -> None:
        message = _MESSAGES.decode(payload)
        if message.status != "partial":
            return
        self.watch.answer(message.duration)
        best = message.results[0] if message.results else _Result()
        if best.words and best.words[-1].end_time > 0:
            self.watch.settle(best.transcript)

    def _frame(self, kind: int, payload: bytes) -> None:
        if self._transport is not None:
            self._transport.write(bytes([0x80 | kind, 0x80 | len(payload)]) + _NO_MASK + payload)


class RivaStream:
    """A stream straight to a Riva server, as its own clients open it."""

    def __init__(self, channel: grpc.aio.Channel, language_code: str = "en-US") -> None:
        self.watch = Watch()
        self._call = riva_asr_pb2_grpc.RivaSpeechRecognitionStub(channel).StreamingRecognize()
        self._language_code = language_code
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue(10_000)
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Send the configuration."""
        config = pb.RecognitionConfig(
            language_code=self._language_code,
            sample_rate_hertz=SAMPLE_RATE,
            encoding="LINEAR_PCM",
            enable_automatic_punctuation=True,
        )
        streaming = pb.StreamingRecognitionConfig(config=config, interim_results=True)
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await self._call.write(pb.StreamingRecognizeRequest(streaming_config=streaming))
        except grpc.aio.AioRpcError as refused:
            raise RefusedStreamError(f"{refused.code().name}: {refused.details()}") from refused
        self._tasks = [asyncio.create_task(self._write()), asyncio.create_task(self._read())]

    def send(self, chunk: bytes, due: float) -> None:
        """Send a chunk when what was sent before is written."""
        self._chunks.put_nowait(chunk)
        self.watch.send(due)

    async def finish(self) -> None:
        """Half-close, and wait for the rest."""
        self._chunks.put_nowait(None)
        async with asyncio.timeout(_FINISH_SECONDS):
            await asyncio.gather(*self._tasks)

    def abort(self) -> None:
        """Cancel the call."""
        self._call.cancel()
        for task in self._tasks:
            task.cancel()

    async def _write(self) -> None:
        try:
            while (chunk := await self._chunks.get()) is not None:
                await self._call.write(pb.StreamingRecognizeRequest(audio_content=chunk))
            await self._call.done_writing()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            self.watch.is_lost = True

    async def _read(self) -> None:
        try:
            while (response := await self._call.read()) is not grpc.aio.EOF:
                for result in response.results:
                    self.watch.answer(result.audio_processed)
                    if result.is_final and result.alternatives:
                        self.watch.settle(result.alternatives[0].transcript)
        except grpc.aio.AioRpcError:
            self.watch.is_lost = True
