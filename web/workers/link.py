"""A worker's link to the hub of its server."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from stream.errors import ClientError, Problem
from stream.waiting import Changes
from web.limits.store import Full, SlotLimits, StoreUnavailableError, Window
from web.tasks import running_task
from web.workers.messages import (
    Add,
    Announce,
    Answer,
    Collect,
    Counted,
    FindSlot,
    Limits,
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

# The hub does nothing that takes time, but it may get no processor.
_ANSWER_SECONDS = 2.0
# A worker that is stuck is waited for before the metrics of the others are returned.
_COLLECT_SECONDS = 8.0
_START_SECONDS = 30.0
# Messages of other workers that wait until they are dealt with; the oldest are dropped.
_MOST_RELAYED = 1000
# Requests whose answers are waited for, those included that nobody waits for any more.
_MOST_REQUESTS = 10_000

_AnswerT = TypeVar("_AnswerT", bound=Answer)


class _Connection:
    """A connection to the hub, on which answers come in the order of the requests."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._waiting: deque[asyncio.Future[Answer]] = deque()
        self._is_lost = False

    async def receive(self) -> None:
        """Hand the answers out until the connection ends."""
        decoder: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)
        try:
            while (answer := await read_message(self._reader, decoder)) is not None and self._waiting:
                waiting = self._waiting.popleft()
                if not waiting.done():
                    waiting.set_result(answer)
        finally:
            self._is_lost = True
            self._writer.close()
            for waiting in self._waiting:
                waiting.cancel()

    def send(self, request: Request) -> None:
        """Send a request that is not answered; raises StoreUnavailableError."""
        if self._is_lost or len(self._waiting) >= _MOST_REQUESTS:
            raise StoreUnavailableError("the parent process cannot be reached")
        self._writer.write(framed(request))

    def post(self, request: Request) -> asyncio.Future[Answer]:
        """Send a request, and return its answer to come, which is cancelled with the connection."""
        self.send(request)
        waiting: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        return waiting

    async def ask(self, request: Request, kind: type[_AnswerT], seconds: float = _ANSWER_SECONDS) -> _AnswerT:
        """Send a request and return its answer; raises StoreUnavailableError if that does not come in time."""
        waiting = self.post(request)
        await asyncio.wait([waiting], timeout=seconds)
        if not waiting.done() or waiting.cancelled():
            raise StoreUnavailableError("the parent process does not answer")
        answer = waiting.result()
        if not isinstance(answer, kind):
            raise StoreUnavailableError(f"the parent process answered with {type(answer).__name__}")
        return answer


class HubStore:
    """Counts at the hub, together with the other workers; every method may raise StoreUnavailableError."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    async def add(self, key: str, amount: int, seconds: int) -> Window:
        """Add to a window of so many seconds, which begins with the first addition."""
        counted = await self._connection.ask(Add(key, amount, seconds), Counted)
        return Window(counted.amount, counted.resets_in_seconds)

    async def window(self, key: str) -> Window:
        """Return what was counted so far."""
        counted = await self._connection.ask(Read(key), Counted)
        return Window(counted.amount, counted.resets_in_seconds)

    async def full(self, owner: str, limits: SlotLimits) -> Full | None:
        """Return why there is no free slot, None if there is one."""
        return (await self._connection.ask(FindSlot(owner, Limits.sent(limits)), Slot)).received()

    async def take(self, slot: str, owner: str, limits: SlotLimits) -> Full | None:
        """Take a slot; return why there is none, None if it was taken."""
        try:
            return (await self._connection.ask(TakeSlot(slot, owner, Limits.sent(limits)), Slot)).received()
        except BaseException:
            # The hub may take it after nobody waits for the answer any more.
            with suppress(StoreUnavailableError):
                self._connection.post(ReleaseSlot(slot, owner))
            raise

    async def release(self, slot: str, owner: str) -> None:
        """Free a slot; nothing happens if it is free already."""
        await self._connection.ask(ReleaseSlot(slot, owner), Slot)

    async def use(self, digest: str, seconds: float) -> bool:
        """Mark a token as used for so long; return whether it was not marked before by any worker."""
        is_first = (await self._connection.ask(Use(digest, seconds), Used)).is_first
        if is_first is None:
            detail = "too many tokens for one use were used lately; come again in a minute"
            raise ClientError(Problem.OVERLOADED, detail)
        return is_first


class WorkerLink:
    """What a worker asks its parent, and what it is told: `changes` is signalled with each new `state`."""

    def __init__(self, path: Path, connection: _Connection) -> None:
        self.state = State()
        self.changes = Changes()
        self.store = HubStore(connection)
        self._path = path
        self._connection = connection
        self._relayed: deque[bytes] = deque(maxlen=_MOST_RELAYED)
        self._has_relayed = asyncio.Event()

    def announce(self) -> None:
        """Let all workers look for work in the database."""
        # Without the hub they look every few seconds.
        with suppress(StoreUnavailableError):
            self._connection.send(Announce())

    async def announced(self) -> None:
        """Wait until a worker announces work."""
        known = self.state.announcements
        await self.changes.wait_until(lambda: self.state.announcements != known)

    def send(self, message: bytes) -> None:
        """Send a message to all workers; it is dropped while the hub cannot be reached."""
        with suppress(StoreUnavailableError):
            self._connection.send(Relayed(message))

    async def messages(self) -> AsyncGenerator[bytes, None]:
        """Yield what the workers send to each other, without end."""
        while True:
            await self._has_relayed.wait()
            self._has_relayed.clear()
            while self._relayed:
                yield self._relayed.popleft()

    async def collect(self) -> bytes:
        """Return the metrics of all workers; raises StoreUnavailableError."""
        # On a connection of its own: the metrics of this worker include requests to the hub.
        async with _connected(self._path) as connection:
            return (await connection.ask(Collect(), Metrics, _COLLECT_SECONDS)).text

    async def watch(self, reader: asyncio.StreamReader) -> None:
        """Follow the state of the server and what is relayed, until the connection ends."""
        decoder: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)
        while True:
            match await read_message(reader, decoder):
                case State() as state:
                    self.state = state
                    self.changes.signal()
                case Relayed(message):
                    self._relayed.append(message)
                    self._has_relayed.set()
                case _:
                    return


@asynccontextmanager
async def linked(path: Path) -> AsyncIterator[WorkerLink]:
    """Connect to the hub at a path while the context lasts; raises StoreUnavailableError."""
    async with AsyncExitStack() as stack:
        link = WorkerLink(path, await stack.enter_async_context(_connected(path)))
        reader, writer = await _open(path)
        stack.callback(writer.close)
        writer.write(framed(Watch()))
        decoder: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)
        try:
            async with asyncio.timeout(_START_SECONDS):
                state = await read_message(reader, decoder)
        except (TimeoutError, MessageError):
            state = None
        if not isinstance(state, State):
            raise StoreUnavailableError("the parent process does not answer")
        link.state = state
        await stack.enter_async_context(running_task(link.watch(reader)))
        yield link


@asynccontextmanager
async def _connected(path: Path) -> AsyncIterator[_Connection]:
    reader, writer = await _open(path)
    connection = _Connection(reader, writer)
    async with running_task(connection.receive()):
        yield connection


async def _open(path: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        return await asyncio.open_unix_connection(path)
    except OSError as error:
        raise StoreUnavailableError(f"the parent process cannot be reached: {error.strerror}") from None
