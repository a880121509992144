"""A TCP connection that carries Wyoming's events: whole ones in, whole ones out, and a gentle end."""

import asyncio
import contextlib

from stream.protocols.protocol import Message
from stream.protocols.wyoming.framing import EventSplitter
from stream.session.events import EndCause
from web.live.wire import WireLostError

READ_BYTES = 64 * 1024
"""The most that is read at once; as much again may wait in asyncio's buffer before TCP slows the client down."""


class EventWire:
    """The wire of a connection that has one session after the other, if each ends as its client wants it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, most_payload_bytes: int) -> None:
        self.goes_on = False
        self._reader = reader
        self._writer = writer
        self._splitter = EventSplitter(most_payload_bytes)
        self._next: bytes | None = None

    def begin(self, first: bytes | None) -> None:
        """Begin a session, which receives the event `first`, if there is one, before all others."""
        self.goes_on = False
        self._next = first

    async def receive(self) -> Message | None:
        """Wait for the next whole event; raises ClientError for what is none, after which nothing can follow."""
        event, self._next = self._next, None
        while event is None:
            event = self._splitter.take()
            if event is None:
                try:
                    data = await self._reader.read(READ_BYTES)
                except ConnectionError:
                    return None
                if not data:
                    return None
                self._splitter.push(data)
        return event

    async def send(self, message: Message) -> None:
        assert isinstance(message, bytes)  # noqa: S101
        try:
            self._writer.write(message)
            await self._writer.drain()
        except ConnectionError:
            raise WireLostError from None

    async def close(self, code: int, reason: str) -> None:
        """End the session; the connection goes on if its client ended the audio."""
        self.goes_on = reason == EndCause.CLOSE.value

    async def linger(self, seconds: float) -> None:
        """Close this side, and read until the client closes its own, for so long at most.

        A connection that is closed with bytes unread is reset, and its client may lose what was sent last.
        """
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(seconds):
                self._writer.write_eof()
                while await self._reader.read(READ_BYTES):
                    pass

    def abort(self) -> None:
        """Close the connection now."""
        self._writer.transport.abort()
