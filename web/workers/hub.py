"""The hub of a server: a Unix socket at which its workers count, mark tokens as used, and learn what has changed."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import structlog

from stream.errors import ClientError, Problem
from stream.waiting import Changes
from web.auth.one_time_tokens import UsedTokens
from web.clock import Clock
from web.limits.store import Full, MemoryStore
from web.workers.messages import (
    Add,
    Announce,
    Answer,
    Collect,
    Counted,
    FindSlot,
    MessageError,
    Metrics,
    Read,
    Relayed,
    ReleaseSlot,
    Request,
    Slot,
    State,
    TakeSlot,
    Use,
    Used,
    Watch,
    framed,
    read_message,
)

Question = Add | Read | FindSlot | TakeSlot | ReleaseSlot | Use | Announce | Relayed | Collect
# Messages that wait for a worker which does not read; the oldest are dropped.
_MOST_RELAYED = 1000
_log = structlog.get_logger()


class Hub:
    """Keeps what the workers share, in the memory of their parent, on the event loop's clock.

    The slots of a worker are free as soon as its connection ends, however it ended.
    """

    def __init__(self, clock: Clock, collect: Callable[[], Awaitable[bytes]], workers: int) -> None:
        """`collect` returns the metrics of all `workers` as text."""
        self._clock = clock
        self._collect = collect
        self._store = MemoryStore(clock)
        # Each worker remembers no more than this of its own, so that the hub never has less room than they.
        self._used_tokens = UsedTokens(workers * UsedTokens.MOST)
        self._state = State()
        self._changes = Changes()
        self._watchers: set[_Watcher] = set()
        self._connections: set[asyncio.Task[None]] = set()

    def set_state(self, *, has_started: bool, is_answering: bool) -> None:
        """Tell all workers the state of the server, if it has changed."""
        self._set(State(has_started, is_answering, self._state.announcements))

    def _set(self, state: State) -> None:
        if state != self._state:
            self._state = state
            self._changes.signal()

    @asynccontextmanager
    async def listening(self, path: Path) -> AsyncIterator[None]:
        """Serve the workers at a path while the context lasts."""
        server = await asyncio.start_unix_server(self._connected, path)
        try:
            yield
        finally:
            server.close()
            for connection in self._connections:
                connection.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        decoder: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
        held: dict[str, str] = {}
        try:
            while (request := await read_message(reader, decoder)) is not None:
                if isinstance(request, Watch):
                    return await self._watch(writer)
                answer = await self._answer(request, held)
                if answer is not None:
                    writer.write(framed(answer))
                    await writer.drain()
        except ConnectionError:
            pass
        except MessageError as error:
            _log.error("worker_not_understood", error=str(error))
        finally:
            for slot, owner in held.items():
                await self._store.release(slot, owner)
            writer.close()

    async def _answer(self, request: Question, held: dict[str, str]) -> Answer | None:
        """Carry a request out; `held` are the slots of its connection, by their owners."""
        match request:
            case Add() | Read():
                return await self._count(request)
            case FindSlot() | TakeSlot() | ReleaseSlot():
                return await self._slot(request, held)
            case Use(digest, seconds):
                return Used(self._use(digest, seconds))
            case Collect():
                return Metrics(await self._collect())
            case Announce():
                state = self._state
                self._set(State(state.has_started, state.is_answering, state.announcements + 1))
            case Relayed():
                for watcher in self._watchers:
                    watcher.relayed.append(request)
                self._changes.signal()
        return None

    async def _count(self, request: Add | Read) -> Counted:
        match request:
            case Add(key, amount, seconds):
                window = await self._store.add(key, amount, seconds)
            case Read(key):
                window = await self._store.window(key)
        return Counted(window.amount, window.resets_in_seconds)

    async def _slot(self, request: FindSlot | TakeSlot | ReleaseSlot, held: dict[str, str]) -> Slot:
        full: Full | None = None
        match request:
            case FindSlot(owner, limits):
                full = await self._store.full(owner, limits.received())
            case TakeSlot(slot, owner, limits):
                full = await self._store.take(slot, owner, limits.received())
                if full is None:
                    held[slot] = owner
            case ReleaseSlot(slot, owner):
                held.pop(slot, None)
                await self._store.release(slot, owner)
        return Slot.sent(full)

    def _use(self, digest: str, seconds: float) -> bool | None:
        now = self._clock()
        try:
            self._used_tokens.use(digest, now + seconds, now)
        except ClientError as error:
            return False if error.problem is Problem.UNAUTHENTICATED else None
        return True

    async def _watch(self, writer: asyncio.StreamWriter) -> None:
        """Send the state now and after each change, and what is relayed; changes while one is on its way are merged."""
        watcher = _Watcher()
        self._watchers.add(watcher)
        sent: State | None = None
        try:
            while not writer.is_closing():
                if watcher.relayed:
                    writer.write(framed(watcher.relayed.popleft()))
                elif sent != self._state:
                    sent = self._state
                    writer.write(framed(sent))
                else:
                    await self._changes.wait()
                await writer.drain()
        finally:
            self._watchers.discard(watcher)


class _Watcher:
    """What is still to be sent to a worker."""

    def __init__(self) -> None:
        self.relayed: deque[Relayed] = deque(maxlen=_MOST_RELAYED)
