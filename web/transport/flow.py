"""The flow of an HTTP connection: whether its socket is read, and what was read before it could be parsed."""

import asyncio
from collections.abc import Callable

from uvicorn.protocols.http.flow_control import FlowControl


class Flow(FlowControl):
    """uvicorn's flow control, which pauses the parser instead of the socket.

    uvicorn pauses between two reads; one read may hold thousands of requests. `resumed` is called when the parser may
    go on.
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
        """Forget the connection, which without this only the garbage collector would free."""
        self._resumed = None


class Unparsed:
    """What was read of a socket and not parsed yet: one read at most, because the socket is paused meanwhile."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._data = b""
        self._at = 0
        self._is_reading = True

    def __len__(self) -> int:
        return len(self._data) - self._at

    def push(self, data: bytes) -> None:
        """Add what was read."""
        self._data = self._data[self._at :] + data if len(self) else data
        self._at = 0

    def take(self, most_bytes: int) -> bytes:
        """Return the next bytes, and forget them."""
        piece = self._data[self._at : self._at + most_bytes]
        self._at += len(piece)
        if not len(self):
            self.clear()
        return piece

    def clear(self) -> None:
        """Forget all of it."""
        self._data, self._at = b"", 0

    def set_reading(self, is_wanted: bool) -> None:
        """Read the socket, or leave what comes to TCP."""
        if is_wanted is self._is_reading or self._transport.is_closing():
            return
        self._is_reading = is_wanted
        if is_wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()
