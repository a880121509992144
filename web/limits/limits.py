"""Limits on streams, handshakes and minutes of audio; each refusal says when to come back."""

import math
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import structlog
from starlette.requests import HTTPConnection

from stream.errors import ClientError, Problem
from stream.lazy_import import lazy_import
from web.auth.caller import Caller
from web.auth.one_time_tokens import UseShared
from web.clock import Clock
from web.limits.addresses import RefusedSources, source_of, source_of_host
from web.limits.meters import LiveMeter, RecordingMeter
from web.limits.store import DAY_SECONDS, Full, MemoryStore, SlotLimits, Store, StoreUnavailableError, Window

if TYPE_CHECKING:
    from web.limits import redis
else:
    redis = lazy_import("web.limits.redis")

# When a stream will end is not known; suggest a short retry.
_STREAM_RETRY_SECONDS = 5
# How long a shared store that failed is left alone.
_RECOVERY_SECONDS = 5.0

T = TypeVar("T")
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """What is allowed where a token sets no limit of its own; None for no limit."""

    streams: int
    streams_per_owner: int | None
    handshakes_per_second: int
    minutes_per_day: float | None


class Limits:
    """Enforces the limits: counts in a shared store if there is one, and alone while that is unavailable."""

    def __init__(
        self, amounts: Amounts, clock: Clock, shared: Store | None = None, use_shared: UseShared | None = None
    ) -> None:
        """`clock` is the event loop's; `use_shared` marks tokens as used in the store that `shared` counts in."""
        self.use_shared = use_shared
        self._amounts = amounts
        self._clock = clock
        self._shared = shared
        self._local = MemoryStore(clock)
        self._shared_from = -math.inf
        self._refused = RefusedSources()

    async def check_handshake(self, connection: HTTPConnection) -> None:
        """Count a handshake of this address; raises ClientError if there were too many, refused ones included."""
        await self.check_source(source_of(connection))

    async def check_source(self, source: str) -> None:
        """Do the same for an address as `source_of_host` returns it."""
        _, window = await self._counted(lambda store: store.add(f"handshakes:{source}", 1, 1))
        if window.amount > self._amounts.handshakes_per_second:
            self._refused.add(source, self._clock() + window.resets_in_seconds)
            raise self._too_fast()

    def still_refused(self, host: str) -> ClientError | None:
        """Return the refusal of handshakes of this address until its second is over; a lookup, nothing is counted.

        Behind a proxy `host` is the proxy's, which is never refused.
        """
        return self._too_fast() if self._refused.holds(source_of_host(host), self._clock()) else None

    def _too_fast(self) -> ClientError:
        detail = f"more than {self._amounts.handshakes_per_second} handshakes in a second came from your address"
        return ClientError(Problem.RATE_LIMITED, detail, retry_after_seconds=1)

    async def check_stream(self, caller: Caller) -> None:
        """Raise ClientError if another stream would be refused."""
        limits = self._slot_limits(caller)
        _, full = await self._counted(lambda store: store.full(caller.owner, limits))
        _refuse(full, limits)

    @asynccontextmanager
    async def stream(self, caller: Caller) -> AsyncIterator[None]:
        """Hold one of the owner's and the server's slots while the context lasts; raises ClientError."""
        limits, slot = self._slot_limits(caller), uuid.uuid4().hex
        store, full = await self._counted(lambda store: store.take(slot, caller.owner, limits))
        _refuse(full, limits)
        try:
            yield
        finally:
            try:
                await store.release(slot, caller.owner)
            except StoreUnavailableError as error:
                _log.warning("slot_not_released", error=str(error))  # its lease ends by itself

    async def check_minutes(self, caller: Caller) -> None:
        """Raise ClientError if the owner has used up the minutes of the day."""
        minutes = self.minutes_of(caller)
        if minutes is None:
            return
        _, window = await self._counted(lambda store: store.window(_audio_key(caller.owner)))
        if window.amount >= minutes * 60_000:
            raise _used_up(minutes, window)

    def minutes_of(self, caller: Caller) -> float | None:
        """Return the minutes of audio that a caller may have in a day, None for no limit."""
        return self._amounts.minutes_per_day if caller.minutes is None else caller.minutes

    def live_meter(self, caller: Caller) -> LiveMeter:
        """Return a meter for the audio of one live stream."""
        return LiveMeter(self, caller.owner, self.minutes_of(caller))

    def recording_meter(self, owner: str, minutes: float | None, counted_seconds: float = 0.0) -> RecordingMeter:
        """Return a meter for the audio of one recording, of which `counted_seconds` were counted before."""
        return RecordingMeter(self, owner, minutes, counted_seconds)

    async def count_audio(self, owner: str, milliseconds: int) -> None:
        if milliseconds:
            await self._add_audio(owner, milliseconds)

    async def count_live_audio(self, owner: str, milliseconds: int, minutes: float) -> None:
        window = await self._add_audio(owner, milliseconds)
        if window.amount > minutes * 60_000:
            raise _used_up(minutes, window)

    async def count_recorded_audio(
        self, owner: str, milliseconds: int, own_milliseconds: int, minutes: float | None
    ) -> None:
        window = await self._add_audio(owner, milliseconds)
        if minutes is not None and window.amount - own_milliseconds >= minutes * 60_000:
            raise _used_up(minutes, window)

    async def _add_audio(self, owner: str, milliseconds: int) -> Window:
        _, window = await self._counted(lambda store: store.add(_audio_key(owner), milliseconds, DAY_SECONDS))
        return window

    def _slot_limits(self, caller: Caller) -> SlotLimits:
        per_owner = self._amounts.streams_per_owner if caller.streams is None else caller.streams
        return SlotLimits(per_owner, self._amounts.streams)

    async def _counted(self, count: Callable[[Store], Awaitable[T]]) -> tuple[Store, T]:
        """Count in the shared store, or in this process while that is unavailable; return which store it was."""
        if self._shared is not None and self._clock() >= self._shared_from:
            try:
                return self._shared, await count(self._shared)
            except StoreUnavailableError as error:
                self._shared_from = self._clock() + _RECOVERY_SECONDS
                _log.warning("limits_counted_alone", error=str(error))
        return self._local, await count(self._local)


@asynccontextmanager
async def limiting(amounts: Amounts, url: str, clock: Clock, of_workers: Store | None = None) -> AsyncIterator[Limits]:
    """Count limits at a memory:, redis:// or rediss:// URL while the context lasts.

    `of_workers` is where the workers of a server count in place of the memory of one process.
    """
    if url.startswith("memory:"):
        yield Limits(amounts, clock, of_workers)
        return
    async with redis.redis_store(url) as shared:
        yield Limits(amounts, clock, shared, shared.use)


def _refuse(full: Full | None, limits: SlotLimits) -> None:
    match full:
        case Full.OWNER:
            problem = Problem.RATE_LIMITED
            detail = f"{limits.per_owner} of your streams are open, which is as many as you may have; end one of them"
        case Full.SERVER:
            problem = Problem.OVERLOADED
            detail = f"{limits.overall} streams are open, which is as many as this server takes; come again soon"
        case None:
            return
    raise ClientError(problem, detail, retry_after_seconds=_STREAM_RETRY_SECONDS)


def _used_up(minutes: float, window: Window) -> ClientError:
    detail = f"{minutes:g} minutes of audio a day are allowed, and they are used up"
    retry_after_seconds = max(1, math.ceil(window.resets_in_seconds))
    return ClientError(Problem.RATE_LIMITED, detail, retry_after_seconds=retry_after_seconds)


def _audio_key(owner: str) -> str:
    return f"audio:{owner}"
