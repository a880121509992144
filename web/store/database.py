"""Owns the database connection: SQLite in a file or PostgreSQL by its URL, brought up to date at the start."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any
from weakref import WeakSet

import aiosqlite
from sqlalchemy import URL, Connection, Insert, Table, event, func, inspect, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

_MIGRATIONS = Path(__file__).parents[1] / "migrations"
_BUSY_SECONDS = 5.0
_LOCKED_PAUSE_SECONDS = 0.05
_CONNECT_SECONDS = 10
# Enough for the requests of one process; with the six of its queue, seven processes fit PostgreSQL's usual 100.
_POSTGRES_CONNECTIONS = 8
_SQLITE_CONNECTIONS = 4
# What PostgreSQL is told to hold while migrations run; any number that is always the same would do.
_MIGRATION_LOCK = 0x5348454E
_WRITES = "writes"
_FORMS = "allowed are sqlite:///path and postgresql://user:password@host/name"


class DatabaseError(ValueError):
    """The URL names no database that can be used; the text says what may stand there."""


class UnusableDatabaseError(Exception):
    """The database is not there, or does not let us in; the text says which setting names it, and why it fails."""


class Database:
    """A pool of connections; `reading` and `writing` are transactions."""

    def __init__(self, url: str) -> None:
        """Raises DatabaseError; nothing is connected yet."""
        self.url = url
        parsed = _parsed(url)
        # One per connection to SQLite.
        self._threads: WeakSet[threading.Thread] = WeakSet()
        self._engine = _engine(parsed, self._threads)
        self.is_postgres = self._engine.dialect.name == "postgresql"
        self.path = None if self.is_postgres else Path(parsed.database or "")
        self._turn = nullcontext() if self.is_postgres else asyncio.Lock()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        async with self._engine.connect() as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Commit at the end, or roll back.

        On SQLite writers of one process take turns, and wait for those of another one 5 s at most: SQLite itself wakes
        nobody and keeps no order, and under load the same one may be overtaken for seconds.
        """
        async with self._turn, self._engine.connect() as connection:
            await connection.execution_options(**{_WRITES: True})
            async with connection.begin():
                yield connection

    async def take_turn(self, connection: AsyncConnection, what: str, owner: str) -> None:
        """Wait until no other transaction has this turn, and keep it to the end of this one.

        Whoever counts rows and then adds one takes a turn first. On SQLite every `writing` has the only one.
        """
        if self.is_postgres:
            locked = select(func.pg_advisory_xact_lock(func.hashtext(what), func.hashtext(owner)))
            await connection.execute(locked)

    def insert_missing(self, table: Table) -> Insert:
        """An insert that leaves rows alone that are there already."""
        if self.is_postgres:
            return postgresql.insert(table).on_conflict_do_nothing()
        return sqlite.insert(table).on_conflict_do_nothing()

    async def upgrade(self) -> None:
        """Create or migrate the tables; processes that start together wait for the first.

        Raises UnusableDatabaseError.
        """
        try:
            await self._upgrade_in_turn()
        except (DBAPIError, OSError) as error:
            reason = str(error.orig if isinstance(error, DBAPIError) else error).partition("\n")[0]
            raise UnusableDatabaseError(f"the database of SHENAVA_DATABASE_URL cannot be used: {reason}") from None

    async def _upgrade_in_turn(self) -> None:
        """Upgrade, and try again where SQLite fails at once instead of waiting for its turn.

        It does so where two connections turn a new file to WAL mode at the same time.
        """
        last_try = asyncio.get_running_loop().time() + _BUSY_SECONDS
        while True:
            try:
                return await self._upgrade()
            except OperationalError as error:
                is_locked = "locked" in str(error.orig)
                if self.is_postgres or not is_locked or asyncio.get_running_loop().time() >= last_try:
                    raise
            await asyncio.sleep(_LOCKED_PAUSE_SECONDS)

    async def _upgrade(self) -> None:
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        async with self.writing() as connection:
            if self.is_postgres:
                await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
            await connection.run_sync(_upgrade)

    async def check(self) -> None:
        """Raise UnusableDatabaseError unless it answers; waits as long as the database lets it."""
        try:
            async with self.reading() as connection:
                await connection.exec_driver_sql("SELECT version_num FROM alembic_version")
        except (SQLAlchemyError, OSError) as error:
            raise UnusableDatabaseError("the database of SHENAVA_DATABASE_URL does not answer") from error

    async def close(self) -> None:
        """Close all connections.

        The thread of one that failed or was cut off outlives it for a moment, and would then answer a loop that is
        closed: it is waited for, 5 s at most.
        """
        await self._engine.dispose()
        for thread in list(self._threads):
            if thread.is_alive():
                await asyncio.to_thread(thread.join, _BUSY_SECONDS)


def check_url(url: str) -> None:
    """Raise DatabaseError unless a database may stand behind the URL; nothing is connected."""
    _parsed(url)


def libpq_url(url: str) -> str:
    """The same PostgreSQL database, for a driver that knows nothing of SQLAlchemy."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise DatabaseError(f"it is no URL; {_FORMS}") from None
    match parsed.get_backend_name(), parsed.database:
        case "sqlite", None | "" | ":memory:":
            raise DatabaseError(f"it names no file; {_FORMS}")
        case "sqlite" | "postgresql" | "postgres", _:
            return parsed
        case other, _:
            raise DatabaseError(f"it names a database of the kind {other}; {_FORMS}")


def _engine(parsed: URL, threads: WeakSet[threading.Thread]) -> AsyncEngine:
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(Path(parsed.database or ""), threads)
    driver = parsed.set(drivername="postgresql+psycopg")
    # What was said is a parameter, and an error that is logged must not repeat it.
    return create_async_engine(
        driver,
        pool_size=_POSTGRES_CONNECTIONS,
        max_overflow=0,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"connect_timeout": _CONNECT_SECONDS},
    )


def _sqlite(path: Path, threads: WeakSet[threading.Thread]) -> AsyncEngine:
    def connect(*arguments: Any, **options: Any) -> aiosqlite.Connection:
        connection = aiosqlite.connect(*arguments, **options)
        # The process may end while SQLite waits for its turn; SQLAlchemy says the same of the connections it makes.
        connection._thread.daemon = True
        threads.add(connection._thread)
        return connection

    engine = create_async_engine(
        f"sqlite+aiosqlite:///{path}",
        pool_size=_SQLITE_CONNECTIONS,
        # Transactions begin where `_begin` says, not where the driver guesses.
        connect_args={"timeout": _BUSY_SECONDS, "isolation_level": None, "async_creator_fn": connect},
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    cursor = connection.cursor()
    # In WAL mode readers never wait for a writer, and what was committed survives the death of the process.
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    # A transaction that reads first and writes later would fail at once when another one wrote in between.
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _upgrade(connection: Connection) -> None:
    if _revision(connection) == _newest_revision():
        return
    # 10 MB and 0.1 s that only the first start after an upgrade pays for.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _revision(connection: Connection) -> str | None:
    """The migration that the database is at, as alembic notes it there; None for a new one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def _newest_revision() -> str:
    """The last migration there is: their files are numbered."""
    return max(path.name.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py"))
