"""The channels of this process, loaded while somebody publishes or reads them."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import structlog

from stream.channels.lines import Line
from stream.errors import ClientError, Problem, quoted
from web.channels.live_channel import LiveChannel
from web.channels.peers import BEAT_SECONDS, OVERLAP_MS, Change, read, written
from web.channels.publisher import Publisher
from web.clock import Clock
from web.relay.relay import Relay
from web.store.channels import Channel, Channels
from web.store.database.unavailable import DatabaseUnavailableError
from web.tasks import running_task

_RETRY_SECONDS = 1.0
_STOP_SECONDS = 5.0
# How often text that is kept no longer is dropped, and channels that nobody uses.
_TIDY_SECONDS = 60.0
# Changes are sent to other processes so often.
_SEND_SECONDS = 0.1
# A line that waited longer for the database gets a new change id: other processes may look no further back.
_LATE_MS = OVERLAP_MS // 2
_TOPIC = "channel"
_log = structlog.get_logger()


class UnknownChannelError(ClientError):
    """There is no channel of this name, or not for this caller."""

    def __init__(self, name: str) -> None:
        super().__init__(Problem.NOT_FOUND, f"there is no channel {quoted(name)}")


class ChannelHub:
    """Holds channels in memory, and stores their settled lines beside the publishers.

    With a `relay` other processes publish and read the same channels: what changes is sent to them at once, and read
    from the tables every second, which are the record.
    """

    def __init__(self, store: Channels, *, clock: Clock, relay: Relay | None = None) -> None:
        self._store = store
        self._relay = relay
        self._id = secrets.token_hex(8)
        self._unsent = asyncio.Event()
        if relay is not None:
            relay.subscribe(_TOPIC, self._receive)
        self._clock = clock
        self._live: dict[str, LiveChannel] = {}
        self._loading = asyncio.Lock()
        self._unsaved = asyncio.Event()
        self._is_closing = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Store lines until the context ends, and then those that are left, for 5 s at most."""
        async with AsyncExitStack() as tasks:
            await tasks.enter_async_context(running_task(self._store_lines()))
            await tasks.enter_async_context(running_task(self._tidy()))
            if self._relay is not None:
                await tasks.enter_async_context(running_task(self._send_changes(self._relay)))
                await tasks.enter_async_context(running_task(self._follow(self._relay)))
            yield
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._store_all()
        except (TimeoutError, DatabaseUnavailableError):
            _log.error("lines_not_stored", lines=sum(len(live.unsaved) for live in self._live.values()))

    @asynccontextmanager
    async def holding(self, name: str) -> AsyncIterator[LiveChannel]:
        """Hold a channel in memory while the context lasts; raises ClientError if there is none of this name."""
        live = self._live.get(name)
        if live is None:
            async with self._loading:
                live = self._live.get(name) or await self._load(name)
        live.users += 1
        try:
            yield live
        finally:
            live.users -= 1

    @asynccontextmanager
    async def publishing(self, name: str, owner: str, *, transcription_id: str, label: str) -> AsyncIterator[Publisher]:
        """Let a session of the channel's owner publish while the context lasts; raises ClientError."""
        async with self.holding(name) as live:
            if live.channel.owner != owner:
                raise UnknownChannelError(name)
            if live.is_ended:
                raise ClientError(Problem.CONFLICT, f"the channel {quoted(name)} has ended")
            if not live.has_numbers:
                first_number = await self._store.reserve(name)
                if first_number is None:
                    raise UnknownChannelError(name)
                if not live.has_numbers:
                    live.lines.number_from(first_number)
                    live.has_numbers = True
            publisher = Publisher(live, transcription_id=transcription_id, label=label)
            try:
                yield publisher
            finally:
                publisher.close()

    async def change(self, name: str, owner: str, values: Mapping[str, object]) -> Channel:
        """Change a channel of the owner for those who publish and read; raises ClientError if there is none."""
        channel = await self._store.change(name, owner, values)
        if channel is None:
            raise UnknownChannelError(name)
        live = self._live.get(name)
        if live is not None:
            live.revision += 1
            live.update(channel)
        return channel

    async def delete(self, name: str, owner: str) -> None:
        """Delete a channel of the owner with its text, and end its readers; raises ClientError if there is none."""
        if not await self._store.delete(name, owner):
            raise UnknownChannelError(name)
        self._end(name)
        if self._relay is not None:
            self._send(self._relay, Change(self._id, name, is_live=False, is_ended=True))

    def close_readers(self) -> None:
        """Close the connections of all readers, now and later: the server stops."""
        self._is_closing = True
        for live in self._live.values():
            live.close()

    async def _load(self, name: str) -> LiveChannel:
        channel = await self._store.get(name)
        if channel is None:
            raise UnknownChannelError(name)
        lines = await self._store.lines(channel)
        on_unsent = None if self._relay is None else self._unsent.set
        live = LiveChannel(channel, lines, clock=self._clock, on_unsaved=self._unsaved.set, on_unsent=on_unsent)
        if self._is_closing:
            live.close()
        self._live[name] = live
        return live

    async def _store_lines(self) -> None:
        """Store settled lines as they come, until cancelled."""
        while True:
            await self._unsaved.wait()
            self._unsaved.clear()
            try:
                await self._store_all()
            except DatabaseUnavailableError as error:
                _log.warning("lines_not_stored", reason=error.reason.name.lower())
            except Exception:  # whatever ails the database, the readers go on reading
                _log.exception("lines_not_stored")
            else:
                continue
            self._unsaved.set()
            await asyncio.sleep(_RETRY_SECONDS)

    async def _store_all(self) -> None:
        for name, live in list(self._live.items()):
            if live.began_at is not None and live.channel.began_at is None:
                live.began_at = await self._store.begin(name, live.began_at)
                live.channel = replace(live.channel, began_at=live.began_at)
            if self._relay is not None:
                latest = live.now_ms() - _LATE_MS
                live.changed([live.lines.put(line) for line in live.unsaved.values() if line.change_id < latest])
            if live.unsaved:
                lines = list(live.unsaved.values())
                await self._store.keep(name, lines)
                live.saved(lines)

    def _end(self, name: str) -> None:
        live = self._live.pop(name, None)
        if live is not None:
            live.end()

    # --- other processes ---

    def _send(self, relay: Relay, change: Change, lines: Iterable[Line] = ()) -> None:
        for message in written(change, lines):
            relay.send(_TOPIC, message)

    def _receive(self, message: bytes) -> None:
        change = read(message)
        if change.is_ended:
            self._end(change.channel)
        elif (live := self._live.get(change.channel)) is not None:
            live.receive(change)

    async def _send_changes(self, relay: Relay) -> None:
        """Send what changes to the other processes, the newest of each line, until cancelled."""
        while True:
            await self._unsent.wait()
            self._unsent.clear()
            for name, live in list(self._live.items()):
                if live.is_unsent:
                    lines, live.unsent, live.is_unsent = live.unsent, {}, False
                    self._send(relay, Change(self._id, name, is_live=live.is_published), lines.values())
            await asyncio.sleep(_SEND_SECONDS)

    async def _follow(self, relay: Relay) -> None:
        """Tell others that this process publishes, and read what they stored, until cancelled."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            for name, live in list(self._live.items()):
                live.tidy()
                if live.is_published:
                    self._send(relay, Change(self._id, name, is_live=True))
            try:
                await self._read_changes()
            except DatabaseUnavailableError:  # the next second tries again; what is relayed is shown meanwhile
                continue
            except Exception:
                _log.exception("lines_not_read")

    async def _read_changes(self) -> None:
        followed = dict(self._live)
        if not followed:
            return
        after = {name: live.stored_until - OVERLAP_MS for name, live in followed.items()}
        revisions = {name: live.revision for name, live in followed.items()}
        channels, lines = await self._store.changes(after)
        for name, live in followed.items():
            if self._live.get(name) is not live:
                continue
            if name not in channels:
                self._end(name)
                continue
            # What was read before a change of this process is out of date.
            if live.revision == revisions[name]:
                live.update(channels[name])
            if name in lines:
                live.stored_until = max(live.stored_until, *(line.change_id for line in lines[name]))
                live.merge(lines[name])

    async def _tidy(self) -> None:
        """Drop old text, and channels that nobody uses, every minute."""
        while True:
            await asyncio.sleep(_TIDY_SECONDS)
            for name, live in list(self._live.items()):
                live.lines.forget(live.now_ms() - round(live.channel.retention_seconds * 1000))
                if not live.users and not len(live.readers) and not live.unsaved:
                    del self._live[name]
