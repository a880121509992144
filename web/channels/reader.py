"""A connection that reads a channel."""

import asyncio
from collections.abc import Iterator

from stream.channels.writing import HEARTBEAT, end_event
from web.channels.live_channel import LiveChannel
from web.routes.streaming import Outlet

# Proxies commonly close a connection on which nothing was sent for a minute.
_HEARTBEAT_SECONDS = 15.0
_FAR_FUTURE_MS = 60_000


class Reader:
    """One connection that reads a channel; its place is the id of the last change that it was sent.

    It has no task: it is woken with each change, and when its client has caught up.
    """

    __slots__ = ("_beginning", "_cursor", "_live", "_outlet", "_timer", "_written_at", "is_due")

    def __init__(self, live: LiveChannel, last_event_id: int = 0) -> None:
        """The reader has everything up to an event, 0 for nothing; it is one of the channel's until it is closed."""
        self._live = live
        # An id from the future is from a server whose clock was wrong; the reader gets everything.
        is_known = last_event_id <= live.now_ms() + _FAR_FUTURE_MS
        self._cursor = last_event_id if is_known else 0
        self._outlet: Outlet | None = None
        self._beginning: Iterator[bytes] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._written_at = 0.0
        self.is_due = False
        live.readers.add(self)

    def begin(self, outlet: Outlet) -> None:
        """Send what there is, and then what comes, until the channel or the connection ends."""
        self._outlet = outlet
        self._beginning = self._live.beginning(self._cursor)
        self._cursor = self._live.lines.last_change_id
        self._written_at = asyncio.get_running_loop().time()
        self._beat()
        self._go_on()

    def wake(self) -> None:
        """Send what has changed, unless the client is behind."""
        outlet, live = self._outlet, self._live
        if outlet is None or self._beginning is not None or outlet.is_full:
            return
        if live.lines.last_change_id > self._cursor:
            events, self._cursor = live.after(self._cursor), live.lines.last_change_id
            if events:
                self._write(outlet, events)
        if live.is_over:
            if live.is_ended:
                outlet.write(end_event())
            self.closed()
            outlet.end()

    def drained(self) -> None:
        """The client has caught up."""
        if self._beginning is not None:
            self._go_on()
        else:
            self.wake()

    def closed(self) -> None:
        """The connection is gone."""
        self._live.readers.discard(self)
        self._outlet = self._beginning = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _go_on(self) -> None:
        """Send a piece of the beginning; other connections have their turns in between."""
        outlet = self._outlet
        if outlet is None or self._beginning is None or outlet.is_full:
            return
        piece = next(self._beginning, None)
        if piece is None:
            self._beginning = None
            self.wake()
            return
        self._write(outlet, piece)
        asyncio.get_running_loop().call_soon(self._go_on)

    def _write(self, outlet: Outlet, piece: bytes) -> None:
        outlet.write(piece)
        self._written_at = asyncio.get_running_loop().time()

    def _beat(self) -> None:
        """Send a comment when nothing was sent for a quarter of a minute."""
        loop, outlet = asyncio.get_running_loop(), self._outlet
        if outlet is None:
            return
        if loop.time() >= self._written_at + _HEARTBEAT_SECONDS:
            if not outlet.is_full:
                outlet.write(HEARTBEAT)
            self._written_at = loop.time()
        self._timer = loop.call_at(self._written_at + _HEARTBEAT_SECONDS, self._beat)
