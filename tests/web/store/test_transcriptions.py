import asyncio
from dataclasses import replace

import pytest

from tests.support.loops.clock import MovableClock
from tests.web.support.utterances import said
from web.jobs.cleanup import Cleanup
from web.store.database.database import Database
from web.store.recordings import Recordings
from web.store.tables import Kind, Status
from web.store.transcriptions import Transcriptions, new_id

_DAY_SECONDS = 86_400.0


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


async def begun(transcriptions: Transcriptions, owner: str = "ann", kind: Kind = Kind.LIVE) -> str:
    transcription_id = new_id()
    await transcriptions.open(transcription_id, owner, kind)
    return transcription_id


async def test_an_utterance_that_is_added_twice_is_stored_once(database: Database, clock: MovableClock) -> None:
    transcriptions = Transcriptions(database, _DAY_SECONDS, clock=clock)
    one = await begun(transcriptions)
    await transcriptions.add(one, said("first", "second"))
    await transcriptions.add(one, said("other", "words", "third"))
    await transcriptions.finish(one, said("more", "words", "still", "fourth"), 5 * 16_000, 0.5)
    kept = await transcriptions.get(one, "ann")
    assert kept is not None
    assert [utterance.alternatives[0].transcript for utterance in kept.utterances] == [
        "first", "second", "third", "fourth",
    ]  # fmt: skip
    assert kept.summary.status is Status.DONE
    assert (kept.summary.received_samples, kept.summary.inference_seconds) == (5 * 16_000, 0.5)


async def test_utterances_come_by_their_begin_whatever_their_numbers(database: Database, clock: MovableClock) -> None:
    transcriptions = Transcriptions(database, _DAY_SECONDS, clock=clock)
    one = await begun(transcriptions)
    first, second, third, fourth = said("a", "b", "c", "d")
    # The sound before the onset makes the begin of the second one earlier than that of the first.
    settled = [replace(third, start=5), replace(first, start=20), replace(second, start=10, channel=1)]
    await transcriptions.finish(one, [*settled, replace(fourth, start=10)], 30, 0.1)
    kept = await transcriptions.get(one, "ann")
    assert kept is not None
    assert [utterance.alternatives[0].transcript for utterance in kept.utterances] == ["c", "d", "b", "a"]


async def test_nobody_else_sees_or_deletes_it(database: Database, clock: MovableClock) -> None:
    transcriptions = Transcriptions(database, _DAY_SECONDS, clock=clock)
    one = await begun(transcriptions)
    assert await transcriptions.get(one, "bob") is None
    assert not await transcriptions.delete(one, "bob")
    assert await transcriptions.newest("bob", 10) == []
    assert await transcriptions.delete(one, "ann")
    assert await transcriptions.get(one, "ann") is None


async def test_what_was_deleted_is_not_filled_again(database: Database, clock: MovableClock) -> None:
    transcriptions = Transcriptions(database, _DAY_SECONDS, clock=clock)
    one = await begun(transcriptions)
    await transcriptions.delete(one, "ann")
    await transcriptions.add(one, said("late"))
    await transcriptions.finish(one, said("late"), 1, 0.0)
    assert await transcriptions.get(one, "ann") is None


async def test_cleanup_deletes_expired_and_closes_abandoned_transcriptions(
    database: Database, clock: MovableClock
) -> None:
    transcriptions = Transcriptions(database, _DAY_SECONDS, clock=clock)
    cleanup = Cleanup(transcriptions, Recordings(database, _DAY_SECONDS, clock=clock), abandoned_seconds=3600)
    left_open = await begun(transcriptions)
    finished = await begun(transcriptions)
    await transcriptions.finish(finished, said("done"), 1, 0.0)
    await cleanup.clean()
    fresh = await transcriptions.get(left_open, "ann")
    assert fresh is not None
    assert fresh.summary.status is Status.PROCESSING
    clock.now += 3601
    await cleanup.clean()
    closed = await transcriptions.get(left_open, "ann")
    assert closed is not None
    assert closed.summary.status is Status.DONE
    day_before, clock.now = clock.now, clock.now + _DAY_SECONDS
    assert await transcriptions.get(finished, "ann") is None
    await cleanup.clean()
    clock.now = day_before
    assert await transcriptions.newest("ann", 10) == []


@pytest.mark.virtual_time
async def test_cleanup_continues_after_the_database_was_unavailable(
    sqlite_url: str, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(sqlite_url)
    transcriptions = Transcriptions(database, _DAY_SECONDS, clock=clock)
    cleanup = Cleanup(transcriptions, Recordings(database, _DAY_SECONDS, clock=clock), abandoned_seconds=3600)
    loop, cleared = asyncio.get_running_loop(), list[float]()

    async def clear() -> None:
        cleared.append(loop.time())
        if len(cleared) == 1:
            raise OSError("away")

    monkeypatch.setattr(cleanup, "clean", clear)
    clearing = asyncio.create_task(cleanup.run())
    await asyncio.sleep(150)
    clearing.cancel()
    await asyncio.gather(clearing, return_exceptions=True)
    assert [at - cleared[0] for at in cleared] == [0, 60, 120]


async def test_the_list_is_ordered_newest_first(database: Database, clock: MovableClock) -> None:
    transcriptions = Transcriptions(database, _DAY_SECONDS, clock=clock)
    ids = {await begun(transcriptions) for _ in range(7)}
    listed: list[str] = []
    before = None
    while page := await transcriptions.newest("ann", 2, before):
        listed += [summary.id for summary in page]
        assert len(listed) <= 7
        before = page[-1].created_at, page[-1].id
    assert len(listed) == 7
    assert set(listed) == ids
