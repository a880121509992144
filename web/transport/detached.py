"""An answer that goes on without a task: a connection of which only the sending side is used any more."""

import asyncio
from collections.abc import Callable

from web.transport.flow import ParserFlow


class DetachedAnswer:
    """Sends the rest of an answer to one client."""

    __slots__ = ("_close", "_flow", "_is_chunked", "_transport")

    def __init__(
        self, transport: asyncio.Transport, flow: ParserFlow, *, is_chunked: bool, close: Callable[[], None]
    ) -> None:
        self._transport = transport
        self._flow = flow
        self._is_chunked = is_chunked
        self._close = close

    @property
    def is_full(self) -> bool:
        """Whether the client is behind."""
        return bool(self._flow.write_paused)

    def write(self, piece: bytes) -> None:
        """Send a piece."""
        if not self._transport.is_closing():
            self._transport.write(b"%x\r\n%b\r\n" % (len(piece), piece) if self._is_chunked else piece)

    def end(self) -> None:
        """End the answer, and close the connection once the client has it."""
        if self._is_chunked and not self._transport.is_closing():
            self._transport.write(b"0\r\n\r\n")
        self._close()


class _NoEvent:
    """An event that nobody waits for."""

    def set(self) -> None:
        """Do nothing."""


class DetachedCycle:
    """Stands for the request of a detached answer; it holds nothing, so that all connections share one."""

    response_started = True
    response_complete = False
    disconnected = False
    keep_alive = False
    message_event = _NoEvent()


DETACHED_CYCLE = DetachedCycle()
