"""The way of a client's audio into its session: decoding, framing, metering, and a fair share of the event loop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from stream.audio import AudioFormat
from stream.audio.decoder import AudioDecoder, Samples
from stream.errors import ClientError, Problem
from stream.runtime.fairness import AudioLead, FairShare, WorkLimit
from vad import FRAME_BYTES, FRAME_SAMPLES, SAMPLE_BYTES, SAMPLE_RATE, Framer

Frames = tuple[bytes, ...]
"""The next frames of each channel, `int16[160 * n_frames]`; only the last one of a connection may be shorter."""

Meter = Callable[[float], Awaitable[None]]
"""Counts seconds of received audio; raises ClientError when there may be no more."""


async def unmetered(_: float) -> None:
    """Accept any amount of audio."""


class AudioIntake:
    """Turns bytes in any encoding into frames, and hands them over as fast as the others let it.

    `room` waits until the session can take more, `deliver` takes frames.
    """

    def __init__(
        self,
        audio_format: AudioFormat,
        *,
        most_seconds: float,
        meter: Meter,
        fair_share: FairShare,
        work_limit: WorkLimit,
        room: Callable[[], Awaitable[None]],
        deliver: Callable[[Frames], None],
    ) -> None:
        self._decoder = AudioDecoder(audio_format)
        self._framers = [Framer() for _ in range(audio_format.channels)]
        self._most_seconds = most_seconds
        self._meter = meter
        self._fair_share = fair_share
        self._work_limit = work_limit
        self._room = room
        self._deliver = deliver
        self._lead = AudioLead(_now())
        self._received_samples = 0

    async def push(self, message: bytes) -> None:
        """Take the next bytes; raises ClientError for what is no audio, or too much."""
        steps, clock = self._decoder.push(message), self._fair_share.work_clock
        began = clock()
        while (samples := next(steps, None)) is not None:
            await self._take(samples, clock() - began)
            began = clock()

    async def finish(self) -> None:
        """Take what the decoder held back; raises ClientError as `push` does."""
        async for samples in self._flushed():
            await self._take(samples)

    def flush(self) -> None:
        """Hand over the incomplete frame at the end."""
        rest = tuple(framer.flush() for framer in self._framers)
        if any(rest):
            self._deliver(rest)

    def close(self) -> None:
        """Release what decoding holds."""
        self._decoder.close()

    async def _flushed(self) -> AsyncIterator[Samples]:
        rest = self._decoder.flush()
        if not self._decoder.needs_file:
            for samples in rest:
                yield samples
            return
        # A whole film is searched for its sound beside the event loop.
        while (samples_or_end := await asyncio.to_thread(next, rest, None)) is not None:
            yield samples_or_end

    async def _take(self, samples: Samples, work_seconds: float = 0.0) -> None:
        received_samples = len(samples[0]) // SAMPLE_BYTES
        self._check_length(received_samples)
        seconds = received_samples / SAMPLE_RATE
        await self._work_limit.step(_now(), seconds, work_seconds)
        if not received_samples:
            return
        await self._meter(seconds)
        frames = tuple(framer.push(pcm) for framer, pcm in zip(self._framers, samples, strict=True))
        taken_bytes, whole_bytes = 0, len(frames[0])
        while taken_bytes < whole_bytes:
            most_bytes = self._fair_share.frames(_now()) * FRAME_BYTES
            is_all = not taken_bytes and whole_bytes <= most_bytes
            part = frames if is_all else tuple(pcm[taken_bytes : taken_bytes + most_bytes] for pcm in frames)
            await self._hand_over(part)
            taken_bytes += most_bytes

    async def _hand_over(self, frames: Frames) -> None:
        if not self._lead.is_live:
            await asyncio.sleep(0)
        await self._room()
        now = _now()
        if self._lead.take(len(frames[0]) // FRAME_BYTES * FRAME_SAMPLES / SAMPLE_RATE, now):
            async with self._fair_share.turn():
                self._deliver(frames)
            return
        if self._lead.is_live:
            self._fair_share.see_live(now)
        self._deliver(frames)

    def _check_length(self, more_samples: int) -> None:
        self._received_samples += more_samples
        if self._received_samples > self._most_seconds * SAMPLE_RATE:
            raise ClientError(Problem.TOO_LARGE, f"the audio is longer than {self._most_seconds:g} seconds")


def _now() -> float:
    return asyncio.get_running_loop().time()
