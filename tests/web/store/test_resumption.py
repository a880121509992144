"""Transcriptions that are resumed: where they go on, who may store them, and their end when nobody does."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from stream.session.events import Settled
from tests.support.loops.clock import MovableClock
from tests.web.support.utterances import said
from vad import SAMPLE_RATE
from web.jobs.cleanup import ABANDONED_SECONDS, Cleanup
from web.store.database.database import Database
from web.store.recordings import Recordings
from web.store.resumption import Resumption, Resumptions
from web.store.tables import Kind, Status
from web.store.transcriptions import SupersededError, Transcriptions, new_id

DAY_SECONDS = 86_400.0


class Store:
    """The tables of one database."""

    def __init__(self, database: Database) -> None:
        self.clock = MovableClock()
        self.transcriptions = Transcriptions(database, DAY_SECONDS, clock=self.clock)
        self.resumptions = Resumptions(database, clock=self.clock)
        recordings = Recordings(database, DAY_SECONDS, clock=self.clock)
        self.cleanup = Cleanup(self.transcriptions, recordings, ABANDONED_SECONDS)

    async def begun(self, *texts: str) -> str:
        transcription_id = new_id()
        await self.transcriptions.open(transcription_id, "ann", Kind.LIVE, published=("main-stage", 500))
        await self.transcriptions.add(transcription_id, numbered(said(*texts)))
        return transcription_id

    async def resumed(
        self, transcription_id: str, settled_samples: int | None = None, n_channels: int = 1
    ) -> Resumption:
        found = await self.resumptions.find(transcription_id, "ann", settled_samples, n_channels)
        assert found is not None
        return found

    async def texts(self, transcription_id: str) -> list[str]:
        kept = await self.transcriptions.get(transcription_id, "ann")
        assert kept is not None
        return [one.alternatives[0].transcript for one in kept.utterances]


def numbered(settled: Sequence[Settled], first: int = 1) -> list[Settled]:
    return [replace(one, utterance_id=number) for number, one in enumerate(settled, start=first)]


@pytest.fixture
def store(database: Database) -> Store:
    return Store(database)


async def test_a_transcription_goes_on_behind_what_is_stored(store: Store) -> None:
    one = await store.begun("a", "b c")
    found = await store.resumed(one)
    assert (found.origin.samples, found.origin.utterances) == (2 * SAMPLE_RATE, 2)
    assert (found.channel, found.channel_offset_ms, found.hold.generation) == ("main-stage", 500, 1)
    assert [settled.hypothesis.best.transcript for settled in found.origin.settled] == ["a", "b c"]
    assert [(settled.start, settled.processed) for settled in found.origin.settled] == [
        (0, SAMPLE_RATE),
        (SAMPLE_RATE, 2 * SAMPLE_RATE),
    ]


async def test_what_its_client_does_not_have_is_recognized_again(store: Store) -> None:
    one = await store.begun("a", "b", "c")
    found = await store.resumed(one, SAMPLE_RATE)
    assert (found.origin.samples, found.origin.utterances) == (SAMPLE_RATE, 1)
    # Until there is something else, the text stays.
    assert await store.texts(one) == ["a", "b", "c"]
    await store.transcriptions.add(one, numbered(said("", "B C")[1:], 2), found.hold)
    assert await store.texts(one) == ["a", "B C"]


async def test_a_client_that_vanished_was_not_delivered_the_end(store: Store) -> None:
    one = await store.begun("a")
    hold = replace(found.hold, delivered_samples=SAMPLE_RATE) if (found := await store.resumed(one)) else None
    assert hold is not None
    await store.transcriptions.finish(one, numbered(said("a", "b")), 2 * SAMPLE_RATE, 0.0, hold)
    assert (await store.resumed(one)).origin.samples == SAMPLE_RATE
    kept = await store.transcriptions.get(one, "ann")
    assert kept is not None
    assert kept.summary.status is Status.PARTIAL


async def test_of_two_channels_the_one_that_is_behind_counts(store: Store) -> None:
    one = await store.begun("a", "b")
    await store.transcriptions.add(one, [replace(said("c")[0], utterance_id=3, channel=1)])
    found = await store.resumed(one, n_channels=2)
    assert (found.origin.samples, found.origin.utterances) == (SAMPLE_RATE, 3)
    assert (await store.resumed(one, n_channels=1)).origin.samples == 2 * SAMPLE_RATE


@pytest.mark.fault(50)
async def test_only_the_last_connection_stores(store: Store) -> None:
    one = await store.begun("a")
    first, second = await store.resumed(one), await store.resumed(one)
    with pytest.raises(SupersededError):
        await store.transcriptions.add(one, numbered(said("", "b")[1:], 2), first.hold)
    with pytest.raises(SupersededError):
        await store.transcriptions.finish(one, numbered(said("a", "b")), 1, 0.0)
    await store.transcriptions.finish(one, numbered(said("a", "c")), 2 * SAMPLE_RATE, 0.0, second.hold)
    assert await store.texts(one) == ["a", "c"]


async def test_who_only_looks_takes_nothing(store: Store) -> None:
    one = await store.begun("a")
    assert await store.resumptions.find(one, "ann", None, 1, takes=False) is not None
    await store.transcriptions.add(one, numbered(said("", "b")[1:], 2))
    assert await store.texts(one) == ["a", "b"]


async def test_nothing_of_others_or_expired_or_deleted_is_resumed(store: Store) -> None:
    one = await store.begun("a")
    assert await store.resumptions.find(one, "bob", None, 1) is None
    store.clock.now += DAY_SECONDS + 1
    assert await store.resumptions.find(one, "ann", None, 1) is None
    store.clock.now -= DAY_SECONDS
    await store.transcriptions.delete(one, "ann")
    assert await store.resumptions.find(one, "ann", None, 1) is None


@pytest.mark.fault(50)
async def test_a_transcription_that_no_gateway_touches_is_finished(store: Store) -> None:
    left, served = await store.begun("a", "b"), await store.begun("c")
    for _ in range(5):
        store.clock.now += 20
        await store.resumptions.touch([served])
        await store.cleanup.clean()
    states = {}
    for one in (left, served):
        kept = await store.transcriptions.get(one, "ann")
        assert kept is not None
        states[one] = kept.summary.status, kept.summary.received_samples
    assert states == {left: (Status.DONE, 2 * SAMPLE_RATE), served: (Status.PARTIAL, 0)}
