"""Which connection serves a transcription: one of all processes, the last that resumed it."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import msgspec
import structlog

from stream.errors import ClientError, Problem
from web.relay.relay import Relay
from web.store.database.unavailable import DatabaseUnavailableError
from web.store.resumption import Resumptions

# A connection that was taken over ends as soon as its event loop has a moment.
_LEAVE_SECONDS = 2.0
# Transcriptions that are not touched for several times as long are finished by other processes.
_TOUCH_SECONDS = 20.0
_TOPIC = "resumed"


class _Taken(msgspec.Struct, frozen=True, array_like=True):
    transcription_id: str
    generation: int


class _Held:
    def __init__(self, generation: int, supersede: Callable[[], None]) -> None:
        self.generation = generation
        self.supersede = supersede
        self.left = asyncio.Event()


_log = structlog.get_logger()
_decoder = msgspec.msgpack.Decoder(_Taken)


class Ownership:
    """The transcriptions that connections of this process serve; those that are resumed elsewhere are given up."""

    def __init__(self, relay: Relay | None = None) -> None:
        self._relay = relay
        self._held: dict[str, _Held] = {}
        if relay is not None:
            relay.subscribe(_TOPIC, self._receive)

    @property
    def ids(self) -> list[str]:
        """The transcriptions that are served now."""
        return list(self._held)

    @contextmanager
    def holding(self, transcription_id: str, generation: int, supersede: Callable[[], None]) -> Iterator[None]:
        """Serve a transcription while the context lasts; `supersede` ends that when a later generation begins."""
        held = _Held(generation, supersede)
        self._held[transcription_id] = held
        try:
            yield
        finally:
            if self._held.get(transcription_id) is held:
                del self._held[transcription_id]
            held.left.set()

    async def take(self, transcription_id: str, generation: int) -> None:
        """End the connections that serve a transcription; wait for one of this process, for a moment at most."""
        if self._relay is not None:
            self._relay.send(_TOPIC, msgspec.msgpack.encode(_Taken(transcription_id, generation)))
        held = self._supersede(transcription_id, generation)
        if held is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LEAVE_SECONDS):
                    await held.left.wait()

    def _receive(self, message: bytes) -> None:
        taken = _decoder.decode(message)
        self._supersede(taken.transcription_id, taken.generation)

    def _supersede(self, transcription_id: str, generation: int) -> _Held | None:
        held = self._held.get(transcription_id)
        if held is None or held.generation >= generation:
            return None
        held.supersede()
        return held


async def keep_touched(ownership: Ownership, resumptions: Resumptions) -> None:
    """Mark the transcriptions that are served as those of a gateway that works, until cancelled."""
    while True:
        await asyncio.sleep(_TOUCH_SECONDS)
        try:
            await resumptions.touch(ownership.ids)
        except DatabaseUnavailableError:  # who finishes abandoned transcriptions cannot reach it either
            continue
        except Exception:
            _log.exception("transcriptions_not_touched")


def superseded() -> ClientError:
    """Return the error for a connection whose transcription goes on over another one."""
    return ClientError(Problem.CONFLICT, "this transcription goes on over another connection")
