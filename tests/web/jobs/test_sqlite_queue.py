"""The queue on SQLite: fair, bounded, and one process at a time for each file."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from stream.session.events import RecognitionOptions
from tests.support.loops.tasks import own_tasks
from tests.support.recognizers import CountingStream, FailingStream
from tests.web.jobs.recordings import Desk, GatedRecognizer, desk
from web.jobs.sqlite_queue import SqliteQueue
from web.store.tables import Status

pytestmark = pytest.mark.virtual_time


class NotedRecognizer(GatedRecognizer):
    """Notes when it was asked, in seconds since it was made."""

    def __init__(self) -> None:
        super().__init__()
        self._began = asyncio.get_running_loop().time()
        self.times_asked: list[float] = []

    async def open(self, options: RecognitionOptions) -> CountingStream:
        self.times_asked.append(asyncio.get_running_loop().time() - self._began)
        return await super().open(options)


@asynccontextmanager
async def queue_of(
    office: Desk, recognizer: GatedRecognizer, streams: int = 2, announce: Callable[[], None] | None = None
) -> AsyncIterator[SqliteQueue]:
    """A queue as the server has it, running until the context ends."""
    assert office.database.path is not None
    lock = office.database.path.with_suffix(".lock")
    queue = SqliteQueue(office.steps(recognizer), office.recordings, streams, lock, announce=announce)
    running = asyncio.create_task(queue.run())
    try:
        yield queue
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_what_is_announced_is_done_once(sqlite_url: str) -> None:
    recognizer = GatedRecognizer()
    async with desk(sqlite_url) as office, queue_of(office, recognizer) as queue:
        keys = await office.filled(6)
        for _ in range(5):
            await queue.announce_segments(keys)
        result = await office.ended(keys[0][0])
        assert [one.number for one in result.utterances] == [1, 2, 3, 4, 5, 6]
        await queue.announce_segments(keys)
        await asyncio.sleep(30)
    assert recognizer.times() == dict.fromkeys(range(1, 7), 1)
    assert not own_tasks()


async def test_as_many_segments_run_as_there_are_streams(sqlite_url: str) -> None:
    recognizer = GatedRecognizer()
    recognizer.gate.clear()
    async with desk(sqlite_url) as office:
        keys = await office.filled(9)
        async with queue_of(office, recognizer, 3):
            await asyncio.sleep(12)
            assert len(recognizer.recognized()) == 3
            recognizer.gate.set()
            await office.ended(keys[0][0])
    assert recognizer.most_open == 3


async def test_recordings_are_worked_on_in_turn(sqlite_url: str) -> None:
    recognizer = GatedRecognizer()
    async with desk(sqlite_url) as office:
        first, second = await office.filled(3, mark=1), await office.filled(3, mark=2)
        async with queue_of(office, recognizer, 1):
            await office.ended(first[0][0])
            await office.ended(second[0][0])
    assert recognizer.recognized() == [1001, 2001, 1002, 2002, 1003, 2003]


async def test_the_next_run_completes_a_cancelled_one(sqlite_url: str) -> None:
    stuck, free = GatedRecognizer(), GatedRecognizer()
    stuck.gate.clear()
    async with desk(sqlite_url) as office:
        keys = await office.filled(3)
        async with queue_of(office, stuck):
            await stuck.until(lambda: len(stuck.recognized()) == 2)
        async with queue_of(office, free):
            result = await office.ended(keys[0][0])
    assert [one.number for one in result.utterances] == [1, 2, 3]
    assert sorted(free.recognized()) == [1, 2, 3]


async def test_a_second_process_takes_over_within_5_seconds(sqlite_url: str) -> None:
    first, second = GatedRecognizer(), NotedRecognizer()
    first.gate.clear()
    async with desk(sqlite_url) as office:
        keys = await office.filled(3)
        async with AsyncExitStack() as stack:
            async with queue_of(office, first):
                await asyncio.sleep(1)
                await stack.enter_async_context(queue_of(office, second))
                await asyncio.sleep(12)
                assert (len(first.recognized()), second.recognized()) == (2, [])
            await office.ended(keys[0][0])
    assert sorted(second.recognized()) == [1, 2, 3]
    # It looks every 5 s, and the first was gone 13 s after both were made.
    assert second.times_asked == [16, 16, 16]


async def test_without_streams_nothing_is_recognized(sqlite_url: str) -> None:
    recognizer = GatedRecognizer()
    async with desk(sqlite_url) as office, queue_of(office, recognizer, 0) as queue:
        keys = await office.filled(1)
        await queue.announce_segments(keys)
        await asyncio.sleep(60)
    assert recognizer.recognized() == []


async def test_what_nobody_announced_is_found_within_5_seconds(sqlite_url: str) -> None:
    recognizer = NotedRecognizer()
    async with desk(sqlite_url) as office, queue_of(office, recognizer):
        await asyncio.sleep(1)
        keys = await office.filled(1)
        await office.ended(keys[0][0])
    assert recognizer.times_asked == [5]


async def test_a_failed_segment_is_retried_after_a_pause(sqlite_url: str) -> None:
    recognizer = NotedRecognizer()
    recognizer.script = [FailingStream, CountingStream]
    async with desk(sqlite_url) as office, queue_of(office, recognizer, 1) as queue:
        keys = await office.filled(3)
        await queue.announce_segments(keys)
        result = await office.ended(keys[0][0])
    assert len(result.utterances) == 3
    assert recognizer.recognized() == [1, 2, 3, 1]
    assert recognizer.times_asked == [0, 0, 0, 1]


async def test_the_pauses_grow_until_a_segment_is_given_up(sqlite_url: str) -> None:
    recognizer = NotedRecognizer()
    recognizer.script = [FailingStream]
    async with desk(sqlite_url) as office, queue_of(office, recognizer) as queue:
        keys = await office.filled(1)
        await queue.announce_segments(keys)
        await asyncio.sleep(60)
        assert (await office.get(keys[0][0])).summary.status is Status.FAILED
    assert recognizer.times_asked == [0, 1, 3, 7, 15]


async def test_a_step_that_breaks_is_done_again_after_5_seconds(sqlite_url: str) -> None:
    broken = [True]

    def opened(options: RecognitionOptions) -> CountingStream:
        if broken and broken.pop():
            raise ZeroDivisionError
        return CountingStream(options)

    recognizer = NotedRecognizer()
    recognizer.script = [opened]
    async with desk(sqlite_url) as office:
        keys = await office.filled(2)
        with capture_logs() as logs:
            async with queue_of(office, recognizer, 1):
                result = await office.ended(keys[0][0])
    assert [log["event"] for log in logs if log["log_level"] == "error"] == ["step_failed"]
    assert result.summary.status is Status.DONE
    assert recognizer.times_asked == [0, 5, 5]


async def test_a_database_that_fails_for_a_while_ends_nothing(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recognizer = NotedRecognizer()
    async with desk(sqlite_url) as office:
        unread, fails = office.recordings.unread, iter([True, True])

        async def sometimes() -> list[tuple[str, str]]:
            if next(fails, False):
                raise OperationalError("SELECT", {}, Exception("database is locked"))
            return await unread()

        monkeypatch.setattr(office.recordings, "unread", sometimes)
        keys = await office.filled(2)
        with capture_logs() as logs:
            async with queue_of(office, recognizer):
                await office.ended(keys[0][0])
    assert [log["event"] for log in logs] == ["poll_failed", "poll_failed"]
    assert recognizer.times_asked == [10, 10]
    assert sorted(recognizer.recognized()) == [1, 2]


async def test_a_recording_at_a_uri_is_fetched(sqlite_url: str) -> None:
    async with desk(sqlite_url) as office, queue_of(office, GatedRecognizer()) as queue:
        recording = await office.recording("https://127.0.0.1/private.wav")
        await queue.announce_recording(recording.id)
        result = await office.ended(recording.id)
    assert result.summary.status is Status.FAILED


async def test_work_that_one_worker_accepts_is_done_at_once_by_the_worker_with_the_lock(sqlite_url: str) -> None:
    recognizer, announced = NotedRecognizer(), list[str]()
    async with (
        desk(sqlite_url) as office,
        queue_of(office, recognizer, announce=lambda: announced.append("by the first")) as first,
    ):
        async with queue_of(office, GatedRecognizer(), announce=first.wake) as second:
            await asyncio.sleep(0.5)
            keys = await office.filled(1)
            await second.announce_segments(keys)
            await office.ended(keys[0][0])
        await first.announce_segments(await office.filled(1))
        assert recognizer.times_asked == [pytest.approx(0.5, abs=0.2)]
        assert announced == []
