"""Row 39: deleted data is erased from a SQLite file, its write-ahead log and its index, and its space is freed."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.loops.clock import MovableClock
from tests.support.recognizers import ScriptedRecognizer
from tests.support.sounds import clip_pcm
from tests.support.tiers import tiered
from tests.web.jobs.recordings import DAY_SECONDS, desk
from tests.web.support.gateway import held_while_sqlite_works, running_gateway
from tests.web.support.sockets import converse, http_client
from tests.web.support.utterances import said
from web.jobs.cleanup import Cleanup
from web.store.database import erasure
from web.store.database.database import Database
from web.store.languagemodels import LanguageModels
from web.store.recordings import Recordings
from web.store.tables import Kind
from web.store.transcriptions import Transcriptions, new_id

pytestmark = pytest.mark.virtual_time
SECRET = "zebrafinch quokka"  # noqa: S105  what somebody said


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """A file that the product has made, not a copy."""
    opened = Database(f"sqlite:///{tmp_path / 'made.db'}")
    with held_while_sqlite_works():
        await opened.upgrade()
        yield opened
        await opened.close()


def found(database: Database, text: str = SECRET) -> list[str]:
    """Which of the files of a database hold a text."""
    path = database.path
    assert path is not None
    files = [path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))]
    return [file.name for file in files if file.exists() and text.encode() in file.read_bytes()]


async def kept(transcriptions: Transcriptions) -> str:
    transcription_id = new_id()
    await transcriptions.open(transcription_id, "ann", Kind.LIVE)
    for _ in range(20):
        await transcriptions.add(transcription_id, said(SECRET))
    await transcriptions.finish(transcription_id, said(SECRET), 1, 0.0)
    return transcription_id


@pytest.mark.fault(39)
async def test_a_deleted_transcription_is_in_no_file(database: Database) -> None:
    transcriptions = Transcriptions(database, DAY_SECONDS, clock=MovableClock())
    one = await kept(transcriptions)
    assert found(database)
    await database.truncate_log()
    assert found(database) == ["made.db"]
    other = await kept(transcriptions)
    for transcription_id in (one, other):
        assert await transcriptions.delete(transcription_id, "ann")
    assert found(database) == []


async def test_a_deleted_model_is_in_no_file(database: Database) -> None:
    models, model_id = LanguageModels(database, clock=MovableClock()), new_id()
    await models.open(model_id, "ann", "name", [SECRET])
    await models.trained(model_id, [SECRET])
    assert found(database)
    assert await models.delete(model_id, "ann")
    assert found(database) == []


@pytest.mark.fault(39)
async def test_what_expires_is_in_no_file_however_much_it_is(database: Database) -> None:
    clock = MovableClock()
    transcriptions = Transcriptions(database, DAY_SECONDS, clock=clock)
    cleanup = Cleanup(transcriptions, Recordings(database, DAY_SECONDS, clock=clock), 3600, database=database)
    for _ in range(tiered(40, 120)):
        await kept(transcriptions)
    clock.now += DAY_SECONDS + 1
    await cleanup.clean()
    assert await transcriptions.newest("ann", 1) == []
    assert found(database) == []


async def test_a_reader_delays_erasure_until_the_next_cleanup(database: Database) -> None:
    clock = MovableClock()
    transcriptions = Transcriptions(database, DAY_SECONDS, clock=clock)
    cleanup = Cleanup(transcriptions, Recordings(database, DAY_SECONDS, clock=clock), 3600, database=database)
    one = await kept(transcriptions)
    assert database.path is not None
    with closing(sqlite3.connect(database.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM utterances").fetchall()
        assert await transcriptions.delete(one, "ann")
        assert found(database)
        reader.execute("COMMIT")
    await cleanup.clean()
    assert found(database) == []


@pytest.mark.fault(39)
async def test_the_room_of_recognized_sound_is_given_back(sqlite_url: str) -> None:
    async with desk(sqlite_url) as office:
        keys = await office.filled(200)
        path = office.database.path
        assert path is not None
        await office.database.truncate_log()
        assert path.stat().st_size > 200 * 16_000
        for key in keys:
            await office.recordings.settle(key, said("word")[0])
        writing = asyncio.create_task(office.database.shrink())
        assert await office.recording()
        await writing
        # No page is free; each of the rows that were large keeps one of its own.
        with closing(sqlite3.connect(path)) as other:
            assert other.execute("PRAGMA freelist_count").fetchone() == (0,)
        assert path.stat().st_size < 300 * 4096
        assert path.with_name(path.name + "-wal").stat().st_size == 0


def made_by_an_earlier_version(path: Path, source: Path) -> None:
    """Make a file without `auto_vacuum` in which deleted text is left."""
    with closing(sqlite3.connect(source)) as new, closing(sqlite3.connect(path)) as old:
        script = "\n".join(line for line in new.iterdump())
        old.execute("PRAGMA auto_vacuum=NONE")
        old.execute("PRAGMA secure_delete=OFF")
        old.executescript(script)
        old.execute("CREATE TABLE filler (text TEXT)")
        old.executemany("INSERT INTO filler VALUES (?)", [(SECRET * 50,)] * 100)
        old.commit()
        old.execute("DELETE FROM filler")
        old.execute("DROP TABLE filler")
        old.commit()
        assert old.execute("PRAGMA auto_vacuum").fetchone() == (0,)


@pytest.mark.fault(39)
async def test_an_earlier_file_is_rewritten_once(tmp_path: Path, empty_database: Path) -> None:
    path = tmp_path / "earlier.db"
    made_by_an_earlier_version(path, empty_database)
    database = Database(f"sqlite:///{path}")
    assert found(database)
    with held_while_sqlite_works():
        await database.upgrade()
        assert found(database) == []
        with closing(sqlite3.connect(path)) as other:
            assert other.execute("PRAGMA auto_vacuum").fetchone() == (2,)
        written = path.stat().st_mtime_ns
        await database.upgrade()
        assert path.stat().st_mtime_ns == written
        await database.close()


@pytest.mark.parametrize("reason", ["room", "lock"])
async def test_an_old_file_that_cannot_be_rewritten_is_still_served(
    tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    path = tmp_path / "earlier.db"
    made_by_an_earlier_version(path, empty_database)
    monkeypatch.setattr("web.store.database.engines.BUSY_SECONDS", 0.02)
    with held_while_sqlite_works(), closing(sqlite3.connect(path, isolation_level=None)) as other:
        if reason == "room":
            monkeypatch.setattr(erasure, "_ROOM_FACTOR", 1e12)
        else:
            other.execute("PRAGMA journal_mode=WAL")
            other.execute("BEGIN")
            other.execute("SELECT count(*) FROM alembic_version").fetchall()
        database = Database(f"sqlite:///{path}")
        await database.upgrade()
        transcriptions = Transcriptions(database, DAY_SECONDS, clock=MovableClock())
        assert await transcriptions.delete(await kept(transcriptions), "ann")
        await database.shrink()
        await database.close()


async def test_text_that_is_deleted_over_http_is_in_no_file(own_database: Path) -> None:
    database = Database(f"sqlite:///{own_database}")
    async with running_gateway(ScriptedRecognizer()) as base, http_client(base) as client:
        talk = await converse(base, clip_pcm("quick.wav"), "close")
        assert found(database, talk.transcript.split()[0])
        deleted = await client.delete(f"/v1/speech/transcriptions/{talk.messages[-1]['transcriptionId']}")
        assert deleted.status_code == 204
        assert found(database, '"word":"w1"') == found(database, talk.transcript) == []
