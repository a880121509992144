"""Owns the steps of recognizing a long recording; each may be cut off anywhere and done again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import BinaryIO, Protocol

import structlog

from stream.audio.containers.declaration import TextError
from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.recognition.recognition import RecognitionLimits
from stream.recognition.recognizer import Recognizer
from stream.recognition.stall import Habits
from stream.recordings.segmentation import Cutter, Segment
from stream.recordings.segments import SegmentFailedError, recognize_segment
from vad import SAMPLE_RATE
from web.fetch.download import FetchError, FetchOptions, fetched
from web.memory.budget import BodyStores, FullError, Holdings
from web.store.database.away import DatabaseAwayError
from web.store.recordings import Recording, Recordings, SegmentKey

# A segment of a file waits behind all live speech, so an answer may take long.
_LIMITS = RecognitionLimits(final_seconds=120.0, stall_seconds=60.0)
_MOST_FAILURES = 5
_READY_SECONDS = 600.0
_READY_POLL_SECONDS = 0.2
_FETCH_PAUSES_SECONDS = (1.0, 5.0, 25.0)
_EMPTY = "the audio is empty"
# 30 s of sound each at most are held.
_SEGMENTS_AT_ONCE = 4
# How often the progress of what arrives is written down.
_NOTED_BYTES = 1 << 20
_log = structlog.get_logger()

Announce = Callable[[Sequence[SegmentKey]], Awaitable[None]]
"""Tells a queue which segments are to be recognized."""


class Meter(Protocol):
    """Counts the audio of one recording, in seconds, while it is decoded."""

    async def add(self, seconds: float) -> None:
        """Take note of more audio; raises ClientError when the owner may have no more."""
        ...

    async def settle(self) -> None:
        """Count what is left; never refuses."""
        ...


MeterFor = Callable[[str, float | None, float], Meter]
"""Makes the meter of a recording: its owner, the minutes of their day, the seconds that were counted before."""


class _Unmetered:
    """Counts for nobody."""

    def __init__(self, *_: object) -> None:
        pass

    async def add(self, _: float) -> None:
        pass

    async def settle(self) -> None:
        pass


class UnwantedError(Exception):
    """The recording was deleted, or given up, while something was done for it."""


class RetryError(Exception):
    """The step failed and may succeed later; `failures` counts how often it has."""

    def __init__(self, failures: int) -> None:
        super().__init__(failures)
        self.failures = failures


@dataclass(frozen=True, slots=True)
class StepOptions:
    """How a recording is read: the configuration that holds where it sets nothing, its longest audio, the fetch."""

    defaults: SessionConfig = field(default_factory=SessionConfig)
    most_seconds: float = 240 * 60.0
    fetch: FetchOptions = field(default_factory=FetchOptions)


class Steps:
    """What there is to do for a recording, on whatever machine."""

    def __init__(
        self,
        recordings: Recordings,
        recognizer: Recognizer,
        options: StepOptions,
        meter_for: MeterFor = _Unmetered,
        *,
        disk: Holdings | None = None,
    ) -> None:
        self._disk = disk or BodyStores(options.fetch.most_bytes).disk
        self._meter_for = meter_for
        self._recordings = recordings
        self._recognizer = recognizer
        self._options = options
        self._habits = _Unhurried()
        self.segments_in_work = 0

    @property
    def is_ready(self) -> bool:
        """Whether the recognizer is there."""
        return self._recognizer.is_ready

    async def fetch(self, recording_id: str, announce: Announce) -> None:
        """Download a recording and cut it; afterwards it is complete, failed, or unwanted.

        All tries together may take as long as one.
        """
        seconds = self._options.fetch.seconds
        options = replace(self._options.fetch, deadline=asyncio.get_running_loop().time() + seconds)
        for pause in (*_FETCH_PAUSES_SECONDS, None):
            recording = await self._recordings.get(recording_id)
            if recording is None or recording.is_received or recording.uri is None:
                return
            try:
                async with fetched(recording.uri, options) as download:
                    await self.take(recording, download.chunks(), download.total_bytes, announce)
            except FetchError as failed:
                if not failed.is_passing or pause is None:
                    await self._give_up(recording_id, failed.error)
                    return
                _log.info("fetch_retried", transcription=recording_id, delay_seconds=pause)
                await asyncio.sleep(pause)
            except DatabaseAwayError:  # the queue tries again
                raise
            except FullError as full:
                if pause is None:
                    await self._give_up(recording_id, full.lasting())
                    return
                _log.info("fetch_retried", transcription=recording_id, delay_seconds=pause)
                await asyncio.sleep(pause)
            except ClientError as error:
                await self._give_up(recording_id, _of_url(error))
                return
            except UnwantedError:
                return

    async def take(
        self,
        recording: Recording,
        chunks: AsyncIterator[bytes],
        total_bytes: int | None,
        announce: Announce,
        *,
        file: BinaryIO | None = None,
    ) -> None:
        """Cut a recording as it arrives, to its end; raises ClientError for what is no audio, or UnwantedError.

        `file` has all of it, where there is one; otherwise some kinds are copied to disk, or FullError is raised.

        Its audio is counted as it is decoded, so that what is cut off counts too, and once however often it is sent.
        """
        counted_seconds = recording.counted_samples / SAMPLE_RATE
        meter = self._meter_for(recording.owner, recording.minutes, counted_seconds)
        intake = _Intake(self._recordings, recording, total_bytes, announce, meter)
        cutter = Cutter(
            self._options.defaults.with_message(recording.config, audio_began=False),
            self._options.most_seconds,
            file=file,
        )
        copy = self._disk.open(recording.owner)
        try:
            async for chunk in chunks:
                if cutter.copies_to_disk:
                    copy.require(max(total_bytes or 0, intake.received_bytes + len(chunk)))
                # Decoding and the VAD take about 1 ms of CPU a second of sound: not in the event loop.
                segments = await asyncio.to_thread(_cut, cutter, chunk)
                await intake.add(segments, len(chunk), cutter.position)
            if not intake.received_bytes:
                raise ClientError(Problem.INVALID_AUDIO, _EMPTY)
            rest = cutter.flush()
            # A recording that is decoded as a whole has all of its segments here.
            while segments := await asyncio.to_thread(_some, rest):
                await intake.add(segments, 0, cutter.position)
            await self._recordings.complete(recording.id, intake.received_bytes, cutter.position)
        finally:
            position = cutter.position
            cutter.close()
            copy.close()
            await intake.settle(position)

    async def recognize(self, key: SegmentKey) -> None:
        """Settle a segment, unless it is; raises RetryError when the recognizer could not."""
        wanted = await self._recordings.segment(key)
        if wanted is None:
            return
        segment, options = wanted
        options = replace(options, session_id=key[0], is_file=True, interim_results=False)
        self.segments_in_work += 1
        try:
            await self._wait_for_recognizer()
            settled = await recognize_segment(self._recognizer, segment, options, _LIMITS, self._habits)
        except SegmentFailedError:
            await self._count_failure(key)
        else:
            await self._recordings.settle(key, settled)
        finally:
            self.segments_in_work -= 1

    async def _count_failure(self, key: SegmentKey) -> None:
        failures = await self._recordings.failed_once_more(key)
        _log.warning("segment_failed", transcription=key[0], number=key[1], failures=failures)
        if failures < _MOST_FAILURES:
            raise RetryError(failures)
        detail = f"the recognizer failed {failures} times on one part of the recording; try again later"
        await self._give_up(key[0], ClientError(Problem.RECOGNIZER_FAILED, detail))

    async def _wait_for_recognizer(self) -> None:
        deadline = asyncio.get_running_loop().time() + _READY_SECONDS
        while not self._recognizer.is_ready:
            if asyncio.get_running_loop().time() > deadline:
                raise SegmentFailedError("the recognizer is not ready")
            await asyncio.sleep(_READY_POLL_SECONDS)

    async def _give_up(self, recording_id: str, error: ClientError) -> None:
        _log.warning("recording_failed", transcription=recording_id, type=error.problem.value.type)
        await self._recordings.fail(recording_id, error)


def _of_url(error: ClientError) -> ClientError:
    """Say what the URL answered where the client may expect audio at it."""
    match error:
        case TextError(problem=problem, excerpt=excerpt):
            return ClientError(problem, f"the URL answered text: {excerpt}")
        case ClientError(problem=problem, detail=detail) if detail == _EMPTY:
            return ClientError(problem, "the URL answered nothing; the audio is empty")
        case _:
            return error


class _Unhurried(Habits):
    """Learns no pace: a segment may have to wait for live speech, however fast the one before was answered."""

    def took(self, seconds: float) -> None:
        pass

    def final_took(self, seconds: float) -> None:
        pass


def _cut(cutter: Cutter, data: bytes) -> list[Segment]:
    return list(cutter.push(data))


def _some(segments: Iterator[Segment]) -> list[Segment]:
    return list(islice(segments, _SEGMENTS_AT_ONCE))


class _Intake:
    """Keeps what is cut of one recording, and how far it has come."""

    def __init__(
        self, recordings: Recordings, recording: Recording, total_bytes: int | None, announce: Announce, meter: Meter
    ) -> None:
        self.received_bytes = 0
        self._meter = meter
        self._counted_to = 0
        self._recordings = recordings
        self._recording = recording
        self._total_bytes = total_bytes
        self._announce = announce
        self._noted_bytes = -_NOTED_BYTES

    async def add(self, segments: Sequence[Segment], more_bytes: int, position: int) -> None:
        self.received_bytes += more_bytes
        if segments or self.received_bytes - self._noted_bytes >= _NOTED_BYTES:
            self._noted_bytes = self.received_bytes
            await self._note(position)
        if segments:
            numbers = await self._recordings.add(self._recording.id, segments)
            await self._announce([(self._recording.id, number) for number in numbers])

    async def _note(self, position: int) -> None:
        is_wanted = await self._recordings.received(
            self._recording.id, self.received_bytes, self._total_bytes, position
        )
        if not is_wanted:
            raise UnwantedError
        await self._meter.add(await self._uncounted(position) / SAMPLE_RATE)

    async def settle(self, position: int) -> None:
        """Count what was decoded since the last note, of whatever became of the recording."""
        try:
            with suppress(ClientError):  # the day's minutes: all that is left to do is to count
                await self._meter.add(await self._uncounted(position) / SAMPLE_RATE)
        finally:
            await self._meter.settle()

    async def _uncounted(self, position: int) -> int:
        """Return how many samples up to `position` were not counted yet, neither now nor in an earlier upload."""
        before, self._counted_to = self._counted_to, max(self._counted_to, position)
        if before >= position:
            return 0
        try:
            counted = await self._recordings.count(self._recording.id, position)
        except ClientError:  # without the database nobody knows of an earlier upload
            counted = None
        return position - before if counted is None else counted
