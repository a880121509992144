"""A channel that is published or read now: its lines in memory, its publishers, its readers."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain

from stream.channels.hls import CompleteSegments, playlist, segment, span_ms
from stream.channels.lines import Line, Lines
from stream.channels.writing import SHORTEST_MS, ChannelBody, channel_event, line_event
from stream.waiting import Changes
from web.channels.broadcast import Broadcast
from web.channels.peers import OVERLAP_MS, Change, RemotePublishers, lines_of
from web.channels.publishers import ChannelPublisher, PublisherState
from web.clock import Clock
from web.store.channels import Channel

# Unsettled text is sent so often, and less often where there are many readers: a fifth of the time is spent on it.
_PARTIAL_SECONDS = 0.1
_PARTIAL_SECONDS_OF_READER = 0.0002
# Readers that are at the same place are sent the same bytes; a larger piece is for late readers, each at its own place.
_MOST_SHARED_BYTES = 1 << 14
_MOST_SHARED = 64
_LINES_AT_ONCE = 64
# A line is shown that long after it was settled at the latest, whatever ails the database.
_STORE_SECONDS = 1.0


class LiveChannel:
    """One channel in the memory of this process. `clock` tells the time of day."""

    def __init__(
        self,
        channel: Channel,
        lines: Iterable[Line],
        *,
        clock: Clock,
        on_unsaved: Callable[[], None],
        on_unsent: Callable[[], None] | None = None,
    ) -> None:
        """`on_unsaved` is called when there is something to store, `on_unsent` for the other processes, if any."""
        self.channel = channel
        self.began_at = channel.began_at
        self.is_ended = channel.ended_at is not None
        """Whether the channel was ended or deleted."""
        self.revision = 0
        """Counts the changes of the channel that this process made."""
        self.has_numbers = False
        """Whether line numbers are reserved for this process."""
        self.users = 0
        """The connections that hold the channel in memory."""
        self.unsaved: dict[int, Line] = {}
        """Settled lines by number that have to be stored."""
        self.lines = Lines(lines, now_ms=self.now_ms)
        self.unsent: dict[int, Line] = {}
        """Changed lines by number that have to be sent to other processes."""
        self.is_unsent = False
        """Whether lines, or whether this process publishes, have to be sent to other processes."""
        self.stored_until = self.lines.last_change_id
        """The highest change id that was read from the tables."""
        self._on_unsent = on_unsent
        self._remote = RemotePublishers()
        self._saved = Changes()
        self._is_stored_in_time = True
        self._clock = clock
        self._on_unsaved = on_unsaved
        self.readers = Broadcast()
        """The connections that read events, at this process."""
        self._publishers: set[ChannelPublisher] = set()
        self._publishing: set[ChannelPublisher] = set()
        self._complete = CompleteSegments()
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
        """Whether a session that publishes has sent audio and is open, in this process or another."""
        return self.is_published or bool(self._remote)

    @property
    def is_published(self) -> bool:
        """Whether a session of this process publishes."""
        return bool(self._publishing)

    @property
    def publishers(self) -> list[PublisherState]:
        """How those who publish are now, in no order."""
        states = (publisher.state for publisher in self._publishing)
        return [state for state in states if state is not None]

    def clock_ms(self) -> int:
        """Return the time on the channel's clock in milliseconds, 0 before it begins."""
        return 0 if self.began_at is None else max(0, round((self._clock() - self.began_at) * 1000))

    # --- publishing ---

    def hold(self, publisher: ChannelPublisher) -> None:
        """Let a publisher take part in what changes, from before its first audio on."""
        self._publishers.add(publisher)

    def join(self, publisher: ChannelPublisher) -> int:
        """Add a publisher whose first audio is here; return the time on the channel's clock in milliseconds."""
        if self.began_at is None:
            self.began_at = self._clock()
            self._on_unsaved()
        self._publishing.add(publisher)
        self._signal_status()
        return self.clock_ms()

    def leave(self, publisher: ChannelPublisher) -> None:
        """Remove a publisher, if it was one."""
        self._publishers.discard(publisher)
        if publisher in self._publishing:
            self._publishing.discard(publisher)
            self._signal_status()

    def changed(self, lines: Iterable[Line]) -> None:
        """Send lines that changed here to the readers and to other processes, and settled ones to the database."""
        changed = list(lines)
        for line in changed:
            if line.is_settled:
                self.unsaved[line.number] = line
                self._on_unsaved()
        self.announce(changed)

    def announce(self, lines: Sequence[Line]) -> None:
        """Send lines that changed here to the readers and to other processes."""
        self._show(lines)
        if lines:
            self._send({line.number: line for line in lines})

    async def stored(self, lines: Sequence[Line]) -> None:
        """Wait until settled lines are in the database, for a second at most, and not while it was too slow before."""
        settled = [line for line in lines if line.is_settled]
        if not settled:
            return
        self.unsaved |= {line.number: line for line in settled}
        self._on_unsaved()
        if not self._is_stored_in_time:
            return
        try:
            async with asyncio.timeout(_STORE_SECONDS):
                await self._saved.wait_until(lambda: all(self.unsaved.get(one.number) is not one for one in settled))
        except TimeoutError:
            self._is_stored_in_time = False

    def receive(self, change: Change) -> None:
        """Take what another process sent."""
        was_live = self.is_live
        self._remote.receive(change, asyncio.get_running_loop().time())
        self.merge(lines_of(change))
        if self.is_live != was_live:
            self._status_id = self.lines.take_change_id()
            self._wake()

    def merge(self, lines: Iterable[Line]) -> None:
        """Show lines that other processes changed, unless a later change is known."""
        self._show([line for line in map(self.lines.merge, lines) if line is not None])

    def tidy(self) -> None:
        """Take back the unsettled lines of processes that publish no more."""
        was_live = self.is_live
        left = [self.lines.get(number) for number in self._remote.lost(asyncio.get_running_loop().time())]
        unsettled = [line for line in left if line is not None and not line.is_settled and not line.is_hidden]
        self._show([self.lines.put(replace(line, text="", is_hidden=True)) for line in unsettled])
        if self.is_live != was_live:
            self._status_id = self.lines.take_change_id()
            self._wake()

    def update(self, channel: Channel) -> None:
        """Take the channel as the tables have it now, for its publishers and readers."""
        before, self.channel = self.channel, channel
        if channel.began_at is not None:
            self.began_at = channel.began_at
        if replace(channel, began_at=before.began_at) == before:
            return
        self.is_ended = channel.ended_at is not None
        for publisher in list(self._publishers):
            publisher.pause(is_paused=channel.is_paused or self.is_ended)
            if channel.glossary != before.glossary:
                publisher.change_glossary(before.glossary, channel.glossary)
        self._signal_status()

    def _show(self, lines: Sequence[Line]) -> None:
        if any(line.is_settled or line.is_hidden for line in lines):
            self._wake()
        elif lines and self._partial_timer is None:
            seconds = max(_PARTIAL_SECONDS, _PARTIAL_SECONDS_OF_READER * len(self.readers))
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
        self._is_stored_in_time = True
        self._saved.signal()

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
        self._send({})

    def _send(self, lines: Mapping[int, Line]) -> None:
        """Let other processes know of lines, and whether this one publishes."""
        if self._on_unsent is not None:
            self.unsent |= lines
            self.is_unsent = True
            self._on_unsent()

    def _wake(self) -> None:
        if self._partial_timer is not None:
            self._partial_timer.cancel()
            self._partial_timer = None
        self.readers.wake()

    # --- reading ---

    @property
    def is_over(self) -> bool:
        """Whether readers get nothing more."""
        return self.is_ended or self._is_closing

    def status(self) -> bytes:
        """Return the event with the channel as it is now."""
        channel = self.channel
        return channel_event(
            ChannelBody(
                name=channel.name,
                title=channel.title,
                languages=channel.languages,
                live=self.is_live,
                paused=channel.is_paused,
            )
        )

    def beginning(self, cursor: int) -> Iterator[bytes]:
        """Return what a connection of a reader with everything up to `cursor` begins with, in pieces."""
        is_new = cursor == 0
        # Where several processes publish, what is stored a little late has a lower id than what a reader may have.
        since = cursor if self._on_unsent is None else max(0, cursor - OVERLAP_MS)
        missed = [line for line in self.lines.since(since) if not (is_new and line.is_hidden)]
        parts = (missed[first : first + _LINES_AT_ONCE] for first in range(0, len(missed), _LINES_AT_ONCE))
        return chain((self.status(),), (b"".join(line_event(line, is_new=is_new) for line in part) for part in parts))

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

    def playlist(self, query: str) -> Iterator[str]:
        """Yield the playlist for HLS, with `query` in the addresses of its segments."""
        return playlist(self._segments(), began_at=self.began_at, is_ended=self.is_ended, query=query)

    def segment(self, number: int) -> Iterator[str] | None:
        """Yield a segment of HLS; return None if it is not complete, or too old to have text."""
        if not 0 <= number < self._segments():
            return None
        start_ms, end_ms = span_ms(number)
        return segment(self.lines.spoken(after_ms=start_ms - SHORTEST_MS, before_ms=end_ms), number)

    def _segments(self) -> int:
        """Return how many segments of HLS are complete."""
        if self.is_ended:
            return self._complete.end(self.lines)
        settled_ms = [state.settled_ms for state in self.publishers]
        return self._complete.advance(self.clock_ms(), settled_ms, self.lines.open_from_ms())
