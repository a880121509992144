"""The intake of one recording: its segments and its progress are stored, and its audio is counted, as it arrives."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Protocol

from stream.errors import ClientError
from stream.recordings.segmentation import Segment
from vad import SAMPLE_RATE
from web.store.recordings import Recording, Recordings, SegmentKey

# How often the progress of what arrives is stored.
_PROGRESS_BYTES = 1 << 20

Announce = Callable[[Sequence[SegmentKey]], Awaitable[None]]
"""Tells a queue which segments are to be recognized."""


class Meter(Protocol):
    """Counts the audio of one recording, in seconds, while it is decoded."""

    async def add(self, seconds: float) -> None:
        """Add more audio; raises ClientError if the owner may have no more."""
        ...

    async def settle(self) -> None:
        """Count the rest; never refuses."""
        ...


MeterFor = Callable[[str, float | None, float], Meter]
"""Makes the meter of a recording: of its owner, the minutes of their day, and the seconds that were counted before."""


class Unmetered:
    """A meter that counts nothing."""

    def __init__(self, *_: object) -> None:
        pass

    async def add(self, _: float) -> None:
        pass

    async def settle(self) -> None:
        pass


class UnwantedError(Exception):
    """The recording was deleted or given up while it arrived."""


class Intake:
    """Stores the segments of one recording, and how much of it has arrived."""

    def __init__(
        self, recordings: Recordings, recording: Recording, total_bytes: int | None, announce: Announce, meter: Meter
    ) -> None:
        self.received_bytes = 0
        self._meter = meter
        self._counted_to_samples = 0
        self._recordings = recordings
        self._recording = recording
        self._total_bytes = total_bytes
        self._announce = announce
        self._stored_bytes = -_PROGRESS_BYTES

    async def add(self, segments: Sequence[Segment], more_bytes: int, position_samples: int) -> None:
        """Add bytes that arrived, and the segments that were cut of them; the audio is decoded up to the position.

        Raises UnwantedError, or ClientError if the owner has used up the minutes of the day.
        """
        self.received_bytes += more_bytes
        if segments or self.received_bytes - self._stored_bytes >= _PROGRESS_BYTES:
            self._stored_bytes = self.received_bytes
            await self._store_progress(position_samples)
        if segments:
            numbers = await self._recordings.add(self._recording.id, segments)
            await self._announce([(self._recording.id, number) for number in numbers])

    async def settle(self, position_samples: int) -> None:
        """Count the audio that was decoded since the progress was last stored, whatever became of the recording."""
        try:
            with suppress(ClientError):  # the day's minutes are used up; the audio is counted all the same
                await self._count(position_samples)
        finally:
            await self._meter.settle()

    async def _store_progress(self, position_samples: int) -> None:
        is_wanted = await self._recordings.received(
            self._recording.id, self.received_bytes, self._total_bytes, position_samples
        )
        if not is_wanted:
            raise UnwantedError
        await self._count(position_samples)

    async def _count(self, position_samples: int) -> None:
        await self._meter.add(await self._uncounted_samples(position_samples) / SAMPLE_RATE)

    async def _uncounted_samples(self, position_samples: int) -> int:
        """Return how many samples up to the position were counted neither now nor in an earlier upload."""
        before, self._counted_to_samples = self._counted_to_samples, max(self._counted_to_samples, position_samples)
        if before >= position_samples:
            return 0
        try:
            counted = await self._recordings.count(self._recording.id, position_samples)
        except ClientError:  # the database is away, so that an earlier upload is not known
            counted = None
        return position_samples - before if counted is None else counted
