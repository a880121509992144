"""`shenava worker`, and both kinds of processes killed in the middle of a long recording."""

import asyncio
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hostile.audio import numbered_speech, spoken_numbers
from tests.hostile.faults import At, Freeze, Late
from tests.hostile.record import CallEnd
from tests.hostile.riva import HostileRiva
from tests.hostile.server import running
from tests.processes import child_of
from tests.recognizers import ScriptedRecognizer
from tests.web.jobs.recordings import Desk, desk, nobody
from web.jobs.crew import STALLED_SECONDS
from web.store.transcriptions import Transcription

_SHENAVA = [sys.executable, "-m", "web.cli"]
_START_SECONDS = 30.0
_END_SECONDS = 60.0
# Two minutes of speech and pauses, cut into 30 segments of four or five words.
_GROUPS = [4 + n % 2 for n in range(30)]
_SPEECH = numbered_speech(_GROUPS, pause_ms=3000)
_WORDS = list(range(sum(_GROUPS)))
# Whatever becomes of a process, the work goes on within this.
_TAKEN_OVER_SECONDS = 15.0


@asynccontextmanager
async def process(*arguments: str, **settings: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A command and its first line; killed in the end, if it has not ended."""
    pipe = asyncio.subprocess.PIPE
    started = await asyncio.create_subprocess_exec(
        *_SHENAVA, *arguments, env=os.environ | settings, stdout=pipe, stderr=pipe
    )
    try:
        assert started.stdout is not None
        async with asyncio.timeout(_START_SECONDS):
            line = (await started.stdout.readline()).decode()
        yield started, line
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


async def ended(started: asyncio.subprocess.Process) -> tuple[int, str]:
    """The exit code of a command and what is left of its errors."""
    async with asyncio.timeout(_START_SECONDS):
        _, errors = await started.communicate()
    assert started.returncode is not None
    return started.returncode, errors.decode()


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
    async with asyncio.timeout(_END_SECONDS):
        while len((told := await office.get(recording_id)).utterances) < least:
            await asyncio.sleep(0.01)
    return told


@dataclass(frozen=True)
class Kill:
    """A process that was killed: what was settled then, what was begun, and when."""

    told: Transcription
    calls: int
    at: float

    @classmethod
    async def of(cls, victim: asyncio.subprocess.Process, office: Desk, recording_id: str, riva: HostileRiva) -> "Kill":
        await settled(office, recording_id, 8)
        os.kill(victim.pid, signal.SIGKILL)
        await victim.wait()
        at = time.monotonic()
        return cls(await office.get(recording_id), len(riva.calls), at)

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
        settings = {"SHENAVA_DATABASE_URL": postgres_url, "SHENAVA_RIVA_URI": server.address}
        async with process("worker", "--quiet", **settings) as (victim, _), process("worker", **settings) as (_, line):
            assert line == "Working on long recordings, 2 segments at once.\n"
            undisturbed = await office.ended(await taken(office), _END_SECONDS)
            riva.calls.clear()
            riva.otherwise = Late(0.25)
            recording_id = await taken(office)
            kill = await Kill.of(victim, office, recording_id, riva)
            # At the end only the segments of the dead worker are waited for.
            told = await office.ended(recording_id, _END_SECONDS)
            assert time.monotonic() - kill.at < _TAKEN_OVER_SECONDS
    kill.check(told, riva, streams=2)
    assert told.utterances == undisturbed.utterances


@pytest.mark.fault(23)
async def test_a_killed_server_with_sqlite_goes_on_when_it_is_started_again(sqlite_url: str) -> None:
    riva = HostileRiva(otherwise=Late(0.1))
    async with desk(sqlite_url) as office, running(riva) as server:
        settings = {"SHENAVA_DATABASE_URL": sqlite_url, "SHENAVA_RIVA_URI": server.address}
        recording_id = await taken(office)
        async with process("serve", "--port", "0", "--quiet", **settings) as (victim, _):
            kill = await Kill.of(victim, office, recording_id, riva)
        async with process("serve", "--port", "0", "--quiet", **settings):
            await settled(office, recording_id, len(kill.told.utterances) + 1)
            assert time.monotonic() - kill.at < _TAKEN_OVER_SECONDS
            told = await office.ended(recording_id, _END_SECONDS)
    kill.check(told, riva, streams=2)


async def test_a_signal_lets_a_worker_finish_what_is_in_work(postgres_url: str) -> None:
    riva = HostileRiva(otherwise=Late(1.0))
    async with desk(postgres_url) as office, running(riva) as server:
        await taken(office)
        settings = {"SHENAVA_DATABASE_URL": postgres_url, "SHENAVA_RIVA_URI": server.address}
        async with process("worker", "--streams", "3", "--quiet", **settings) as (worker, line):
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
        settings = {"SHENAVA_DATABASE_URL": postgres_url, "SHENAVA_RIVA_URI": server.address}
        async with process("worker", "--quiet", **settings) as (worker, _):
            await riva.until(lambda: riva.open_calls == 2)
            worker.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.5)
            assert worker.returncode is None
            begun = time.monotonic()
            worker.send_signal(signal.SIGTERM)
            assert await ended(worker) == (1, "")
            assert time.monotonic() - begun < STALLED_SECONDS
        riva.otherwise = None
        async with process("worker", "--quiet", **settings):
            told = await office.ended(recording_id, _END_SECONDS)
            assert time.monotonic() - begun < _TAKEN_OVER_SECONDS
    assert words_in(told) == _WORDS


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_a_worker_has_an_engine_of_its_own_that_ends_with_it(postgres_url: str) -> None:
    async with process("worker", "--quiet", SHENAVA_DATABASE_URL=postgres_url) as (worker, line):
        assert line.startswith("Working on")
        engine = child_of(worker.pid)
        assert is_alive(engine)
        worker.send_signal(signal.SIGTERM)
        assert await ended(worker) == (0, "")
        assert not is_alive(engine)


async def test_a_worker_waits_for_its_recognizer_and_takes_nothing_meanwhile(postgres_url: str) -> None:
    settings = {"SHENAVA_DATABASE_URL": postgres_url, "SHENAVA_RIVA_URI": "127.0.0.1:9"}
    command = [*_SHENAVA, "worker", "--quiet"]
    started = await asyncio.create_subprocess_exec(*command, env=os.environ | settings, stderr=asyncio.subprocess.PIPE)
    assert started.stderr is not None
    async with asyncio.timeout(_START_SECONDS):
        line = (await started.stderr.readline()).decode()
    assert line.startswith("The recognizer does not answer yet; the work begins when it does.")
    started.send_signal(signal.SIGINT)
    assert (await ended(started))[0] == 0


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"SHENAVA_DATABASE_URL": "sqlite:////tmp/shenava.db"},
            "shenava worker: SHENAVA_DATABASE_URL names a SQLite file, and only one process, `shenava serve`, can work "
            "on that; give it and the workers the same postgresql://... URL",
        ),
        (
            {"SHENAVA_DATABASE_URL": "postgresql://127.0.0.1/x", "SHENAVA_JOB_STREAMS": "0"},
            "shenava worker: SHENAVA_JOB_STREAMS is 0, so there is nothing to do; set it to 1 or more, "
            "or give --streams",
        ),
        (
            {"SHENAVA_DATABASE_URL": "postgresql://name:secret@127.0.0.1:9/x", "SHENAVA_RIVA_URI": "127.0.0.1:9"},
            "shenava worker: the database of SHENAVA_DATABASE_URL cannot be used: connection failed: ",
        ),
    ],
)
async def test_a_worker_that_cannot_start_says_why(settings: dict[str, str], sentence: str) -> None:
    async with process("worker", **settings) as (worker, line):
        code, errors = await ended(worker)
    assert (code, line) == (1, "")
    assert errors.splitlines()[0].startswith(sentence)
    assert "secret" not in errors
