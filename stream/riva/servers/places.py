"""Hold the places of live sessions: at the embedded engine, or counted here for servers without admission."""

import asyncio
import contextlib
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.struct_pb2 import Struct

from stream.recognition import places
from stream.recognition.places import Refusal
from stream.recognition.recognizer import Capacity, RecognizerFullError
from stream.riva.errors import RivaError, riva_error
from stream.riva.servers.channels import PooledChannel
from stream.riva.servers.discovery import Metadata

if TYPE_CHECKING:
    HoldCall = grpc.aio.StreamStreamCall[Any, Empty]

# A busy engine answers within a second; clients wait ten for their handshake.
_ANSWER_SECONDS = 5.0
# After a refusal, when a new session is offered to the server if it gave no hint.
_RETRY_SECONDS = 2.0
# How long the number of sessions at a refusal counts as the limit of the server.
_LEARNED_SECONDS = 60.0


class Hold(Protocol):
    """The place of one session at one server."""

    async def lost(self) -> None:
        """Wait until the server no longer holds the place."""
        ...

    def release(self) -> None:
        """Free the place."""
        ...


class EngineHold:
    """A place that the embedded engine holds while a call is open, so that it is freed if this process dies."""

    def __init__(self, call: "HoldCall", release: Callable[[], None]) -> None:
        self._call = call
        self._release = release

    async def lost(self) -> None:
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            while await self._call.read() is not grpc.aio.EOF:
                pass

    def release(self) -> None:
        self._call.cancel()
        self._release()


async def hold_at_engine(channel: PooledChannel, metadata: Metadata, release: Callable[[], None]) -> EngineHold:
    """Take a place at the engine; raises RecognizerFullError if none is free, RivaError if the call fails.

    `release` is called once, when the place is freed or could not be taken.
    """
    method = f"/{places.SERVICE}/{places.HOLD}"
    call: HoldCall = channel.channel.stream_stream(method, Empty.SerializeToString, Empty.FromString)(metadata=metadata)
    hold = EngineHold(call, release)
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            if await call.read() is not grpc.aio.EOF:
                return hold
            failure = riva_error(await call.code(), await call.details(), await call.trailing_metadata())
    except grpc.aio.AioRpcError as error:
        failure = riva_error(error.code(), error.details(), error.trailing_metadata())
    except TimeoutError:
        failure = RivaError(grpc.StatusCode.DEADLINE_EXCEEDED, "the engine did not say whether a place is free")
    except BaseException:
        hold.release()
        raise
    hold.release()
    if failure.is_full:
        raise RecognizerFullError(str(failure), failure.reason or Refusal.FULL, failure.retry_after_seconds)
    raise failure


async def capacity_of_engine(channel: PooledChannel, metadata: Metadata) -> Capacity:
    """Query how many places the engine has; raises RivaError."""
    method = f"/{places.SERVICE}/{places.CAPACITY}"
    ask = channel.channel.unary_unary(method, Empty.SerializeToString, Struct.FromString)
    try:
        response: Struct = await ask(Empty(), timeout=_ANSWER_SECONDS, metadata=metadata)
    except grpc.aio.AioRpcError as error:
        raise riva_error(error.code(), error.details(), error.trailing_metadata()) from None
    numbers = {name: int(value.number_value) for name, value in response.fields.items()}
    return Capacity(**{name: numbers.get(name, 0) for name in ("places", "taken", "free", "waiting")}, is_of_all=True)


class CountedPlaces:
    """Counts the live sessions of this process at a server without admission; pure, `now` on a monotonic clock.

    There are `most` places, None for no limit. After a refused stream the server gets no new session for as long as
    its hint says, and for a minute at most one session less than it had then.
    """

    def __init__(self, most: int | None) -> None:
        self.taken = 0
        self._most = math.inf if most is None else most
        self._learned = math.inf
        self._learned_until = 0.0
        self._closed_until = 0.0

    def take(self, now: float, *, was_admitted: bool = False) -> None:
        """Take a place; raises RecognizerFullError, unless the session `was_admitted` before."""
        if not was_admitted and not self._free(now):
            retry = max(_RETRY_SECONDS, self._closed_until - now)
            raise RecognizerFullError(f"the server has {self.taken} sessions", Refusal.FULL, retry)
        self.taken += 1

    def release(self) -> None:
        self.taken -= 1

    def refused(self, now: float, retry_after_seconds: float | None) -> None:
        """Record that the server refused a stream because it has too many."""
        hint = _RETRY_SECONDS if retry_after_seconds is None else retry_after_seconds
        self._closed_until = max(self._closed_until, now + hint)
        learned = self._learned if now < self._learned_until else math.inf
        self._learned = min(learned, max(1, self.taken - 1))
        self._learned_until = now + _LEARNED_SECONDS

    def capacity(self, now: float) -> Capacity:
        limit, free = self._limit(now), self._free(now)
        return Capacity(
            places=None if limit == math.inf else int(limit),
            taken=self.taken,
            free=None if free == math.inf else int(free),
        )

    def _limit(self, now: float) -> float:
        return min(self._most, self._learned if now < self._learned_until else math.inf)

    def _free(self, now: float) -> float:
        return 0 if now < self._closed_until else max(0, self._limit(now) - self.taken)


class CountedHold:
    """A place that is counted here, and never lost."""

    def __init__(self, counted: CountedPlaces) -> None:
        self._counted = counted

    async def lost(self) -> None:
        await asyncio.Event().wait()

    def release(self) -> None:
        self._counted.release()
