"""The queue on PostgreSQL: shared, fair, and every job is done once."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from procrastinate import PsycopgConnector
from procrastinate.jobs import Job
from procrastinate.utils import utcnow

from stream.backoff import Backoff
from stream.session.events import RecognitionOptions
from tests.support.loops.tasks import own_tasks
from tests.support.processes import STUCK_SECONDS
from tests.support.recognizers import CountingStream, FailingStream
from tests.web.jobs.recordings import Desk, GatedRecognizer, desk
from web.jobs.job_table import JobTable
from web.jobs.postgres_queue import PostgresQueue, _Retries
from web.jobs.steps import RetryError
from web.store.database.database import libpq_url
from web.store.recordings import SegmentKey
from web.store.tables import Status


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often: the pauses themselves are tested with real processes, in tests/web/process/test_worker.py."""
    monkeypatch.setattr("web.jobs.worker_pool._POLL_SECONDS", 0.1)
    monkeypatch.setattr("web.jobs.postgres_queue._RECOVERY_SECONDS", 0.1)


@asynccontextmanager
async def queue_of(office: Desk, recognizer: GatedRecognizer, streams: int = 2) -> AsyncIterator[PostgresQueue]:
    """A queue as one process has it, connected and running until the context ends."""
    queue = PostgresQueue(office.steps(recognizer), office.recordings, streams, libpq_url(office.database.url))
    running = asyncio.create_task(queue.run())
    try:
        async with asyncio.timeout(STUCK_SECONDS):
            while queue._pool is None:
                await asyncio.sleep(0.01)
        yield queue
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def asked(url: str, query: str, *arguments: object) -> list[tuple[Any, ...]]:
    async with await psycopg.AsyncConnection.connect(libpq_url(url), autocommit=True) as connection:
        cursor = await connection.execute(query.encode(), arguments)
        return await cursor.fetchall() if cursor.description else []


async def tasks_of(url: str, status: str) -> list[str]:
    rows = await asked(url, "SELECT queueing_lock FROM procrastinate_jobs WHERE status = %s ORDER BY id", status)
    return [row[0] for row in rows]


async def until_tasks(url: str, condition: Callable[[list[str]], bool], status: str) -> None:
    """Wait until the tasks of this status are as they should be."""
    async with asyncio.timeout(STUCK_SECONDS):
        while not condition(await tasks_of(url, status)):
            await asyncio.sleep(0.05)


async def until_all_are_done(url: str) -> None:
    async with asyncio.timeout(STUCK_SECONDS):
        while await asked(url, "SELECT id FROM procrastinate_jobs"):
            await asyncio.sleep(0.05)


async def test_an_announced_step_is_done_once(postgres_url: str) -> None:
    recognizer = GatedRecognizer()
    async with desk(postgres_url) as office, queue_of(office, recognizer) as queue:
        keys = await office.filled(6)
        await asyncio.gather(*(queue.announce_segments(keys) for _ in range(5)))
        result = await office.ended(keys[0][0])
        assert [one.number for one in result.utterances] == [1, 2, 3, 4, 5, 6]
        assert all(one.alternatives[0].transcript == "w0 w1" for one in result.utterances)
        await until_all_are_done(postgres_url)
    assert recognizer.times() == dict.fromkeys(range(1, 7), 1)


async def test_a_running_segment_is_not_announced_twice(postgres_url: str) -> None:
    recognizer = GatedRecognizer()
    recognizer.gate.clear()
    async with desk(postgres_url) as office, queue_of(office, recognizer) as queue:
        keys = await office.filled(3)
        await queue.announce_segments(keys)
        await recognizer.until(lambda: len(recognizer.recognized()) == 2)
        await asyncio.gather(*(queue.announce_segments(keys) for _ in range(3)))
        assert len(await tasks_of(postgres_url, "todo")) == 1
        recognizer.gate.set()
        await office.ended(keys[0][0])
    assert recognizer.times() == {1: 1, 2: 1, 3: 1}


async def test_recordings_take_turns_within_the_streams(postgres_url: str) -> None:
    recognizer = GatedRecognizer()
    async with desk(postgres_url) as office:
        first, second = await office.filled(4, mark=1), await office.filled(4, mark=2)
        async with queue_of(office, recognizer, 0) as announcing:
            await announcing.announce_segments(first)
            await announcing.announce_segments(second)
        async with queue_of(office, recognizer, 1):
            await office.ended(first[0][0])
            await office.ended(second[0][0])
    assert recognizer.recognized() == [1001, 2001, 1002, 2002, 1003, 2003, 1004, 2004]
    assert recognizer.most_open == 1


async def test_a_process_without_streams_only_announces(postgres_url: str) -> None:
    idle, busy = GatedRecognizer(), GatedRecognizer()
    async with desk(postgres_url) as office, queue_of(office, idle, 0) as announcing:
        keys = await office.filled(2)
        await announcing.announce_segments(keys)
        assert len(await tasks_of(postgres_url, "todo")) == 2
        async with queue_of(office, busy):
            await office.ended(keys[0][0])
    assert (idle.recognized(), sorted(busy.recognized())) == ([], [1, 2])


async def test_several_processes_share_a_recording_and_none_doubles_a_segment(postgres_url: str) -> None:
    recognizers = [GatedRecognizer() for _ in range(3)]
    async with desk(postgres_url) as office:
        keys = await office.filled(20)
        async with (
            queue_of(office, recognizers[0]),
            queue_of(office, recognizers[1]),
            queue_of(office, recognizers[2]) as last,
        ):
            await last.announce_segments(keys)
            result = await office.ended(keys[0][0])
    assert [one.number for one in result.utterances] == list(range(1, 21))
    assert sorted(number for one in recognizers for number in one.recognized()) == list(range(1, 21))


async def test_processes_make_the_tables_once_and_add_each_task_once(bare_postgres_url: str) -> None:
    connectors = [PsycopgConnector(conninfo=libpq_url(bare_postgres_url), min_size=1) for _ in range(4)]
    await asyncio.gather(*(connector.open_async() for connector in connectors))
    tables = [JobTable(connector) for connector in connectors]
    await asyncio.gather(*(table.create() for table in tables))
    names = [f"segment {number}" for number in range(300)]
    jobs = [Job(queue="segments", lock=None, queueing_lock=name, task_name="recognize") for name in names]
    await asyncio.gather(*(table.add(jobs) for table in tables))
    await tables[0].add([*jobs, jobs[0]])
    assert await tasks_of(bare_postgres_url, "todo") == names
    await asyncio.gather(*(connector.close_async() for connector in connectors))


async def test_a_process_without_its_recognizer_leaves_the_segments_to_others(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.jobs.postgres_queue._UNREADY_SECONDS", 0.2)
    dead, alive = GatedRecognizer(), GatedRecognizer()
    dead.is_ready = False
    async with desk(postgres_url) as office:
        keys = await office.filled(4)
        async with queue_of(office, dead):
            await until_tasks(postgres_url, lambda tasks: any(task.startswith("segment") for task in tasks), "doing")
            async with queue_of(office, alive):
                result = await office.ended(keys[0][0])
    assert len(result.utterances) == 4
    assert (dead.recognized(), sorted(alive.recognized())) == ([], [1, 2, 3, 4])


async def test_what_was_never_announced_is_swept_up(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.jobs.steps._FETCH_BACKOFF", Backoff(0.0, 0.0))
    recognizer = GatedRecognizer()
    async with desk(postgres_url) as office, queue_of(office, recognizer):
        keys = await office.filled(3)
        await office.ended(keys[0][0])
        unreachable = await office.recording("https://localhost/nothing.wav")
        result = await office.ended(unreachable.id)
    assert recognizer.times() == {1: 1, 2: 1, 3: 1}
    assert result.summary.status is Status.FAILED


async def test_a_sweep_leaves_what_is_queued_or_running(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.jobs.postgres_queue._RECOVERIES_PER_SWEEP", 1)
    monkeypatch.setattr("web.jobs.postgres_queue._RECOVERY_SECONDS", 0.02)
    recognizer = GatedRecognizer()
    recognizer.gate.clear()
    swept, often = itertools.count(1), asyncio.Event()
    async with desk(postgres_url) as office:
        unsettled = office.recordings.unsettled

        async def noted(most: int) -> list[SegmentKey]:
            if len(recognizer.recognized()) == 2 and next(swept) == 5:
                often.set()
            return await unsettled(most)

        monkeypatch.setattr(office.recordings, "unsettled", noted)
        keys = await office.filled(5)
        async with queue_of(office, recognizer):
            async with asyncio.timeout(STUCK_SECONDS):
                await often.wait()
            assert len(await tasks_of(postgres_url, "todo")) == 3
            assert len(await tasks_of(postgres_url, "doing")) == 2
            recognizer.gate.set()
            await office.ended(keys[0][0])
    assert recognizer.times() == dict.fromkeys(range(1, 6), 1)


async def test_a_cancelled_process_gives_its_segments_back_at_once(postgres_url: str) -> None:
    stuck, free = GatedRecognizer(), GatedRecognizer()
    stuck.gate.clear()
    async with desk(postgres_url) as office:
        keys = await office.filled(2)
        async with queue_of(office, stuck):
            await stuck.until(lambda: len(stuck.recognized()) == 2)
        assert len(await tasks_of(postgres_url, "todo")) == 2
        async with queue_of(office, free):
            await office.ended(keys[0][0])
    assert sorted(free.recognized()) == [1, 2]
    assert not own_tasks()


async def test_a_finishing_process_completes_its_segments_only(postgres_url: str) -> None:
    recognizer = GatedRecognizer()
    recognizer.gate.clear()
    async with desk(postgres_url) as office:
        keys = await office.filled(4)
        queue = PostgresQueue(office.steps(recognizer), office.recordings, 2, libpq_url(postgres_url))
        running = asyncio.create_task(queue.run())
        await recognizer.until(lambda: len(recognizer.recognized()) == 2)
        queue.finish()
        recognizer.gate.set()
        async with asyncio.timeout(STUCK_SECONDS):
            await running
        result = await office.get(keys[0][0])
        assert [one.number for one in result.utterances] == [1, 2]
        assert await tasks_of(postgres_url, "doing") == []
    assert recognizer.recognized() == [1, 2]


async def test_a_finishing_process_still_shows_that_it_lives(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.jobs.worker_pool._HEARTBEAT_SECONDS", 0.1)
    recognizer = GatedRecognizer()
    recognizer.gate.clear()

    async def last_beat() -> datetime:
        query = "SELECT last_heartbeat FROM procrastinate_workers JOIN procrastinate_jobs ON worker_id"
        ((at,),) = await asked(postgres_url, f"{query} = procrastinate_workers.id WHERE status = 'doing'")
        assert isinstance(at, datetime)
        return at

    async with desk(postgres_url) as office:
        await office.filled(1)
        queue = PostgresQueue(office.steps(recognizer), office.recordings, 1, libpq_url(postgres_url))
        running = asyncio.create_task(queue.run())
        await recognizer.until(lambda: len(recognizer.recognized()) == 1)
        queue.finish()
        begun = await last_beat()
        # Longer than a worker whose own signs of life ended with `finish` could go on.
        async with asyncio.timeout(STUCK_SECONDS):
            while await last_beat() - begun < timedelta(seconds=0.5):
                await asyncio.sleep(0.05)
        recognizer.gate.set()
        await running
    assert recognizer.recognized() == [1]


async def test_a_recognizer_that_fails_is_asked_again_after_a_pause(postgres_url: str) -> None:
    times: list[float] = []

    class Noted(FailingStream):
        def __init__(self, options: RecognitionOptions) -> None:
            super().__init__(options)
            times.append(time.monotonic())

    recognizer = GatedRecognizer()
    recognizer.script = [Noted, CountingStream]
    async with desk(postgres_url) as office, queue_of(office, recognizer):
        (key,) = await office.filled(1)
        result = await office.ended(key[0])
        assert len(result.utterances) == 1
    assert time.monotonic() - times[0] > 1


def test_the_pauses_grow() -> None:
    job = Job(queue="segments", lock=None, queueing_lock=None, task_name="recognize")
    for failures, seconds in ((1, 1), (2, 2), (3, 4), (4, 8)):
        before, pause = utcnow(), timedelta(seconds=seconds)
        retry_at = _Retries().get_retry_decision(exception=RetryError(failures), job=job).retry_at
        assert retry_at is not None
        assert before <= retry_at - pause <= utcnow()


async def test_a_step_that_breaks_is_done_again(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.jobs.postgres_queue._BROKEN_PAUSE_SECONDS", 0)
    monkeypatch.setattr("web.jobs.postgres_queue._RECOVERIES_PER_SWEEP", 10_000)
    recognizer = GatedRecognizer()
    async with desk(postgres_url) as office:
        steps = office.steps(recognizer)
        recognize, broken = steps.recognize, [True]

        async def once_broken(key: SegmentKey) -> None:
            if broken and broken.pop():
                raise ZeroDivisionError
            await recognize(key)

        monkeypatch.setattr(steps, "recognize", once_broken)
        queue = PostgresQueue(steps, office.recordings, 2, libpq_url(postgres_url))
        keys = await office.filled(3)
        running = asyncio.create_task(queue.run())
        await office.ended(keys[0][0])
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert sorted(recognizer.recognized()) == [1, 2, 3]


async def test_the_tasks_of_a_deleted_transcription_have_nothing_to_do(postgres_url: str) -> None:
    recognizer = GatedRecognizer()
    recognizer.gate.clear()
    async with desk(postgres_url) as office, queue_of(office, recognizer):
        keys = await office.filled(5)
        await recognizer.until(lambda: len(recognizer.recognized()) == 2)
        assert await office.transcriptions.delete(keys[0][0], "local")
        recognizer.gate.set()
        await until_all_are_done(postgres_url)
    assert sorted(recognizer.recognized()) == [1, 2]


async def test_lost_connections_are_made_again_and_nothing_is_left_behind(postgres_url: str) -> None:
    recognizer = GatedRecognizer()
    recognizer.gate.clear()
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    async with desk(postgres_url) as office, queue_of(office, recognizer) as queue:
        keys = await office.filled(6)
        await queue.announce_segments(keys)
        await recognizer.until(lambda: len(recognizer.recognized()) == 2)
        await asked(postgres_url, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")  # noqa: S608
        recognizer.gate.set()
        result = await office.ended(keys[0][0])
        assert len(result.utterances) == 6
        await until_all_are_done(postgres_url)


async def test_a_job_whose_end_was_not_written_is_requeued(postgres_url: str) -> None:
    recognizer = GatedRecognizer()
    async with desk(postgres_url) as office, queue_of(office, recognizer) as queue:
        async with asyncio.timeout(STUCK_SECONDS):
            while not (rows := await asked(postgres_url, "SELECT id FROM procrastinate_workers ORDER BY id")):
                await asyncio.sleep(0.02)
        # As if the connection had broken between the end of a step and the note of it.
        keys = await office.filled(1)
        await asked(
            postgres_url,
            "INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock, args, status, worker_id)"
            " VALUES ('segments', 'recognize', %s, %s::jsonb, 'doing', %s)",
            f"segment {keys[0][0]} 1",
            json.dumps({"recording_id": keys[0][0], "number": 1}),
            rows[0][0],
        )
        await queue.announce_segments(keys)
        assert await tasks_of(postgres_url, "todo") == []
        await office.ended(keys[0][0])


async def test_the_queue_waits_for_an_unavailable_database(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.jobs.postgres_queue._RECONNECT_PAUSE_SECONDS", 0.05)
    recognizer = GatedRecognizer()
    async with desk(postgres_url) as office:
        queue = PostgresQueue(office.steps(recognizer), office.recordings, 1, libpq_url(postgres_url))
        create, fails = queue._table.create, iter([True, True])

        async def created() -> None:
            if next(fails, False):
                raise psycopg.OperationalError("away")
            await create()

        monkeypatch.setattr(queue._table, "create", created)
        keys = await office.filled(1)
        await queue.announce_segments(keys)
        running = asyncio.create_task(queue.run())
        await office.ended(keys[0][0])
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
