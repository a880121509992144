"""Recordings for tests, opened and cut without audio files, and recognizers that count and wait."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from stream.configuration.config import SessionConfig
from stream.recordings.segmentation import Segment
from stream.session.events import Hypothesis, RecognitionOptions
from tests.support.loops.clock import MovableClock
from tests.support.processes import STUCK_SECONDS
from tests.support.recognizers import CountingStream, ScriptedRecognizer
from tests.web.support.gateway import held_while_sqlite_works
from vad import SAMPLE_RATE
from web.fetch.download import FetchOptions
from web.jobs.steps import StepOptions, Steps
from web.store.database.database import Database
from web.store.recordings import Recording, Recordings, SegmentKey
from web.store.tables import Status
from web.store.transcriptions import Transcription, Transcriptions, new_id

OWNER = "local"
DAY_SECONDS = 86_400.0
SEGMENT_SAMPLES = SAMPLE_RATE // 2
_POLL_SECONDS = 0.05


def segment(number: int, mark: int = 0) -> Segment:
    """Half a second in which `CountingStream` recognizes two words; the samples identify it."""
    start = number * SAMPLE_RATE
    pcm = (number + 1000 * mark).to_bytes(2, "little") * SEGMENT_SAMPLES
    return Segment(number=number, channel=0, start_samples=start, end_samples=start + SEGMENT_SAMPLES, pcm=pcm)


@dataclass
class Desk:
    """A database with what works on it."""

    database: Database
    recordings: Recordings
    transcriptions: Transcriptions
    clock: MovableClock

    def steps(self, recognizer: ScriptedRecognizer) -> Steps:
        return Steps(self.recordings, recognizer, step_options())

    async def recording(self, uri: str | None = None) -> Recording:
        """A recording that has just been accepted, later than any other."""
        self.clock.now += 0.001
        recording = Recording(id=new_id(), owner=OWNER, uri=uri, config={}, options=RecognitionOptions("en-US"))
        await self.recordings.open(recording)
        return recording

    async def filled(self, count: int, mark: int = 0) -> list[SegmentKey]:
        """A recording that has arrived, with so many segments, the first with number 1."""
        recording = await self.recording()
        await self.recordings.received(recording.id, 1, None, SAMPLE_RATE)
        numbers = await self.recordings.add(recording.id, [segment(n, mark) for n in range(1, count + 1)])
        await self.recordings.complete(recording.id, 1, (count + 1) * SAMPLE_RATE)
        return [(recording.id, number) for number in numbers]

    async def get(self, recording_id: str) -> Transcription:
        found = await self.transcriptions.get(recording_id, OWNER)
        assert found is not None
        return found

    async def ended(self, recording_id: str) -> Transcription:
        """Wait until a recording is done or failed."""
        async with asyncio.timeout(STUCK_SECONDS):
            while (await self.get(recording_id)).summary.status not in {Status.DONE, Status.FAILED}:
                await asyncio.sleep(_POLL_SECONDS)
        return await self.get(recording_id)


@asynccontextmanager
async def desk(url: str) -> AsyncIterator[Desk]:
    """Work on a database that has all its tables, on the real clock or a virtual one."""
    database = Database(url)
    with held_while_sqlite_works():
        try:
            clock = MovableClock()
            recordings = Recordings(database, DAY_SECONDS, clock=clock)
            yield Desk(database, recordings, Transcriptions(database, DAY_SECONDS, clock=clock), clock)
        finally:
            await database.close()


class GatedRecognizer(ScriptedRecognizer):
    """Counts what it hears, and says nothing while its gate is closed."""

    def __init__(self) -> None:
        super().__init__(script=[self._gated])
        self.gate = asyncio.Event()
        self.gate.set()
        self.most_open = 0
        self._open = 0

    def recognized(self) -> list[int]:
        """The first sample of each stream that has received audio, in order: which segment it was."""
        return [int.from_bytes(stream.pcm[:2], "little") for stream in self.streams if stream.pcm]

    def times(self) -> Counter[int]:
        return Counter(self.recognized())

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(STUCK_SECONDS):
            while not condition():
                await asyncio.sleep(_POLL_SECONDS)

    def _gated(self, options: RecognitionOptions) -> CountingStream:
        return _GatedStream(options, self)


class _GatedStream(CountingStream):
    def __init__(self, options: RecognitionOptions, owner: GatedRecognizer) -> None:
        super().__init__(options)
        self._owner = owner

    async def hypotheses(self) -> AsyncIterator[Hypothesis]:
        owner = self._owner
        owner._open += 1
        owner.most_open = max(owner.most_open, owner._open)
        try:
            await owner.gate.wait()
            async for hypothesis in super().hypotheses():
                yield hypothesis
        finally:
            owner._open -= 1


def step_options(**changed: Any) -> StepOptions:
    """Limits that only the changed ones reach."""
    fetch = FetchOptions(networks=(), most_bytes=1 << 30, seconds=600.0)
    usual: dict[str, Any] = {"defaults": SessionConfig(), "most_seconds": 14_400.0, "fetch": fetch}
    return StepOptions(**(usual | changed))


async def nobody(keys: Sequence[SegmentKey]) -> None:
    """Announce to nobody."""
