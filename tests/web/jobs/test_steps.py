"""The steps of recordings: interrupted anywhere and repeated, they have the same result."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.recordings.segmentation import RecordingSegmenter, Segment
from stream.session.events import Hypothesis
from tests.hostile.riva.audio import numbered_speech
from tests.stream.audio.encoders import recorded
from tests.support.recognizers import CountingStream, FailingStream, ScriptedRecognizer
from tests.web.jobs.recordings import OWNER, Desk, desk, nobody, segment, step_options
from web.fetch.download import FetchError, FetchOptions
from web.jobs.intake import UnwantedError
from web.jobs.steps import RetryError, Steps
from web.store.recordings import SegmentKey
from web.store.tables import Status

_GROUPS = [4, 5, 3, 6]
SPEECH = numbered_speech(_GROUPS, pause_ms=1500)


pytestmark = pytest.mark.virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


@pytest.fixture
async def office(sqlite_url: str) -> AsyncIterator[Desk]:
    async with desk(sqlite_url) as opened:
        yield opened


def steps_of(office: Desk, recognizer: ScriptedRecognizer | None = None) -> Steps:
    return Steps(office.recordings, recognizer or ScriptedRecognizer(), step_options())


def cut() -> list[Segment]:
    """What the recording is cut into."""
    segmenter = RecordingSegmenter(SessionConfig(), 60)
    segments = [*segmenter.push(SPEECH), *segmenter.flush()]
    segmenter.close()
    assert len(segments) == len(_GROUPS)
    return segments


async def pieces(size: int, until: int = len(SPEECH)) -> AsyncIterator[bytes]:
    for start in range(0, until, size):
        yield SPEECH[start : min(start + size, until)]


class Announced:
    """A queue that only listens."""

    def __init__(self) -> None:
        self.keys: list[SegmentKey] = []

    async def __call__(self, keys: Sequence[SegmentKey]) -> None:
        self.keys += keys


Answer = Callable[[], AsyncIterator[bytes]]


@dataclass
class Host:
    """Another server, as a download shows it: each request gets the next answer, the last one for ever."""

    answers: Sequence[Answer]
    times: list[float] = field(default_factory=list)

    @property
    def requests(self) -> int:
        return len(self.times)

    @asynccontextmanager
    async def fetched(self, uri: str, options: FetchOptions) -> AsyncIterator["Host"]:
        self.times.append(now())
        yield self

    @property
    def total_bytes(self) -> int:
        return len(SPEECH)

    def chunks(self) -> AsyncIterator[bytes]:
        return self.answers[min(self.requests, len(self.answers)) - 1]()


def passing() -> FetchError:
    return FetchError(ClientError(Problem.INVALID_AUDIO, "not now"), is_passing=True)


async def whole() -> AsyncIterator[bytes]:
    async for piece in pieces(1 << 16):
        yield piece


async def broken_off() -> AsyncIterator[bytes]:
    async for piece in pieces(1 << 16, len(SPEECH) // 2):
        yield piece
    raise passing()


async def busy() -> AsyncIterator[bytes]:
    raise passing()
    yield b""


async def missing() -> AsyncIterator[bytes]:
    raise FetchError(ClientError(Problem.INVALID_AUDIO, "not there"))
    yield b""


async def damaged() -> AsyncIterator[bytes]:
    yield b"fLaC" + b"\x01" * 70_000


async def page() -> AsyncIterator[bytes]:
    yield b'{"error": "no such\n file"}'


async def nothing() -> AsyncIterator[bytes]:
    for _ in ():
        yield b""


async def film() -> AsyncIterator[bytes]:
    yield recorded(SPEECH, "mov", "pcm_s16le", 16_000)


async def changed() -> AsyncIterator[bytes]:
    yield SPEECH[32_000:]


@pytest.fixture
def hosting(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Host]:
    """Answer so whatever is fetched; with a real server it is done in tests/web/rest and tests/web/fetch."""

    def host(*answers: Answer) -> Host:
        made = Host(answers)
        monkeypatch.setattr("web.jobs.steps.fetched", made.fetched)
        return made

    return host


URI = "https://host.test/a.wav"


@pytest.mark.parametrize("size", [4093, 1 << 16])
async def test_segments_are_announced_once_while_a_recording_arrives(office: Desk, size: int) -> None:
    recording, announced = await office.recording(), Announced()
    await steps_of(office).take(recording, pieces(size), len(SPEECH), announced)
    assert announced.keys == [(recording.id, number) for number in range(1, len(_GROUPS) + 1)]
    kept = [await office.recordings.segment(key) for key in announced.keys]
    assert [one[0] for one in kept if one is not None] == cut()
    result = (await office.get(recording.id)).summary
    assert (result.received_bytes, result.received_samples, result.is_received) == (len(SPEECH), len(SPEECH) // 2, True)


async def test_a_recording_that_arrives_again_goes_on_where_it_was(office: Desk) -> None:
    recording, first, second = await office.recording(), Announced(), Announced()
    steps = steps_of(office)
    with pytest.raises(asyncio.CancelledError):
        await steps.take(recording, cancelled_at(len(SPEECH) * 2 // 3), len(SPEECH), first)
    assert 0 < len(first.keys) < len(_GROUPS)
    await steps.recognize(first.keys[0])
    await steps.take(recording, pieces(4096), len(SPEECH), second)
    assert second.keys == [(recording.id, number) for number in range(2, len(_GROUPS) + 1)]
    for key in second.keys:
        await steps.recognize(key)
    result = await office.get(recording.id)
    assert result.summary.status is Status.DONE
    assert [(one.number, one.start, one.end) for one in result.utterances] == [
        (s.number, s.start_samples, s.end_samples) for s in cut()
    ]


async def cancelled_at(end: int) -> AsyncIterator[bytes]:
    async for piece in pieces(4096, end):
        yield piece
    raise asyncio.CancelledError


async def test_a_deleted_recording_is_not_read_further(office: Desk) -> None:
    recording = await office.recording()

    async def deleted() -> AsyncIterator[bytes]:
        yield SPEECH[: len(SPEECH) // 2]
        await office.transcriptions.delete(recording.id, OWNER)
        yield SPEECH[len(SPEECH) // 2 :]
        raise AssertionError("it was read on")

    with pytest.raises(UnwantedError):
        await steps_of(office).take(recording, deleted(), len(SPEECH), nobody)


async def test_a_segment_is_settled_once_with_times_of_the_recording(office: Desk) -> None:
    recognizer = ScriptedRecognizer()
    (key,) = await office.filled(1)
    await steps_of(office, recognizer).recognize(key)
    await steps_of(office, recognizer).recognize(key)
    result = await office.get(key[0])
    assert result.summary.status is Status.DONE
    (words,) = [one.alternatives[0].words for one in result.utterances]
    assert [(word.word, word.start_time, word.end_time) for word in words] == [("w0", 1.0, 1.25), ("w1", 1.25, 1.5)]
    (stream,) = recognizer.streams
    assert stream.pcm == segment(1).pcm
    assert (stream.options.session_id, stream.options.is_file) == (key[0], True)
    assert not stream.options.interim_results


async def test_five_failures_of_a_segment_fail_the_recording(office: Desk) -> None:
    steps = steps_of(office, ScriptedRecognizer(script=[FailingStream]))
    keys = await office.filled(2)
    for failures in (1, 2, 3, 4):
        with pytest.raises(RetryError) as failed:
            await steps.recognize(keys[0])
        assert failed.value.failures == failures
    await steps.recognize(keys[0])
    result = (await office.get(keys[0][0])).summary
    assert result.status is Status.FAILED
    assert result.error is not None
    assert result.error.problem is Problem.RECOGNIZER_FAILED
    assert result.error.detail == "the recognizer failed 5 times on one part of the recording; try again later"
    assert await office.recordings.unsettled(10) == []


async def test_a_recognizer_may_be_unavailable_for_10_minutes(office: Desk) -> None:
    recognizer = ScriptedRecognizer(is_ready=False)
    (key,) = await office.filled(1)
    step = asyncio.create_task(steps_of(office, recognizer).recognize(key))
    await asyncio.sleep(599)
    assert not step.done()
    assert recognizer.streams == []
    recognizer.is_ready = True
    await step
    assert (await office.get(key[0])).summary.status is Status.DONE


async def test_a_recognizer_that_is_away_for_longer_is_a_failure(office: Desk) -> None:
    (key,) = await office.filled(1)
    began = now()
    with pytest.raises(RetryError):
        await steps_of(office, ScriptedRecognizer(is_ready=False)).recognize(key)
    assert now() - began == pytest.approx(600, abs=0.25)


async def test_a_segment_waits_a_minute_for_live_speech(office: Desk) -> None:
    recognizer = ScriptedRecognizer(script=[*[CountingStream] * 6, SlowStream])
    steps = steps_of(office, recognizer)
    for key in await office.filled(7):
        await steps.recognize(key)
    assert len(recognizer.streams) == 7
    assert not any(stream.is_stalled for stream in recognizer.streams)


class SlowStream(CountingStream):
    """Answers after almost a minute."""

    async def hypotheses(self) -> AsyncIterator[Hypothesis]:
        await asyncio.sleep(59)
        async for hypothesis in super().hypotheses():
            yield hypothesis


async def test_a_recording_is_fetched_whatever_passing_trouble_there_is(
    office: Desk, hosting: Callable[..., Host]
) -> None:
    host = hosting(broken_off, busy, busy, whole)
    recording, announced = await office.recording(URI), Announced()
    await steps_of(office).fetch(recording.id, announced)
    assert [at - host.times[0] for at in host.times] == [0, 1, 6, 31]
    assert {number for _, number in announced.keys} == set(range(1, len(_GROUPS) + 1))
    assert len(await office.recordings.unsettled(10)) == len(_GROUPS)
    assert await office.recordings.unread() == []
    # Another process that took it for unread has nothing to do.
    await steps_of(office).fetch(recording.id, nobody)
    assert host.requests == 4


@pytest.mark.parametrize(("answer", "requests"), [(missing, 1), (busy, 4), (damaged, 1)])
async def test_what_cannot_be_fetched_fails(
    office: Desk, hosting: Callable[..., Host], answer: Answer, requests: int
) -> None:
    host = hosting(answer)
    recording = await office.recording(URI)
    await steps_of(office).fetch(recording.id, nobody)
    assert host.requests == requests
    result = (await office.get(recording.id)).summary
    assert result.error is not None
    assert (result.status, result.error.problem) == (Status.FAILED, Problem.INVALID_AUDIO)


@pytest.mark.parametrize(
    ("answer", "problem", "detail"),
    [
        (page, Problem.UNSUPPORTED_MEDIA, 'the URL answered text: {"error": "no such file"}'),
        (nothing, Problem.INVALID_AUDIO, "the URL answered nothing; the audio is empty"),
    ],
)
async def test_a_url_that_answers_no_audio_is_told(
    office: Desk, hosting: Callable[..., Host], answer: Answer, problem: Problem, detail: str
) -> None:
    hosting(answer)
    recording = await office.recording(URI)
    await steps_of(office).fetch(recording.id, nobody)
    error = (await office.get(recording.id)).summary.error
    assert error is not None
    assert (error.problem, error.detail) == (problem, detail)


async def test_a_film_with_a_late_index_is_cut_like_its_audio(office: Desk, hosting: Callable[..., Host]) -> None:
    hosting(film)
    recording, announced = await office.recording(URI), Announced()
    await steps_of(office).fetch(recording.id, announced)
    assert len(announced.keys) == len(_GROUPS)
    result = (await office.get(recording.id)).summary
    assert result.received_samples == pytest.approx(len(SPEECH) // 2, abs=1600)


async def test_a_recording_that_is_too_long_fails(office: Desk, hosting: Callable[..., Host]) -> None:
    hosting(whole)
    recording = await office.recording(URI)
    steps = Steps(office.recordings, ScriptedRecognizer(), step_options(most_seconds=6.0))
    await steps.fetch(recording.id, nobody)
    error = (await office.get(recording.id)).summary.error
    assert error is not None
    assert (error.problem, error.detail) == (Problem.TOO_LARGE, "the audio is longer than 0.1 minutes")


async def test_a_recording_that_was_changed_between_two_fetches_fails(
    office: Desk, hosting: Callable[..., Host]
) -> None:
    hosting(broken_off, changed)
    recording = await office.recording(URI)
    await steps_of(office).fetch(recording.id, nobody)
    error = (await office.get(recording.id)).summary.error
    assert isinstance(error, ClientError)
    assert error.detail == "the audio was changed while it was being transcribed"


async def test_a_deleted_recording_is_not_fetched(office: Desk, hosting: Callable[..., Host]) -> None:
    host = hosting(whole)
    recording = await office.recording(URI)
    await office.transcriptions.delete(recording.id, OWNER)
    await steps_of(office).fetch(recording.id, nobody)
    assert host.requests == 0
