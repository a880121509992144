"""`niyosha worker`, and both kinds of processes killed in the middle of a long recording."""

import asyncio
import os
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.hostile.riva.audio import numbered_speech, spoken_numbers
from tests.hostile.riva.faults import At, Freeze, Late
from tests.hostile.riva.record import CallEnd
from tests.hostile.riva.riva import HostileRiva
from tests.hostile.server import running
from tests.support.processes import NIYOSHA, STUCK_SECONDS, child_of, started_async
from tests.support.recognizers import ScriptedRecognizer
from tests.web.jobs.recordings import Desk, desk, nobody
from web.process.worker import WorkerError, work
from web.settings.settings import read_settings
from web.store.transcriptions import Transcription

# A minute of speech and pauses, cut into segments of four or five words.
_GROUPS = [4 + n % 2 for n in range(16)]
_SPEECH = numbered_speech(_GROUPS, pause_ms=3000)
_PENDING = re.compile(r"^(?:Sig|Shd)Pnd:\s*(\w+)", re.MULTILINE)
_WORDS = list(range(sum(_GROUPS)))


async def ended(started: asyncio.subprocess.Process) -> tuple[int, str]:
    """The exit code of a command and what is left of its errors."""
    async with asyncio.timeout(STUCK_SECONDS):
        _, errors = await started.communicate()
    assert started.returncode is not None
    return started.returncode, errors.decode()


async def arrived(process: asyncio.subprocess.Process) -> None:
    """Wait until a process has taken its signals: two that wait together would be one."""
    async with asyncio.timeout(STUCK_SECONDS):
        while has_pending_signals(process.pid):
            await asyncio.sleep(0.01)


def has_pending_signals(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    return any(int(pending, 16) for pending in _PENDING.findall(status))


async def taken(office: Desk) -> str:
    """A recording that has arrived and waits to be recognized."""
    recording = await office.recording()

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(_SPEECH), 1 << 16):
            yield _SPEECH[start : start + (1 << 16)]

    await office.steps(ScriptedRecognizer()).take(recording, chunks(), len(_SPEECH), nobody)
    return recording.id


def words_in(transcription: Transcription) -> list[int]:
    return [number for one in transcription.utterances for number in spoken_numbers(one.alternatives[0].transcript)]


async def settled(office: Desk, recording_id: str, least: int) -> Transcription:
    """Wait until so many segments are settled."""
    async with asyncio.timeout(STUCK_SECONDS):
        while len((told := await office.get(recording_id)).utterances) < least:
            await asyncio.sleep(0.05)
    return told


@dataclass(frozen=True)
class Kill:
    """A process that was killed: what was settled then, and what was begun."""

    told: Transcription
    calls: int

    @classmethod
    async def of(cls, victim: asyncio.subprocess.Process, office: Desk, recording_id: str, riva: HostileRiva) -> "Kill":
        await settled(office, recording_id, 4)
        os.kill(victim.pid, signal.SIGKILL)
        await victim.wait()
        return cls(await office.get(recording_id), len(riva.calls))

    def check(self, told: Transcription, riva: HostileRiva, streams: int) -> None:
        """Nothing is lost, nothing doubled, and nothing that was settled was recognized again."""
        assert words_in(told) == _WORDS
        assert len(told.utterances) == len(_GROUPS)
        assert 0 < len(self.told.utterances) < len(_GROUPS)
        kept = set(words_in(self.told))
        assert not [call.numbers for call in riva.calls[self.calls :] if kept & set(call.numbers)]
        times = Counter(tuple(call.numbers) for call in riva.calls if call.end is CallEnd.OK)
        # What was recognized and not written down yet when the process died.
        assert sum(count - 1 for count in times.values()) <= streams


@pytest.mark.fault(23)
async def test_a_killed_workers_segments_are_done_by_another_one(postgres_url: str) -> None:
    riva = HostileRiva()
    async with desk(postgres_url) as office, running(riva) as server:
        settings = {"NIYOSHA_DATABASE_URL": postgres_url, "NIYOSHA_RIVA_URI": server.address}
        async with (
            started_async("worker", "--quiet", **settings) as (victim, _),
            started_async("worker", **settings) as (_, line),
        ):
            assert line == "Working on long recordings, 2 segments at once.\n"
            undisturbed = await office.ended(await taken(office))
            riva.calls.clear()
            riva.otherwise = Late(0.25)
            recording_id = await taken(office)
            kill = await Kill.of(victim, office, recording_id, riva)
            # At the end only the segments of the dead worker are waited for.
            told = await office.ended(recording_id)
    kill.check(told, riva, streams=2)
    assert told.utterances == undisturbed.utterances


@pytest.mark.fault(23)
async def test_a_killed_server_with_sqlite_goes_on_when_it_is_started_again(sqlite_url: str) -> None:
    riva = HostileRiva(otherwise=Late(0.1))
    async with desk(sqlite_url) as office, running(riva) as server:
        settings = {"NIYOSHA_DATABASE_URL": sqlite_url, "NIYOSHA_RIVA_URI": server.address}
        recording_id = await taken(office)
        async with started_async("serve", "--port", "0", "--quiet", **settings) as (victim, _):
            kill = await Kill.of(victim, office, recording_id, riva)
        async with started_async("serve", "--port", "0", "--quiet", **settings):
            told = await office.ended(recording_id)
    kill.check(told, riva, streams=2)


async def test_a_signal_lets_a_worker_finish_what_is_in_work(postgres_url: str) -> None:
    riva = HostileRiva(otherwise=Late(1.0))
    async with desk(postgres_url) as office, running(riva) as server:
        await taken(office)
        settings = {"NIYOSHA_DATABASE_URL": postgres_url, "NIYOSHA_RIVA_URI": server.address}
        async with started_async("worker", "--streams", "3", "--quiet", **settings) as (worker, line):
            assert line == "Working on long recordings, 3 segments at once.\n"
            await riva.until(lambda: riva.open_calls == 3)
            worker.send_signal(signal.SIGTERM)
            assert await ended(worker) == (0, "")
    assert [call.end for call in riva.calls] == [CallEnd.OK] * 3
    assert riva.most_open_calls == 3


async def test_a_second_signal_ends_a_worker_at_once_and_its_segments_are_free(postgres_url: str) -> None:
    riva = HostileRiva(otherwise=Freeze(At.MESSAGE, 1))
    async with desk(postgres_url) as office, running(riva) as server:
        recording_id = await taken(office)
        settings = {"NIYOSHA_DATABASE_URL": postgres_url, "NIYOSHA_RIVA_URI": server.address}
        async with started_async("worker", "--quiet", **settings) as (worker, _):
            await riva.until(lambda: riva.open_calls == 2)
            worker.send_signal(signal.SIGTERM)
            await arrived(worker)
            worker.send_signal(signal.SIGTERM)
            # 0 would mean that it has waited for what hangs.
            assert await ended(worker) == (1, "")
        async with await psycopg.AsyncConnection.connect(postgres_url) as connection:
            cursor = await connection.execute("SELECT 1 FROM procrastinate_jobs WHERE status = 'doing'")
            assert await cursor.fetchall() == []
        riva.otherwise = None
        async with started_async("worker", "--quiet", **settings):
            told = await office.ended(recording_id)
    assert words_in(told) == _WORDS


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_a_worker_has_an_engine_of_its_own_that_ends_with_it(postgres_url: str) -> None:
    async with started_async("worker", "--quiet", NIYOSHA_DATABASE_URL=postgres_url) as (worker, line):
        assert line.startswith("Working on")
        engine = child_of(worker.pid)
        assert is_alive(engine)
        worker.send_signal(signal.SIGTERM)
        assert await ended(worker) == (0, "")
        assert not is_alive(engine)


async def test_a_worker_waits_for_its_recognizer_and_takes_nothing_meanwhile(postgres_url: str) -> None:
    settings = {"NIYOSHA_DATABASE_URL": postgres_url, "NIYOSHA_RIVA_URI": "127.0.0.1:9"}
    pipe = asyncio.subprocess.PIPE
    worker = await asyncio.create_subprocess_exec(*NIYOSHA, "worker", "--quiet", env=os.environ | settings, stderr=pipe)
    try:
        assert worker.stderr is not None
        async with asyncio.timeout(STUCK_SECONDS):
            line = (await worker.stderr.readline()).decode()
        assert line.startswith("The recognizer does not answer yet; the work begins when it does.")
        worker.send_signal(signal.SIGINT)
        assert (await ended(worker))[0] == 0
    finally:
        if worker.returncode is None:
            worker.kill()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"database_url": "sqlite:////tmp/niyosha.db"},
            "NIYOSHA_DATABASE_URL names a SQLite file, and only one process, `niyosha serve`, can work on that; give "
            "it and the workers the same postgresql://... URL",
        ),
        (
            {"database_url": "postgresql://127.0.0.1/x", "job_streams": 0},
            "NIYOSHA_JOB_STREAMS is 0, so there is nothing to do; set it to 1 or more, or give --streams",
        ),
        (
            {"database_url": "postgresql://name:secret@127.0.0.1:9/x", "riva_uri": "127.0.0.1:9"},
            "the database of NIYOSHA_DATABASE_URL cannot be used: connection failed: ",
        ),
    ],
)
async def test_a_worker_that_cannot_start_says_why(settings: dict[str, object], sentence: str) -> None:
    told: list[str] = []
    with pytest.raises(WorkerError) as refused:
        await work(read_settings(settings), told.append, told.append)
    assert str(refused.value).startswith(sentence)
    assert "secret" not in str(refused.value)
    assert told == []


async def test_a_worker_that_cannot_start_ends_with_a_sentence() -> None:
    async with started_async("worker", NIYOSHA_DATABASE_URL="sqlite:////tmp/niyosha.db") as (worker, line):
        code, errors = await ended(worker)
    assert (code, line) == (1, "")
    assert errors.startswith("niyosha worker: NIYOSHA_DATABASE_URL names a SQLite file")
