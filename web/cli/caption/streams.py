"""Live streams by their address, by FFmpeg: RTMP, RTSP, HLS, HTTP and Icecast, RTP and MPEG-TS over UDP, pipes."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import av
import av.error

from stream.backoff import Backoff
from vad import SAMPLE_BYTES, SAMPLE_RATE

_PROTOCOLS = "http,https,httpproxy,tls,tcp,udp,rtp,rtmp,rtmpe,rtmps,rtmpt,rtmpts,rtsp,rtsps,srt,crypto,data,pipe"
_OPTIONS = {
    # A playlist from the network must not name files of this machine.
    "protocol_whitelist": _PROTOCOLS,
    "rtsp_transport": "tcp",
    # What comes too fast for a moment is dropped by UDP, not an error.
    "overrun_nonfatal": "1",
    "fifo_size": "100000",
}
PIPE, _STANDARD_INPUT = "-", "pipe:0"
_OPEN_SECONDS, _READ_SECONDS = 15.0, 10.0
# So many pieces wait for whoever takes them, a few seconds of sound; then the stream is not read on.
_MOST_PIECES = 64
_BACKOFF = Backoff(first_seconds=0.5, longest_seconds=15.0)
_HOPELESS = (av.error.ProtocolNotFoundError, av.error.InvalidDataError)


class StreamError(Exception):
    """A stream cannot be used, however often it is tried; `str()` is the reason and what to do."""


class LiveStream:
    """A live stream, which is opened again each time that it breaks off.

    `report` is called with a sentence for people when that happens, and when it is back.
    """

    def __init__(self, address: str, report: Callable[[str], None]) -> None:
        self.name = "the pipe" if address == PIPE else shown_address(address)
        self._address = _STANDARD_INPUT if address == PIPE else address
        self._is_pipe = address == PIPE
        self._report = report

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield `int16[n_samples]` at 16 kHz as it comes; only a pipe, or a stream with a length, ends.

        Raises StreamError. Leave early only inside `contextlib.aclosing`.
        """
        failures = 0
        while True:
            reading = _Reading(self._address)
            is_broken = failures > 0
            try:
                async for piece in reading.pieces():
                    if is_broken:
                        self._report(f"{self.name} is back")
                    is_broken, failures = False, 0
                    yield piece
            except av.FFmpegError as failed:
                reason = (failed.strerror or str(failed)).lower()
                if isinstance(failed, _HOPELESS) and not reading.has_begun:
                    raise StreamError(_hopeless(self.name, self._address, reason)) from failed
            else:
                if self._is_pipe or reading.has_length:
                    return
                reason = "it ended"
            if failures == 0:
                self._report(f"{self.name} gives no sound ({reason}); trying again")
            await asyncio.sleep(_BACKOFF.delay_seconds(failures))
            failures += 1


def shown_address(address: str) -> str:
    """Return an address without what may be secret: the key of an RTMP stream, a password, a query."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"


class _Reading:
    """One opening of a stream, read in a thread: FFmpeg waits for the network."""

    def __init__(self, address: str) -> None:
        self.has_begun = False
        self.has_length = False
        self._address = address
        self._pieces: asyncio.Queue[bytes | BaseException | None] = asyncio.Queue(_MOST_PIECES)
        self._room = threading.Semaphore(_MOST_PIECES)
        self._loop = asyncio.get_running_loop()
        self._is_left = threading.Event()

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield the sound until the stream ends; raises FFmpegError."""
        # FFmpeg gives up waiting after seconds; a thread that nobody needs any more must not hold up the program.
        threading.Thread(target=self._run, name="stream", daemon=True).start()
        try:
            while (piece := await self._pieces.get()) is not None:
                self._room.release()
                if isinstance(piece, BaseException):
                    raise piece
                yield piece
        finally:
            self._is_left.set()
            while not self._pieces.empty():
                self._pieces.get_nowait()

    def _run(self) -> None:
        end: BaseException | None = None
        try:
            for piece in self._decoded():
                self._put(piece)
        except Exception as error:  # raised again where the pieces are taken
            end = error
        # A loop that has ended takes nothing.
        with suppress(RuntimeError):
            self._put(end)

    def _put(self, piece: bytes | BaseException | None) -> None:
        """Hand a piece over, and wait for room."""
        while not self._room.acquire(timeout=_READ_SECONDS / 10):
            if self._is_left.is_set():
                return
        # Not a coroutine, which a loop that ends meanwhile would never await.
        self._loop.call_soon_threadsafe(self._pieces.put_nowait, piece)

    def _decoded(self) -> Iterator[bytes]:
        # Whoever writes into a pipe may take a break.
        timeout = None if self._address == _STANDARD_INPUT else (_OPEN_SECONDS, _READ_SECONDS)
        with av.open(self._address, timeout=timeout, options=_OPTIONS) as container:
            sound = next(iter(container.streams.audio), None)
            if sound is None:
                raise StreamError(f"{shown_address(self._address)} has no sound")
            self.has_length = container.duration is not None
            resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE)
            for packet in container.demux(sound):
                # A damaged packet is a moment without sound.
                with suppress(av.error.InvalidDataError):
                    for frame in packet.decode():
                        for resampled in resampler.resample(frame):
                            self.has_begun = True
                            yield bytes(resampled.planes[0])[: resampled.samples * SAMPLE_BYTES]
                if self._is_left.is_set():
                    return


def _hopeless(name: str, address: str, reason: str) -> str:
    if urlsplit(address).scheme == "srt":
        return (
            f"{name} cannot be read: the FFmpeg of this installation has no SRT; pipe it: "
            "ffmpeg -i srt://... -f wav - | niyosha caption - --channel NAME"
        )
    return f"{name} cannot be read ({reason}); give the address of a stream with sound"
