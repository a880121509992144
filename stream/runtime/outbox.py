"""The events that wait to be sent to a client: bounded, of unsettled text the newest only, nothing settled dropped."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from stream.session.commands import Reply
from stream.session.events import ClientEvent, Settled, Unsettled

# A reader this far behind is not reading; every utterance needs one place for its text and one for its end.
MOST_WAITING = 64


class Outbox:
    """A queue of events, and of replies of the protocol, for one client.

    An unsettled hypothesis replaces an older one of its utterance that still waits, and gives way to the
    settled one, so that a slow reader costs freshness and never text.
    """

    def __init__(self) -> None:
        self._waiting: deque[ClientEvent | Reply] = deque()
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        return len(self._waiting) >= MOST_WAITING

    def put(self, event: ClientEvent | Reply) -> None:
        """Add an event; the caller reads no more audio while `is_full`."""
        if isinstance(event, Unsettled | Settled):
            stale = [e for e in self._waiting if isinstance(e, Unsettled) and e.utterance_id == event.utterance_id]
            for waiting in stale:
                self._waiting.remove(waiting)
            if isinstance(event, Unsettled) and event.is_repeated and not all(e.is_repeated for e in stale):
                event = replace(event, is_repeated=False)
        self._waiting.append(event)
        self._changed.set()

    async def get(self) -> ClientEvent | Reply:
        """Wait for the next event or reply."""
        await self._until(lambda: bool(self._waiting))
        event = self._waiting.popleft()
        self._changed.set()
        return event

    async def room(self) -> None:
        """Wait until there is room."""
        await self._until(lambda: not self.is_full)

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._changed.clear()
            await self._changed.wait()
