"""Flow control of a connection: whether its socket is read, what was read and not parsed yet, and the half close."""

import asyncio
from collections.abc import Callable

from uvicorn.protocols.http.flow_control import FlowControl


class ParserFlow(FlowControl):
    """uvicorn's flow control, which pauses the parser instead of the socket.

    uvicorn pauses between two reads, and one read may hold thousands of requests. `resumed` is called when the parser
    may continue.
    """

    def __init__(self, transport: asyncio.Transport, resumed: Callable[[], None]) -> None:
        super().__init__(transport)
        self._resumed: Callable[[], None] | None = resumed

    def pause_reading(self) -> None:
        self.read_paused = True

    def resume_reading(self) -> None:
        if self.read_paused:
            self.read_paused = False
            if self._resumed is not None:
                self._resumed()

    def close(self) -> None:
        """Drop the reference to the connection; the cycle would otherwise wait for the garbage collector."""
        self._resumed = None


class Unparsed:
    """What was read of a socket and not parsed yet: one read at most, because reading is paused meanwhile."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._data = b""
        self._at = 0

    def __len__(self) -> int:
        return len(self._data) - self._at

    def push(self, data: bytes) -> None:
        """Append what was read."""
        self._data = self._data[self._at :] + data if len(self) else data
        self._at = 0

    def peek(self, most_bytes: int | None = None) -> bytes:
        """Return the next bytes, all of them unless bounded, without removing them."""
        return self._data[self._at : None if most_bytes is None else self._at + most_bytes]

    def take(self, most_bytes: int) -> bytes:
        """Remove and return the next bytes."""
        piece = self._data[self._at : self._at + most_bytes]
        self._at += len(piece)
        if not len(self):
            self.clear()
        return piece

    def clear(self) -> None:
        """Drop all of it."""
        self._data, self._at = b"", 0

    def set_reading(self, is_wanted: bool) -> None:
        """Read the socket, or leave the bytes to TCP, which then slows the peer down."""
        if self._transport.is_closing():
            return
        if is_wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()


def half_close(transport: asyncio.Transport) -> bool:
    """Close the sending direction only, so that the peer can read what was sent; False where that is not possible.

    A full close with unread data in the receive buffer would reset the connection (RFC 9293, 3.10.4), and the peer
    might lose what was sent last.
    """
    if not transport.can_write_eof():
        return False
    try:
        transport.write_eof()
    except OSError:  # the peer is gone already
        return False
    return True
