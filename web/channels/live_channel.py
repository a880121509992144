"""A channel that is published or read now: its lines in memory, its publishers, its readers."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence

from stream.channels.lines import Line, Lines
from stream.channels.writing import ChannelBody, channel_event, line_event
from web.channels.broadcast import Broadcast
from web.clock import Clock
from web.store.channels import Channel

# Unsettled text is sent so often, and less often where there are many readers: a fifth of the time is spent on it.
_PARTIAL_SECONDS = 0.1
_PARTIAL_SECONDS_OF_READER = 0.0002
# Readers that are at the same place are sent the same bytes; a larger piece is for late readers, each at its own place.
_MOST_SHARED_BYTES = 1 << 14
_MOST_SHARED = 64
_LINES_AT_ONCE = 64


class LiveChannel:
    """One channel in the memory of this process. `clock` tells the time of day."""

    def __init__(
        self, channel: Channel, lines: Iterable[Line], *, clock: Clock, on_unsaved: Callable[[], None]
    ) -> None:
        """`on_unsaved` is called when there is something to store."""
        self.channel = channel
        self.began_at = channel.began_at
        self.is_ended = False
        self.has_numbers = False
        """Whether line numbers are reserved for this process."""
        self.users = 0
        """The connections that hold the channel in memory."""
        self.unsaved: dict[int, Line] = {}
        """Settled lines by number that have to be stored."""
        self.lines = Lines(lines, now_ms=self.now_ms)
        self._clock = clock
        self._on_unsaved = on_unsaved
        self._readers = Broadcast()
        self._publishing: set[object] = set()
        self._is_closing = False
        self._status_id = 0
        self._partial_timer: asyncio.TimerHandle | None = None
        self._shared: dict[int, bytes] = {}
        self._shared_id = 0

    def now_ms(self) -> int:
        """Return the time of day in milliseconds since 1970."""
        return int(self._clock() * 1000)

    @property
    def is_live(self) -> bool:
        """Whether a session that publishes has sent audio and is open."""
        return bool(self._publishing)

    # --- publishing ---

    def join(self, publisher: object) -> int:
        """Add a publisher whose first audio is here; return the time on the channel's clock in milliseconds."""
        if self.began_at is None:
            self.began_at = self._clock()
            self._on_unsaved()
        self._publishing.add(publisher)
        self._signal_status()
        return max(0, round((self._clock() - self.began_at) * 1000))

    def leave(self, publisher: object) -> None:
        """Remove a publisher, if it was one."""
        if publisher in self._publishing:
            self._publishing.discard(publisher)
            self._signal_status()

    def changed(self, lines: Iterable[Line]) -> None:
        """Send lines that were put to the readers, and settled ones to the database."""
        is_any, is_urgent = False, False
        for line in lines:
            is_any = True
            is_urgent = is_urgent or line.is_settled or line.is_hidden
            if line.is_settled:
                self.unsaved[line.number] = line
                self._on_unsaved()
        if is_urgent:
            self._wake()
        elif is_any and self._partial_timer is None:
            seconds = max(_PARTIAL_SECONDS, _PARTIAL_SECONDS_OF_READER * len(self._readers))
            self._partial_timer = asyncio.get_running_loop().call_later(seconds, self._wake)

    def correct(self, number: int, *, text: str | None, is_hidden: bool | None) -> Line | None:
        """Correct or hide a settled line for all readers; return None if there is no such line."""
        line = self.lines.corrected(number, text=text, is_hidden=is_hidden)
        if line is not None:
            self.changed((line,))
        return line

    def saved(self, lines: Sequence[Line]) -> None:
        """Mark lines as stored, unless they have changed again."""
        for line in lines:
            if self.unsaved.get(line.number) is line:
                del self.unsaved[line.number]

    def end(self) -> None:
        """End all readers: the channel was deleted."""
        self.is_ended = True
        self.unsaved.clear()
        self._wake()

    def close(self) -> None:
        """Close the connections of all readers, which come again: the server stops."""
        self._is_closing = True
        self._wake()

    def _signal_status(self) -> None:
        self._status_id = self.lines.take_change_id()
        self._wake()

    def _wake(self) -> None:
        if self._partial_timer is not None:
            self._partial_timer.cancel()
            self._partial_timer = None
        self._readers.wake()

    # --- reading ---

    @property
    def is_over(self) -> bool:
        """Whether readers get nothing more."""
        return self.is_ended or self._is_closing

    def next_change(self) -> asyncio.Future[bool]:
        """Return a future that the next change sets to True."""
        return self._readers.wait()

    def status(self) -> bytes:
        """Return the event with the channel as it is now."""
        channel = self.channel
        return channel_event(
            ChannelBody(name=channel.name, title=channel.title, languages=channel.languages, live=self.is_live)
        )

    def beginning(self, cursor: int) -> Iterator[bytes]:
        """Yield what a connection of a reader with everything up to `cursor` begins with, in pieces."""
        yield self.status()
        is_new = cursor == 0
        missed = [line for line in self.lines.since(cursor) if not (is_new and line.is_hidden)]
        for first in range(0, len(missed), _LINES_AT_ONCE):
            some = missed[first : first + _LINES_AT_ONCE]
            yield b"".join(line_event(line, is_new=is_new) for line in some)

    def after(self, cursor: int) -> bytes:
        """Return the events after `cursor`; readers at the same place share them."""
        if self._shared_id != self.lines.last_change_id:
            self._shared_id = self.lines.last_change_id
            self._shared.clear()
        events = self._shared.get(cursor)
        if events is None:
            status = self.status() if self._status_id > cursor else b""
            events = status + b"".join(line_event(line, is_new=False) for line in self.lines.after(cursor))
            if len(self._shared) < _MOST_SHARED and len(events) <= _MOST_SHARED_BYTES:
                self._shared[cursor] = events
        return events
