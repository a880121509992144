"""Publish a source to a channel: over one connection after the other, until the source ends or Ctrl-C."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, suppress

from stream.backoff import Backoff
from stream.client import (
    Live,
    LiveError,
    LostError,
    Message,
    RecognitionError,
    RefusedError,
    UnreachableError,
    transcribe,
)
from stream.errors import Problem
from stream.protocols.farsava.messages import FinalMessage, ReadyMessage
from vad import SAMPLE_BYTES, SAMPLE_RATE
from web.cli.caption.pace import Pace
from web.cli.caption.replay import Replay

_BACKOFF = Backoff(first_seconds=0.5, longest_seconds=10.0)
_SAMPLES_PER_MS = SAMPLE_RATE // 1000
_SILENCE_SAMPLES = SAMPLE_RATE // 10
_TOO_MANY, _SERVER_FAULT = 429, 500
# What another connection would be told as well.
_HOPELESS = (
    Problem.INVALID_CONFIG,
    Problem.INVALID_MESSAGE,
    Problem.UNAUTHENTICATED,
    Problem.FORBIDDEN,
    Problem.NOT_FOUND,
    Problem.CONFLICT,
)
_HOPELESS_TYPES = frozenset(problem.value.type for problem in _HOPELESS)


OpenLive = Callable[[Mapping[str, object]], AbstractAsyncContextManager[Live]]
"""Opens a live connection in extended mode with further keys, for samples of 16 kHz; raises LiveError."""


class Publishing:
    """Sends the sound of one source, `int16[n_samples]` at 16 kHz in chunks, over connections of `open_live`.

    `receive` takes the messages of the server, `report` sentences for people.
    """

    def __init__(
        self,
        open_live: OpenLive,
        chunks: AsyncGenerator[bytes, None],
        *,
        receive: Callable[[Message], None],
        report: Callable[[str], None],
    ) -> None:
        self._open_live = open_live
        self._chunks = chunks
        self._receive = receive
        self._report = report
        self._replay = Replay()
        self._lost_seconds = 0.0
        self._resume: str | None = None
        # The sample at which the clock of the transcription begins.
        self._origin = 0

    def stop(self) -> None:
        """End the source; what was said until now is still recognized."""
        self._replay.end()

    async def run(self) -> None:
        """Publish until the source has ended; raises LiveError, and what the source raises."""
        pumping = asyncio.create_task(self._pump())
        publishing = asyncio.create_task(self._publish())
        try:
            await asyncio.wait({pumping, publishing}, return_when=asyncio.FIRST_COMPLETED)
            if pumping.done():
                pumping.result()
            await publishing
        finally:
            for task in (pumping, publishing):
                task.cancel()
            await asyncio.gather(pumping, publishing, return_exceptions=True)

    # --- from the source ---

    async def _pump(self) -> None:
        """Take the sound of the source at the pace at which it is spoken, and silence where there is none."""
        now = asyncio.get_running_loop().time
        async with aclosing(self._chunks) as chunks:
            pace, coming = Pace(now()), _next(chunks)
            try:
                while not self._replay.is_ended:
                    await asyncio.wait({coming}, timeout=pace.patience_seconds(now()))
                    if coming.done():
                        piece = coming.result()
                        if piece is None:
                            break
                        self._put(piece, pace)
                        await asyncio.sleep(pace.wait_seconds(now()))
                        coming = _next(chunks)
                    else:
                        missing = max(_SILENCE_SAMPLES, pace.missing_samples(now()))
                        self._put(bytes(SAMPLE_BYTES * missing), pace)
            finally:
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)
        self._replay.end()

    def _put(self, pcm: bytes, pace: Pace) -> None:
        pace.take(len(pcm) // SAMPLE_BYTES)
        self._replay.put(pcm)
        if self._replay.lost_seconds - self._lost_seconds >= 1:
            if not self._lost_seconds:
                self._report("no server takes the sound any more; what was said before is lost")
            self._lost_seconds = self._replay.lost_seconds

    # --- to the server ---

    async def _publish(self) -> None:
        failures = 0
        while True:
            try:
                async with aclosing(self._connection()) as messages:
                    async for message in messages:
                        if failures:
                            self._report("the server is back")
                        failures = 0
                        self._take(message)
            except LiveError as failed:
                if is_hopeless(failed) and self._resume is None:
                    raise
                if is_hopeless(failed):
                    # What cannot be resumed any more is gone on with by another transcription.
                    self._resume = None
                if not failures:
                    self._report(f"{failed}; trying again")
            else:
                # A server ends a connection at its limit.
                if self._replay.is_ended:
                    return
                self._resume = None
                continue
            await asyncio.sleep(_BACKOFF.delay_seconds(failures))
            failures += 1

    def _take(self, message: Message) -> None:
        self._receive(message)
        match message:
            case ReadyMessage():
                self._resume = message.resume if isinstance(message.resume, str) else None
            case FinalMessage():
                self._replay.settle(self._origin + round(message.audio.settled_ms * _SAMPLES_PER_MS))

    async def _connection(self) -> AsyncGenerator[Message, None]:
        """Yield the messages of one connection, which gets all sound that is not settled."""
        start = self._replay.start
        keys: dict[str, object] = {}
        if self._resume is None:
            self._origin = start
        else:
            keys = {"resume": self._resume, "settledMs": (start - self._origin) / _SAMPLES_PER_MS}
        async with (
            self._open_live(keys) as live,
            aclosing(self._replay.chunks()) as chunks,
            aclosing(transcribe(live, chunks)) as messages,
        ):
            async for message in messages:
                yield message


def is_hopeless(failed: LiveError) -> bool:
    """Whether another connection would fail, too."""
    match failed:
        case RefusedError(status=status):
            return status != _TOO_MANY and status < _SERVER_FAULT
        case RecognitionError(failure=failure):
            return failure.type in _HOPELESS_TYPES
        case UnreachableError() | LostError():
            return False
        case _:
            return True


def _next(chunks: AsyncGenerator[bytes, None]) -> "asyncio.Task[bytes | None]":
    """Wait for the next chunk in a task; None at the end."""

    async def following() -> bytes | None:
        with suppress(StopAsyncIteration):
            return await anext(chunks)
        return None

    return asyncio.create_task(following())
