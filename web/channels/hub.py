"""The channels of this process, loaded while somebody publishes or reads them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import structlog

from stream.errors import ClientError, Problem, quoted
from web.channels.live_channel import LiveChannel
from web.channels.publisher import Publisher
from web.clock import Clock
from web.store.channels import Channels
from web.store.database.unavailable import DatabaseUnavailableError
from web.tasks import running_task

_RETRY_SECONDS = 1.0
_STOP_SECONDS = 5.0
# How often text that is kept no longer is dropped, and channels that nobody uses.
_TIDY_SECONDS = 60.0
_log = structlog.get_logger()


class UnknownChannelError(ClientError):
    """There is no channel of this name, or not for this caller."""

    def __init__(self, name: str) -> None:
        super().__init__(Problem.NOT_FOUND, f"there is no channel {quoted(name)}")


class ChannelHub:
    """Holds channels in memory, and stores their settled lines beside the publishers, which never wait for that."""

    def __init__(self, store: Channels, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._live: dict[str, LiveChannel] = {}
        self._loading = asyncio.Lock()
        self._unsaved = asyncio.Event()
        self._is_closing = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Store lines until the context ends, and then those that are left, for 5 s at most."""
        async with running_task(self._store_lines()), running_task(self._tidy()):
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

    async def delete(self, name: str, owner: str) -> None:
        """Delete a channel of the owner with its text, and end its readers; raises ClientError if there is none."""
        if not await self._store.delete(name, owner):
            raise UnknownChannelError(name)
        live = self._live.pop(name, None)
        if live is not None:
            live.end()

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
        live = LiveChannel(channel, lines, clock=self._clock, on_unsaved=self._unsaved.set)
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
            if live.unsaved:
                lines = list(live.unsaved.values())
                await self._store.keep(name, lines)
                live.saved(lines)

    async def _tidy(self) -> None:
        """Drop old text, and channels that nobody uses, every minute."""
        while True:
            await asyncio.sleep(_TIDY_SECONDS)
            for name, live in list(self._live.items()):
                live.lines.forget(live.now_ms() - round(live.channel.retention_seconds * 1000))
                if not live.users and not live.unsaved:
                    del self._live[name]
