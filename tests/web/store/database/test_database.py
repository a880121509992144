import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiosqlite
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.support.places import ROOT
from tests.support.processes import STUCK_SECONDS
from tests.support.recognizers import ScriptedRecognizer
from tests.web.support.gateway import held_while_sqlite_works
from web.process.listening import StartError
from web.process.serve import running
from web.settings.settings import Settings
from web.store.database.database import (
    Database,
    DatabaseError,
    DatabaseUnavailableError,
    UnusableDatabaseError,
    check_url,
    libpq_url,
)
from web.store.tables import metadata

_VERSIONS = ROOT / "web/migrations/versions"


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, metadata))


async def test_concurrent_migrations_lead_to_the_tables(bare_database_url: str) -> None:
    databases = [Database(bare_database_url) for _ in range(4)]
    await asyncio.gather(*(database.upgrade() for database in databases))
    async with databases[0].reading() as connection:
        assert await connection.run_sync(differences) == []
    for database in databases:
        await database.close()


async def test_many_processes_may_make_a_new_file_at_once(tmp_path: Path) -> None:
    for number in range(10):
        databases = [Database(f"sqlite:///{tmp_path / str(number)}") for _ in range(8)]
        await asyncio.gather(*(database.upgrade() for database in databases))
        for database in databases:
            await database.close()


async def test_the_folder_of_a_file_is_made(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'some' / 'where' / 'niyosha.db'}")
    await database.upgrade()
    await database.close()
    assert (tmp_path / "some" / "where" / "niyosha.db").is_file()


async def test_writers_wait_for_each_other_and_lose_nothing(database: Database) -> None:
    async with database.writing() as connection:
        await connection.execute(text("CREATE TABLE counted (n INTEGER)"))
        await connection.execute(text("INSERT INTO counted VALUES (0)"))

    async def count() -> None:
        async with database.writing() as connection:
            lock = " FOR UPDATE" if database.is_postgres else ""
            n = await connection.scalar(text(f"SELECT n FROM counted{lock}"))  # noqa: S608
            await asyncio.sleep(0)
            await connection.execute(text("UPDATE counted SET n = :n"), {"n": n + 1})

    await asyncio.gather(*(count() for _ in range(20)))
    async with database.reading() as connection:
        assert await connection.scalar(text("SELECT n FROM counted")) == 20
    async with database.writing() as connection:
        await connection.execute(text("DROP TABLE counted"))


async def test_writers_take_turns_and_readers_do_not_wait(database: Database) -> None:
    order: list[int] = []

    async def write(number: int) -> None:
        async with database.writing() as connection:
            await connection.execute(text("UPDATE language_models SET name = 'x'"))
            order.append(number)

    async with asyncio.timeout(STUCK_SECONDS), asyncio.TaskGroup() as tasks, database.writing():
        for number in range(10):
            tasks.create_task(write(number))
        async with database.reading() as connection:
            await connection.execute(text("SELECT count(*) FROM language_models"))
        assert database.is_postgres or order == []
    assert sorted(order) == list(range(10))
    assert database.is_postgres or order == list(range(10))


async def test_what_breaks_in_the_middle_leaves_nothing_behind(database: Database) -> None:
    async def break_off() -> None:
        columns = "id, owner, name, status, created_at, corpora"
        async with database.writing() as connection:
            await connection.execute(
                text(f"INSERT INTO language_models ({columns}) VALUES ('a', 'b', 'c', 'd', 0, '[]')")  # noqa: S608
            )
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await break_off()
    async with database.reading() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM language_models")) == 0


async def test_an_error_tells_nothing_of_what_was_said(database: Database) -> None:
    with pytest.raises(DatabaseUnavailableError) as caught:
        async with database.writing() as connection:
            await connection.execute(text("INSERT INTO nowhere VALUES (:said)"), {"said": "a canary sings"})
    for error in (caught.value, caught.value.__cause__):
        assert "canary" not in str(error)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("nonsense", "it is no URL; allowed are sqlite:///path and postgresql://user:password@host/name"),
        ("sqlite://", "it names no file; allowed are sqlite:///path"),
        ("sqlite:///:memory:", "it names no file; allowed are sqlite:///path"),
        ("mysql://host/name", "it names a database of the kind mysql; allowed are sqlite:///path"),
    ],
)
def test_a_url_that_names_no_database_is_refused(url: str, sentence: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        check_url(url)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize("url", ["postgresql://u:p@h/n", "postgres://u:p@h/n", "postgresql+psycopg://u:p@h/n"])
def test_other_drivers_get_the_plain_url(url: str) -> None:
    check_url(url)
    assert libpq_url(url) == "postgresql://u:p@h/n"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sqlite:////proc/nowhere/niyosha.db", "[Errno 2] No such file or directory: '/proc/nowhere'"),
        ("sqlite:////proc/niyosha.db", "unable to open database file"),
        ("postgresql://nobody:secret@127.0.0.1:1/name", "connection failed: connection to server at"),
    ],
)
async def test_an_unusable_database_stops_the_start_with_a_sentence(url: str, reason: str) -> None:
    sentence = f"the database of NIYOSHA_DATABASE_URL cannot be used: {reason}"
    database = Database(url)
    with pytest.raises(UnusableDatabaseError) as unusable:
        await database.upgrade()
    await database.close()
    assert str(unusable.value).startswith(sentence)
    assert "secret" not in str(unusable.value)
    with pytest.raises(StartError) as refused:
        async with running(Settings(port=0, database_url=url), ScriptedRecognizer()):
            pass
    assert str(refused.value) == str(unusable.value)


async def test_no_thread_of_a_connection_outlives_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = aiosqlite.Connection.stop

    def stop_late(connection: aiosqlite.Connection) -> object:
        connection._tx.put_nowait((None, lambda: time.sleep(0.2)))
        return stop(connection)

    monkeypatch.setattr(aiosqlite.Connection, "stop", stop_late)
    before = set(threading.enumerate())
    database = Database("sqlite:////proc/niyosha.db")
    with pytest.raises(UnusableDatabaseError):
        await database.upgrade()
    await database.close()
    assert not [thread for thread in threading.enumerate() if thread not in before and "connection" in thread.name]


async def test_one_that_answers_is_told_from_one_that_does_not(database: Database) -> None:
    await database.check()
    async with database.writing() as connection:
        await connection.exec_driver_sql("ALTER TABLE alembic_version RENAME TO gone")
    with pytest.raises(UnusableDatabaseError, match="does not answer"):
        await database.check()
    async with database.writing() as connection:
        await connection.exec_driver_sql("ALTER TABLE gone RENAME TO alembic_version")
    await database.check()


@pytest.mark.fault(37)
async def test_a_newer_database_is_refused_with_a_sentence(database_url: str) -> None:
    database = Database(database_url)
    async with database.writing() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    try:
        with pytest.raises(UnusableDatabaseError) as refused:
            await database.upgrade()
        assert str(refused.value).startswith("the database of NIYOSHA_DATABASE_URL is at revision 9999, and this ")
        assert str(refused.value).endswith("a newer version has used it. Start that version, or name another database")
        with pytest.raises(StartError) as start_refused:
            async with running(Settings(port=0, database_url=database_url), ScriptedRecognizer()):
                pass
        assert str(start_refused.value) == str(refused.value)
    finally:
        async with database.writing() as connection:
            newest = max(path.name[:4] for path in (_VERSIONS).glob("[0-9]*.py"))
            await connection.execute(text(f"UPDATE alembic_version SET version_num = '{newest}'"))  # noqa: S608
        await database.close()


@pytest.mark.virtual_time
@pytest.mark.fault(37)
async def test_a_server_that_takes_connections_and_says_nothing_is_given_up() -> None:
    # The kernel takes the connections, and nobody ever reads from them.
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        database = Database(f"postgresql://nobody:secret@127.0.0.1:{server.getsockname()[1]}/name")
        began = asyncio.get_running_loop().time()

        async def read() -> None:
            async with database.reading():
                pass

        tried = await asyncio.gather(*(read() for _ in range(20)), return_exceptions=True)
        assert asyncio.get_running_loop().time() - began <= 8
        assert [type(one) for one in tried] == [DatabaseUnavailableError] * 20
        await database.close()


@pytest.mark.virtual_time
async def test_however_many_ask_whether_it_answers_one_of_them_tries(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, tries = Database(sqlite_url), 0
    writing = database.writing

    @asynccontextmanager
    async def counted() -> AsyncIterator[AsyncConnection]:
        nonlocal tries
        tries += 1
        await asyncio.sleep(1)
        async with writing() as connection:
            yield connection

    monkeypatch.setattr(database, "writing", counted)
    with held_while_sqlite_works():
        await asyncio.gather(*(database.check() for _ in range(50)))
        assert tries == 1
        await database.check()
        assert tries == 2
        await database.close()
