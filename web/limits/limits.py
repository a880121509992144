"""Owns what is refused for being too much, with when to come back."""

import math
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import structlog
from starlette.requests import HTTPConnection

from stream.errors import ClientError, Problem
from web.auth.caller import Caller
from web.auth.uses import UseShared
from web.clock import Clock
from web.limits.amounts import Amounts
from web.limits.memory import MemoryStore
from web.limits.refused import Refused
from web.limits.sources import source_of, source_of_host
from web.limits.store import Full, Room, Store, StoreUnavailableError, Window
from web.settings.access import AccessSettings

_DAY_SECONDS = 86_400
# When streams end nobody knows; whoever waits asks again so soon.
_STREAM_RETRY_SECONDS = 5
# A shared store that failed is left alone for so long.
_RECOVERY_SECONDS = 5.0
# Audio is counted in milliseconds, and told to the store when so much has come together.
_COUNTED_MS = 1000
# A recording is decoded a hundred times as fast as it is spoken.
_RECORDED_MS = 5000

if TYPE_CHECKING:
    from web.limits.redis import RedisStore

T = TypeVar("T")
_log = structlog.get_logger()


class Limits:
    """Counts in a shared store, if there is one, and alone while that is away."""

    def __init__(
        self, amounts: Amounts, clock: Clock, shared: Store | None = None, use_shared: UseShared | None = None
    ) -> None:
        """`use_shared` notes used tokens where `shared` counts."""
        self.use_shared = use_shared
        self._amounts = amounts
        self._clock = clock
        self._shared = shared
        self._local = MemoryStore(clock)
        self._shared_from = -math.inf
        self._refused = Refused()

    async def check_handshake(self, connection: HTTPConnection) -> None:
        """Count a handshake of this address; raises ClientError when there were too many, refused ones among them."""
        most = self._amounts.handshakes_per_second
        source = source_of(connection)
        _, window = await self._counted(lambda store: store.add(f"handshakes:{source}", 1, 1))
        if window.amount > most:
            self._refused.add(source, self._clock() + window.resets_in)
            raise self._too_fast()

    def still_refused(self, host: str) -> ClientError | None:
        """Tell whether handshakes of this address are refused until the second is over; to ask costs next to nothing.

        Behind a proxy `host` is the proxy's, which nobody refuses.
        """
        return self._too_fast() if self._refused.holds(source_of_host(host), self._clock()) else None

    def _too_fast(self) -> ClientError:
        detail = f"more than {self._amounts.handshakes_per_second} handshakes in a second came from your address"
        return ClientError(Problem.RATE_LIMITED, detail, retry_after_seconds=1)

    async def check_stream(self, caller: Caller) -> None:
        """Raise ClientError when a further stream would be refused."""
        room = self._room(caller)
        _, full = await self._counted(lambda store: store.full(caller.owner, room))
        self._refuse(full, room)

    @asynccontextmanager
    async def stream(self, caller: Caller) -> AsyncIterator[None]:
        """Hold one of the owner's and the server's streams while the context lasts; raises ClientError."""
        room, slot = self._room(caller), uuid.uuid4().hex
        store, full = await self._counted(lambda store: store.take(slot, caller.owner, room))
        self._refuse(full, room)
        try:
            yield
        finally:
            try:
                await store.give_back(slot, caller.owner)
            except StoreUnavailableError as error:
                _log.warning("slot_not_given_back", error=str(error))  # its lease ends by itself

    async def check_minutes(self, caller: Caller) -> None:
        """Raise ClientError when the owner has had their minutes of the day."""
        minutes = self.minutes_of(caller)
        if minutes is None:
            return
        _, window = await self._counted(lambda store: store.window(_audio_key(caller.owner)))
        if window.amount >= minutes * 60_000:
            raise _used_up(minutes, window.resets_in)

    async def heard(self, owner: str, seconds: float) -> None:
        """Count audio, whatever it comes to."""
        milliseconds = round(seconds * 1000)
        if milliseconds:
            await self._add_audio(owner, milliseconds)

    def minutes_of(self, caller: Caller) -> float | None:
        """Return the minutes of audio that a caller may have in a day, None for no limit."""
        return self._amounts.minutes_per_day if caller.minutes is None else caller.minutes

    def meter(self, caller: Caller) -> "AudioMeter":
        """What counts the audio of one live stream."""
        return AudioMeter(self, caller.owner, self.minutes_of(caller))

    def recording_meter(self, owner: str, minutes: float | None, counted_seconds: float = 0.0) -> "RecordingMeter":
        """What counts the audio of one recording, of which `counted_seconds` were counted before."""
        return RecordingMeter(self, owner, minutes, counted_seconds)

    async def heard_live(self, owner: str, milliseconds: int, minutes: float) -> None:
        """Count audio; raises ClientError when it is more than the minutes of the day."""
        window = await self._add_audio(owner, milliseconds)
        if window.amount > minutes * 60_000:
            raise _used_up(minutes, window.resets_in)

    async def heard_recorded(self, owner: str, milliseconds: int, own_milliseconds: int, minutes: float | None) -> None:
        """Count audio of a recording; raises ClientError when the owner's other audio uses the day up."""
        window = await self._add_audio(owner, milliseconds)
        if minutes is not None and window.amount - own_milliseconds >= minutes * 60_000:
            raise _used_up(minutes, window.resets_in)

    async def _add_audio(self, owner: str, milliseconds: int) -> Window:
        _, window = await self._counted(lambda store: store.add(_audio_key(owner), milliseconds, _DAY_SECONDS))
        return window

    def _room(self, caller: Caller) -> Room:
        of_owner = self._amounts.streams_per_owner if caller.streams is None else caller.streams
        return Room(of_owner, self._amounts.streams)

    def _refuse(self, full: Full | None, room: Room) -> None:
        match full:
            case Full.OWNER:
                problem = Problem.RATE_LIMITED
                detail = f"{room.of_owner} of your streams are open, which is as many as you may have; end one of them"
            case Full.SERVER:
                problem = Problem.OVERLOADED
                detail = f"{room.overall} streams are open, which is as many as this server takes; come again soon"
            case None:
                return
        raise ClientError(problem, detail, retry_after_seconds=_STREAM_RETRY_SECONDS)

    async def _counted(self, count: Callable[[Store], Awaitable[T]]) -> tuple[Store, T]:
        """Count where all servers do; where that is away, better alone than not at all."""
        if self._shared is not None and self._clock() >= self._shared_from:
            try:
                return self._shared, await count(self._shared)
            except StoreUnavailableError as error:
                self._shared_from = self._clock() + _RECOVERY_SECONDS
                _log.warning("limits_counted_alone", error=str(error))
        return self._local, await count(self._local)


class AudioMeter:
    """Counts the audio of one live stream towards its owner's day."""

    def __init__(self, limits: Limits, owner: str, minutes: float | None) -> None:
        self._limits = limits
        self._owner = owner
        self._minutes = minutes
        self._uncounted_ms = 0.0

    async def heard(self, seconds: float) -> None:
        """Take note of more audio; raises ClientError when the day's minutes are over."""
        if self._minutes is None:
            return
        self._uncounted_ms += 1000 * seconds
        if self._uncounted_ms >= _COUNTED_MS:
            milliseconds = int(self._uncounted_ms)
            self._uncounted_ms -= milliseconds
            await self._limits.heard_live(self._owner, milliseconds, self._minutes)

    async def settle(self) -> None:
        """Count what is left at the end of the stream."""
        rest, self._uncounted_ms = self._uncounted_ms, 0.0
        await self._limits.heard(self._owner, rest / 1000)


class RecordingMeter:
    """Counts the audio of one recording towards its owner's day while it is decoded, so that what is cut off counts.

    A recording that began within the day's minutes may exceed them by itself. Beside others of its owner it may not:
    otherwise any number that begin at once would all be let through.
    """

    def __init__(self, limits: Limits, owner: str, minutes: float | None, counted_seconds: float) -> None:
        self._limits = limits
        self._owner = owner
        self._minutes = minutes
        self._own_ms = round(1000 * counted_seconds)
        self._uncounted_ms = 0.0

    async def heard(self, seconds: float) -> None:
        """Take note of more audio; raises ClientError when others have used up the day's minutes meanwhile."""
        self._uncounted_ms += 1000 * seconds
        if self._uncounted_ms >= _RECORDED_MS:
            milliseconds = int(self._uncounted_ms)
            self._uncounted_ms -= milliseconds
            self._own_ms += milliseconds
            await self._limits.heard_recorded(self._owner, milliseconds, self._own_ms, self._minutes)

    async def settle(self) -> None:
        """Count what is left at the end of the recording, however it ended."""
        rest, self._uncounted_ms = self._uncounted_ms, 0.0
        await self._limits.heard(self._owner, rest / 1000)


@asynccontextmanager
async def limiting(settings: AccessSettings, clock: Clock) -> AsyncIterator[Limits]:
    """The limits that the settings ask for, counted where they say."""
    async with AsyncExitStack() as stack:
        shared: RedisStore | None = None
        if not settings.limits_url.startswith("memory:"):
            from web.limits.redis import redis_store  # noqa: PLC0415  only who has Redis loads its client

            shared = await stack.enter_async_context(redis_store(settings.limits_url))
        yield Limits(Amounts.of(settings), clock, shared, None if shared is None else shared.use)


def _used_up(minutes: float, resets_in: float) -> ClientError:
    detail = f"{minutes:g} minutes of audio a day are allowed, and they are used up"
    return ClientError(Problem.RATE_LIMITED, detail, retry_after_seconds=max(1, math.ceil(resets_in)))


def _audio_key(owner: str) -> str:
    return f"audio:{owner}"
