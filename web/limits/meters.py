"""Meters that count the audio of a stream or a recording towards the minutes that its owner may have in a day."""

from typing import Protocol

# Live audio is counted in milliseconds, and added to the store a second at a time.
_LIVE_STEP_MS = 1000
# A recording is decoded a hundred times as fast as it is spoken, so that larger steps cost fewer calls.
_RECORDED_STEP_MS = 5000


class AudioCounter(Protocol):
    """Counts milliseconds of audio of an owner; the minutes are those that the owner may have in a day."""

    async def count_audio(self, owner: str, milliseconds: int) -> None:
        """Count audio, whatever it adds up to."""
        ...

    async def count_live_audio(self, owner: str, milliseconds: int, minutes: float) -> None:
        """Count audio; raises ClientError if that is more than the minutes of the day."""
        ...

    async def count_recorded_audio(
        self, owner: str, milliseconds: int, own_milliseconds: int, minutes: float | None
    ) -> None:
        """Count audio of a recording, whose whole audio is `own_milliseconds` so far.

        Raises ClientError if the owner's other audio alone uses the day up.
        """
        ...


class LiveMeter:
    """Counts the audio of one live stream."""

    def __init__(self, counter: AudioCounter, owner: str, minutes: float | None) -> None:
        self._counter = counter
        self._owner = owner
        self._minutes = minutes
        self._uncounted_ms = 0.0

    async def add(self, seconds: float) -> None:
        """Add audio that was received; raises ClientError when the day's minutes are used up."""
        if self._minutes is None:
            return
        self._uncounted_ms += 1000 * seconds
        if self._uncounted_ms >= _LIVE_STEP_MS:
            milliseconds = int(self._uncounted_ms)
            self._uncounted_ms -= milliseconds
            await self._counter.count_live_audio(self._owner, milliseconds, self._minutes)

    async def settle(self) -> None:
        """Count the rest at the end of the stream."""
        rest_ms, self._uncounted_ms = self._uncounted_ms, 0.0
        await self._counter.count_audio(self._owner, round(rest_ms))


class RecordingMeter:
    """Counts the audio of one recording while it is decoded, so that an upload that breaks off counts too.

    A recording that began within the day's minutes may exceed them by itself. Beside other recordings of its owner it
    may not: otherwise any number that begin at once would all be accepted.
    """

    def __init__(self, counter: AudioCounter, owner: str, minutes: float | None, counted_seconds: float) -> None:
        """`counted_seconds` of the recording were counted by an earlier upload or download."""
        self._counter = counter
        self._owner = owner
        self._minutes = minutes
        self._own_ms = round(1000 * counted_seconds)
        self._uncounted_ms = 0.0

    async def add(self, seconds: float) -> None:
        """Add audio that was decoded; raises ClientError when other audio has used up the day's minutes meanwhile."""
        self._uncounted_ms += 1000 * seconds
        if self._uncounted_ms >= _RECORDED_STEP_MS:
            milliseconds = int(self._uncounted_ms)
            self._uncounted_ms -= milliseconds
            self._own_ms += milliseconds
            await self._counter.count_recorded_audio(self._owner, milliseconds, self._own_ms, self._minutes)

    async def settle(self) -> None:
        """Count the rest at the end of the recording, however it ended."""
        rest_ms, self._uncounted_ms = self._uncounted_ms, 0.0
        await self._counter.count_audio(self._owner, round(rest_ms))
