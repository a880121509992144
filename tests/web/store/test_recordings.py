"""Recordings in the database: any step may be repeated, and each segment is settled once."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from stream.errors import ClientError, Problem
from stream.session.events import Alternative, Hypothesis, Reason, RecognitionOptions, Settled, Word
from tests.support.tiers import examples
from tests.web.jobs.recordings import OWNER, Desk, desk, segment
from web.store.recordings import Recording
from web.store.tables import Status, utterances
from web.store.transcriptions import Transcription, new_id

NUMBERS = range(1, 5)
Action = tuple[str, tuple[int, ...]]
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(st.sampled_from(NUMBERS), unique=True, max_size=4).map(tuple)),
        st.tuples(st.just("settle"), st.sampled_from(NUMBERS).map(lambda number: (number,))),
        st.tuples(st.just("complete"), st.just(())),
    ),
    max_size=14,
)


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[Desk]:
    async with desk(database_url) as opened:
        yield opened


def said(number: int, word: str = "word") -> Settled:
    """What a recognizer made of a segment."""
    whole = segment(number)
    words = (Word(word, whole.start_samples, whole.end_samples, 0.5),)
    hypothesis = Hypothesis((Alternative(words, 0.5),), is_final=True)
    return Settled(number, hypothesis, Reason.ENDPOINT, whole.end_samples, 0.25, False, whole.start_samples)


def fault_of(result: Transcription) -> tuple[Problem, str | None] | None:
    error = result.summary.error
    return None if error is None else (error.problem, error.detail)


class Model:
    """What the database should hold of one recording."""

    def __init__(self) -> None:
        self.added: set[int] = set()
        self.settled: dict[int, str] = {}
        self.is_received = self.is_done = False

    @property
    def left(self) -> set[int]:
        return self.added - set(self.settled)

    def end(self) -> None:
        self.is_done = self.is_done or (self.is_received and not self.left)


@settings(examples(12, 200), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=ACTIONS)
async def test_any_order_and_repetition_settles_each_segment_once(office: Desk, actions: list[Action]) -> None:
    model, words = Model(), itertools.count()
    recording_id = (await office.recording()).id
    for action, numbers in actions:
        match action:
            case "add":
                open_numbers = await office.recordings.add(recording_id, [segment(number) for number in numbers])
                model.added |= set() if model.is_done else set(numbers)
                assert sorted(open_numbers) == sorted(model.left & set(numbers))
            case "settle":
                (number,) = numbers
                word = f"word{next(words)}"
                is_first = not model.is_done and number in model.left
                assert await office.recordings.settle((recording_id, number), said(number, word)) is is_first
                model.settled |= {number: word} if is_first else {}
            case _:
                await office.recordings.complete(recording_id, 7, 99)
                model.is_received = True
        if model.is_received:
            model.end()
        result = await office.get(recording_id)
        assert (result.summary.status is Status.DONE) is model.is_done
        assert {one.number: one.alternatives[0].transcript for one in result.utterances} == model.settled
        left = {number for id_, number in await office.recordings.unsettled(1000) if id_ == recording_id}
        assert left == model.left
        assert result.summary.inference_seconds == pytest.approx(0.25 * len(model.settled))


async def test_what_happens_at_once_counts_once(office: Desk) -> None:
    recording_id = (await office.recording()).id
    segments = [segment(number) for number in range(1, 9)]
    added = await asyncio.gather(*(office.recordings.add(recording_id, segments) for _ in range(4)))
    assert added == [[1, 2, 3, 4, 5, 6, 7, 8]] * 4
    keys = [(recording_id, number) for number in range(1, 9)]
    *counted, _ = await asyncio.gather(
        *(office.recordings.settle(key, said(key[1])) for key in keys * 3),
        office.recordings.complete(recording_id, 7, 99),
    )
    assert counted.count(True) == 8
    result = await office.get(recording_id)
    assert result.summary.status is Status.DONE
    assert result.summary.inference_seconds == 2.0


async def test_a_recording_comes_back_as_it_was_opened(office: Desk) -> None:
    options = RecognitionOptions("fa-IR", max_alternatives=3, phrases=("سلام",), boost=3.5, closed_vocabulary=True)
    config = {"model": "default", "extended": True}
    recording = Recording(
        id=new_id(), owner=OWNER, uri="https://host.test/a.wav", config=config, options=options, whole_seconds=True
    )
    await office.recordings.open(recording)
    assert await office.recordings.get(recording.id) == recording
    assert await office.recordings.unread() == [(recording.id, recording.owner)]
    await office.recordings.add(recording.id, [segment(1)])
    assert await office.recordings.segment((recording.id, 1)) == (segment(1), options)


async def test_the_state_tells_how_far_a_recording_is(office: Desk) -> None:
    recordings = office.recordings
    recording_id = (await office.recording("https://host.test/a.wav")).id
    states = [(await office.get(recording_id)).summary]
    assert await recordings.received(recording_id, 100, 300, 16_000)
    states.append((await office.get(recording_id)).summary)
    await recordings.add(recording_id, [segment(1)])
    await recordings.settle((recording_id, 1), said(1))
    states.append((await office.get(recording_id)).summary)
    await recordings.complete(recording_id, 300, 48_000)
    states.append((await office.get(recording_id)).summary)
    assert [one.status for one in states] == [Status.QUEUED, Status.PROCESSING, Status.PARTIAL, Status.DONE]
    assert [(one.received_bytes, one.total_bytes) for one in states] == [(0, None), (100, 300), (100, 300), (300, 300)]
    assert [one.received_samples for one in states] == [0, 16_000, 16_000, 48_000]
    assert await recordings.get(recording_id) is None
    assert not await recordings.received(recording_id, 1, 1, 1)


async def test_a_recording_without_speech_is_done_when_it_has_arrived(office: Desk) -> None:
    recording_id = (await office.recording()).id
    assert await office.recordings.add(recording_id, []) == []
    await office.recordings.complete(recording_id, 300, 48_000)
    assert (await office.get(recording_id)).summary.status is Status.DONE


async def test_sound_is_kept_until_it_is_settled_and_no_longer(office: Desk) -> None:
    first, second = [(await office.recording()).id for _ in range(2)]
    for recording_id in (first, second):
        await office.recordings.add(recording_id, [segment(1), segment(2)])
        await office.recordings.settle((recording_id, 1), said(1))
    await office.recordings.fail(second, ClientError(Problem.RECOGNIZER_FAILED, "it fell over"))
    assert await office.recordings.add(second, [segment(3)]) == []
    async with office.database.reading() as connection:
        columns = utterances.c
        rows = await connection.execute(
            select(columns.transcription_id, columns.number).where(columns.pcm.is_not(None))
        )
        assert [tuple(row) for row in rows] == [(first, 2)]
    result = await office.get(second)
    assert fault_of(result) == (Problem.RECOGNIZER_FAILED, "it fell over")
    assert [one.number for one in result.utterances] == [1]
    assert await office.recordings.segment((second, 2)) is None
    assert not await office.recordings.settle((second, 2), said(2))
    assert (await office.get(second)).summary.status is Status.FAILED


async def test_a_recording_that_was_changed_is_refused(office: Desk) -> None:
    recording_id = (await office.recording()).id
    await office.recordings.add(recording_id, [segment(1), segment(2)])
    await office.recordings.settle((recording_id, 1), said(1))
    changed = replace(segment(1), pcm=segment(2).pcm)
    with pytest.raises(ClientError) as refused:
        await office.recordings.add(recording_id, [changed])
    assert refused.value.detail == "the audio was changed while it was being transcribed"


async def test_the_first_segments_of_all_recordings_come_first(office: Desk) -> None:
    keys = [key for _ in range(3) for key in await office.filled(3)]
    recordings = list(dict.fromkeys(recording_id for recording_id, _ in keys))
    expected = [(recording_id, number) for number in (1, 2, 3) for recording_id in recordings]
    assert await office.recordings.unsettled(9) == expected
    assert await office.recordings.unsettled(4) == expected[:4]
    assert await office.recordings.unsettled(2, expected[1:4]) == [expected[0], expected[4]]


async def test_failures_of_a_segment_are_counted(office: Desk) -> None:
    keys = await office.filled(2)
    assert [await office.recordings.failed_once_more(keys[0]) for _ in range(3)] == [1, 2, 3]
    assert await office.recordings.failed_once_more(keys[1]) == 1
    assert await office.recordings.failed_once_more((keys[0][0], 77)) == 0


async def test_what_is_deleted_is_wanted_no_more(office: Desk) -> None:
    keys = await office.filled(2)
    recording_id = keys[0][0]
    assert await office.transcriptions.delete(recording_id, OWNER)
    assert await office.recordings.get(recording_id) is None
    assert await office.recordings.segment(keys[0]) is None
    assert await office.recordings.add(recording_id, [segment(3)]) == []
    assert not await office.recordings.settle(keys[0], said(1))
    assert not await office.recordings.received(recording_id, 1, 1, 1)
    assert await office.recordings.unsettled(10) == []


async def test_an_upload_that_never_came_is_given_up(office: Desk, database_url: str) -> None:
    late = (await office.recording()).id
    fetched = (await office.recording("https://host.test/a.wav")).id
    (arrived, _), *_ = await office.filled(1)
    await office.recordings.sweep(60)
    assert (await office.get(late)).summary.status is Status.QUEUED
    office.clock.now += 61
    await office.recordings.sweep(60)
    sentence = "its audio was not uploaded within 60 seconds"
    assert fault_of(await office.get(late)) == (Problem.IDLE_TIMEOUT, sentence)
    for other in (fetched, arrived):
        assert fault_of(await office.get(other)) is None
    # Another process sees the same.
    async with desk(database_url) as elsewhere:
        assert await elsewhere.recordings.get(late) is None


@pytest.mark.fault(32)
async def test_concurrent_requests_cannot_exceed_the_limit(database_url: str) -> None:
    async with AsyncExitStack() as stack:
        offices = [await stack.enter_async_context(desk(database_url)) for _ in range(3)]

        async def opened(number: int) -> bool:
            recording = Recording(id=new_id(), owner=OWNER, uri=None, config={}, options=RecognitionOptions("en-US"))
            try:
                await offices[number % 3].recordings.open(recording, most=5)
            except ClientError as error:
                assert error.problem is Problem.RATE_LIMITED
                assert error.detail == "5 recordings of yours are in work; wait for one to end"
                return False
            return True

        assert sum(await asyncio.gather(*map(opened, range(24)))) == 5
        assert await offices[0].transcriptions.unfinished(OWNER) == 5


async def test_repeated_audio_of_a_recording_counts_once(office: Desk) -> None:
    recording_id = (await office.recording()).id
    assert [await office.recordings.count(recording_id, samples) for samples in (10, 30, 20, 30, 35)] == [
        10,
        20,
        0,
        0,
        5,
    ]
    found = await office.recordings.get(recording_id)
    assert found is not None
    assert found.counted_samples == 35
    assert await office.recordings.count(new_id(), 10) is None
