"""The steps of recognizing a long recording; each can be interrupted anywhere and repeated."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import BinaryIO

import structlog

from stream.audio.containers.declaration import TextError
from stream.backoff import Backoff
from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.recognition.recognition import RecognitionLimits
from stream.recognition.recognizer import Recognizer
from stream.recognition.stall import ResponseTimes
from stream.recordings.segmentation import RecordingSegmenter, Segment
from stream.recordings.segments import SegmentFailedError, recognize_segment
from stream.waiting import first_of
from vad import SAMPLE_RATE
from web.fetch.download import FetchError, FetchOptions, fetched
from web.jobs.intake import Announce, Intake, MeterFor, Unmetered, UnwantedError
from web.memory.budget import BodyBudgets, Budget, FullError
from web.store.database.unavailable import DatabaseUnavailableError
from web.store.recordings import Recording, Recordings, SegmentKey

# A segment of a file waits behind all live speech, so that its answer may take long.
_LIMITS = RecognitionLimits(final_seconds=120.0, stall_seconds=60.0)
_MOST_FAILURES = 5
_READY_SECONDS = 600.0
_MOST_FETCH_RETRIES = 3
_FETCH_BACKOFF = Backoff(1.0, 25.0, factor=5.0)
_STEP_BACKOFF = Backoff(1.0, 16.0)
EMPTY_AUDIO = "the audio is empty"
# Each holds at most 30 s of audio.
_SEGMENTS_AT_ONCE = 4
_log = structlog.get_logger()


class RetryError(Exception):
    """The step failed and may succeed later; it has failed `failures` times."""

    def __init__(self, failures: int) -> None:
        super().__init__(failures)
        self.failures = failures

    @property
    def delay_seconds(self) -> float:
        """The pause before the queue repeats the step."""
        return _STEP_BACKOFF.delay_seconds(self.failures - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOptions:
    """How recordings are read: the default configuration, the longest audio, and the limits of a download."""

    defaults: SessionConfig
    most_seconds: float
    fetch: FetchOptions


class Steps:
    """The steps of a recording, with the recognizer and the database of this process."""

    def __init__(
        self,
        recordings: Recordings,
        recognizer: Recognizer,
        options: StepOptions,
        meter_for: MeterFor = Unmetered,
        *,
        disk: Budget | None = None,
    ) -> None:
        self._disk = disk or BodyBudgets(options.fetch.most_bytes).disk
        self._meter_for = meter_for
        self._recordings = recordings
        self._recognizer = recognizer
        self._options = options
        self._habits = _FixedTimeout()
        self.segments_in_work = 0

    async def is_ready_within(self, seconds: float) -> bool:
        """Wait until the recognizer is ready, for `seconds` at most; return whether it is."""
        return await first_of(self._recognizer.ready(), seconds=seconds)

    async def fetch(self, recording_id: str, announce: Announce) -> None:
        """Download a recording and cut it into segments; afterwards it is complete, failed or deleted.

        The time limit is for all tries together.
        """
        seconds = self._options.fetch.seconds
        options = replace(self._options.fetch, deadline=asyncio.get_running_loop().time() + seconds)
        for retries in range(_MOST_FETCH_RETRIES + 1):
            recording = await self._recordings.get(recording_id)
            if recording is None or recording.is_received or recording.uri is None:
                return
            try:
                async with fetched(recording.uri, options) as download:
                    await self.take(recording, download.chunks(), download.total_bytes, announce)
            except FetchError as failed:
                error, is_passing = failed.error, failed.is_passing
            except DatabaseUnavailableError:  # the queue repeats the step
                raise
            except FullError as full:
                error, is_passing = full.lasting(), True
            except ClientError as wrong:
                error, is_passing = _of_url(wrong), False
            except UnwantedError:
                return
            else:
                return
            if not is_passing or retries == _MOST_FETCH_RETRIES:
                await self._give_up(recording_id, error)
                return
            delay_seconds = _FETCH_BACKOFF.delay_seconds(retries)
            _log.info("fetch_retried", transcription=recording_id, delay_seconds=delay_seconds)
            await asyncio.sleep(delay_seconds)

    async def take(
        self,
        recording: Recording,
        chunks: AsyncIterator[bytes],
        total_bytes: int | None,
        announce: Announce,
        *,
        file: BinaryIO | None = None,
    ) -> None:
        """Cut a recording into segments as it arrives; raises ClientError for what is no audio, or UnwantedError.

        `file` has all of it, if there is one; otherwise formats that need a file are copied to disk, and FullError is
        raised if there is no room. Audio is counted as it is decoded, so that an upload that breaks off counts too, and
        only once however often it is repeated.
        """
        counted_seconds = recording.counted_samples / SAMPLE_RATE
        meter = self._meter_for(recording.owner, recording.minutes, counted_seconds)
        intake = Intake(self._recordings, recording, total_bytes, announce, meter)
        segmenter = RecordingSegmenter(
            self._options.defaults.with_message(recording.config, audio_began=False),
            self._options.most_seconds,
            file=file,
        )
        copy = self._disk.open(recording.owner)
        try:
            async for chunk in chunks:
                if segmenter.copies_to_disk:
                    copy.require(max(total_bytes or 0, intake.received_bytes + len(chunk)))
                # Decoding and the VAD take about 1 ms of CPU for a second of audio, too much for the event loop.
                segments = await asyncio.to_thread(_cut, segmenter, chunk)
                await intake.add(segments, len(chunk), segmenter.position)
            if not intake.received_bytes:
                raise ClientError(Problem.INVALID_AUDIO, EMPTY_AUDIO)
            rest = segmenter.flush()
            # A format that is decoded from a complete file has all of its segments here.
            while segments := await asyncio.to_thread(_some, rest):
                await intake.add(segments, 0, segmenter.position)
            await self._recordings.complete(recording.id, intake.received_bytes, segmenter.position)
        finally:
            position = segmenter.position
            segmenter.close()
            copy.close()
            await intake.settle(position)

    async def recognize(self, key: SegmentKey) -> None:
        """Recognize a segment unless it is settled; raises RetryError if the recognizer failed."""
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
        if not await self.is_ready_within(_READY_SECONDS):
            raise SegmentFailedError("the recognizer is not ready")

    async def _give_up(self, recording_id: str, error: ClientError) -> None:
        _log.warning("recording_failed", transcription=recording_id, type=error.problem.value.type)
        await self._recordings.fail(recording_id, error)


def _of_url(error: ClientError) -> ClientError:
    """Return the error with what the URL answered, where the client expects audio at it."""
    match error:
        case TextError(problem=problem, excerpt=excerpt):
            return ClientError(problem, f"the URL answered text: {excerpt}")
        case ClientError(problem=problem, detail=detail) if detail == EMPTY_AUDIO:
            return ClientError(problem, "the URL answered nothing; the audio is empty")
        case _:
            return error


class _FixedTimeout(ResponseTimes):
    """Learns no response times: a segment may wait for live speech, however fast the one before was answered."""

    def took(self, seconds: float) -> None:
        pass

    def final_took(self, seconds: float) -> None:
        pass


def _cut(segmenter: RecordingSegmenter, data: bytes) -> list[Segment]:
    return list(segmenter.push(data))


def _some(segments: Iterator[Segment]) -> list[Segment]:
    return list(islice(segments, _SEGMENTS_AT_ONCE))
