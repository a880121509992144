"""A connection that reads a channel."""

import asyncio
from collections.abc import AsyncGenerator

from stream.channels.writing import HEARTBEAT, end_event
from web.channels.live_channel import LiveChannel

# Proxies commonly close a connection on which nothing was sent for a minute.
_HEARTBEAT_SECONDS = 15.0
_FAR_FUTURE_MS = 60_000


class Reader:
    """One connection that reads a channel; its place is the id of the last change that it was sent."""

    def __init__(self, live: LiveChannel, last_event_id: int = 0) -> None:
        """The reader has everything up to an event, 0 for nothing."""
        self._live = live
        # An id from the future is from a server whose clock was wrong; the reader gets everything.
        is_known = last_event_id <= live.now_ms() + _FAR_FUTURE_MS
        self._cursor = last_event_id if is_known else 0
        self._waiting: asyncio.Future[bool] | None = None
        self._has_left = False

    def leave(self) -> None:
        """End the pieces: the client is gone."""
        self._has_left = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(True)

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield events as they come, and a comment after a quarter of a minute without any, until the end."""
        live = self._live
        pieces = live.beginning(self._cursor)
        self._cursor = live.lines.last_change_id
        for piece in pieces:
            yield piece
        while not (live.is_over or self._has_left):
            if live.lines.last_change_id > self._cursor:
                events, self._cursor = live.after(self._cursor), live.lines.last_change_id
            else:
                events = await self._next()
            if events:
                yield events
        if live.is_ended and not self._has_left:
            yield end_event()

    async def _next(self) -> bytes:
        """Wait for the next change; return a comment if there is none for long."""
        self._waiting = waiting = self._live.next_change()
        timer = asyncio.get_running_loop().call_later(_HEARTBEAT_SECONDS, _give_up, waiting)
        try:
            return b"" if await waiting else HEARTBEAT
        finally:
            timer.cancel()


def _give_up(waiting: asyncio.Future[bool]) -> None:
    if not waiting.done():
        waiting.set_result(False)
