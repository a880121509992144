"""The database: transactions that end in bounded time, on SQLite in a file or on PostgreSQL."""

import asyncio
import sqlite3
import threading
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from weakref import WeakSet

import aiosqlite
import structlog
from sqlalchemy import Insert, Table, delete, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from web.store.database.away import DatabaseAwayError, UnusableDatabaseError, absence_of
from web.store.database.engines import (
    BUSY_SECONDS,
    WRITES,
    DatabaseError,
    check_url,
    libpq_url,
    parsed_url,
    postgres_engine,
    sqlite_engine,
)
from web.store.database.erasure import convert, shrink, truncate_log
from web.store.database.migrating import migrate
from web.store.tables import notes

__all__ = ["Database", "DatabaseAwayError", "DatabaseError", "UnusableDatabaseError", "check_url", "libpq_url"]

# A transaction takes milliseconds. A server that hangs, or a file that others keep locked, costs its caller so much.
_TRANSACTION_SECONDS = 8.0
_LOCKED_PAUSE_SECONDS = 0.05
_TRUNCATE_PAUSES_SECONDS = (0.05, 0.1, 0.2)
_SHRINK_PAUSE_SECONDS = 0.05
# What PostgreSQL is told to hold while migrations run; any number that is always the same would do.
_MIGRATION_LOCK = 0x4E49594F
_log = structlog.get_logger()


class Database:
    """A pool of connections; `reading` and `writing` are transactions.

    Both raise DatabaseAwayError where the database cannot be used now, after 8 s at most: a server that hangs, a file
    that is locked, a full disk. On SQLite a statement that has begun may take 4 s more to be given up.
    """

    def __init__(self, url: str) -> None:
        """Raises DatabaseError; nothing is connected yet."""
        self.url = url
        parsed = parsed_url(url)
        self.is_postgres = parsed.get_backend_name() != "sqlite"
        self.path = None if self.is_postgres else Path(parsed.database or "")
        # One per connection to SQLite.
        self._threads: WeakSet[threading.Thread] = WeakSet()
        self._engine = postgres_engine(url) if self.path is None else sqlite_engine(self.path, self._threads)
        self._turn = nullcontext() if self.is_postgres else asyncio.Lock()
        self._checking: asyncio.Task[DatabaseAwayError | None] | None = None

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        async with _in_time(), self._engine.connect() as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Commit at the end, or roll back.

        On SQLite writers of one process take turns, and wait for those of another one 4 s at most: SQLite itself wakes
        nobody and keeps no order, and under load the same one may be overtaken for seconds.
        """
        async with _in_time(), self._writing() as connection:
            yield connection

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        async with self._turn, self._engine.connect() as connection:
            await connection.execution_options(**{WRITES: True})
            async with connection.begin():
                yield connection

    @asynccontextmanager
    async def erasing(self) -> AsyncIterator[AsyncConnection]:
        """As `writing`; what it deletes is in no file of SQLite's afterwards, or within a minute where others read."""
        async with self.writing() as connection:
            yield connection
        await self.truncate_log()

    async def truncate_log(self) -> None:
        """Empty SQLite's write-ahead log, unless others read just now; raises nothing."""
        for pause in _TRUNCATE_PAUSES_SECONDS:
            try:
                async with self._alone() as connection:
                    if connection is None or await truncate_log(connection, BUSY_SECONDS):
                        return
            except DatabaseAwayError:  # what was asked for is done; the next upkeep comes within a minute
                return
            await asyncio.sleep(pause)

    async def shrink(self) -> None:
        """Give free room of a SQLite file back in small steps, then empty its log."""
        is_more = True
        while is_more:
            async with self._alone() as connection:
                is_more = connection is not None and await shrink(connection)
            await asyncio.sleep(_SHRINK_PAUSE_SECONDS)
        await self.truncate_log()

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[aiosqlite.Connection | None]:
        """SQLite's own connection, outside of any transaction and before any other writer; None on PostgreSQL."""
        if self.is_postgres:
            yield None
            return
        async with _in_time(), self._turn, self._engine.connect() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            assert isinstance(driver, aiosqlite.Connection)  # noqa: S101
            try:
                yield driver
            except sqlite3.Error as error:
                raise OperationalError("PRAGMA", None, error, hide_parameters=True) from None

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
            raise UnusableDatabaseError(f"the database of NIYOSHA_DATABASE_URL cannot be used: {reason}") from None

    async def _upgrade_in_turn(self) -> None:
        """Upgrade, and try again where SQLite fails at once instead of waiting for its turn.

        It does so where two connections turn a new file to WAL mode at the same time.
        """
        last_try = asyncio.get_running_loop().time() + BUSY_SECONDS
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
        async with self._writing() as connection:
            if self.is_postgres:
                # A large table may take longer than any request.
                await connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
                await connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
                await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
            await connection.run_sync(migrate)
        if self.path is not None:
            async with self._turn, self._engine.connect() as connection:
                driver = (await connection.get_raw_connection()).driver_connection
                assert isinstance(driver, aiosqlite.Connection)  # noqa: S101
                await convert(driver, self.path)

    async def check(self) -> None:
        """Raise DatabaseAwayError unless it can be read and written to now.

        However many ask, one of them tries; whoever stops waiting holds up nobody.
        """
        if self._checking is None or self._checking.done():
            self._checking = asyncio.create_task(self._checked())
        away = await asyncio.shield(self._checking)
        if away is not None:
            raise away

    async def _checked(self) -> DatabaseAwayError | None:
        # A row of its own: what one process writes must not wait for another one that hangs.
        name = uuid.uuid4().hex
        try:
            async with self.writing() as connection:
                await connection.exec_driver_sql("SELECT version_num FROM alembic_version")
                await connection.execute(insert(notes).values(name=name, value=""))
                await connection.execute(delete(notes).where(notes.c.name == name))
        except DatabaseAwayError as away:
            return away
        return None

    async def close(self) -> None:
        """Close all connections.

        The thread of one that failed or was cut off outlives it for a moment, and would then answer a loop that is
        closed: it is waited for, 4 s at most.
        """
        if self._checking is not None:
            self._checking.cancel()
            await asyncio.gather(self._checking, return_exceptions=True)
        await self._engine.dispose()
        for thread in list(self._threads):
            if thread.is_alive():
                await asyncio.to_thread(thread.join, BUSY_SECONDS)


@asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    """Give a transaction up after 8 s; raise DatabaseAwayError where it is the database's doing that it failed."""
    try:
        async with asyncio.timeout(_TRANSACTION_SECONDS):
            yield
    except (SQLAlchemyError, OSError) as error:
        absence = absence_of(error)
        if absence is None:
            raise
        _log.warning("database_away", reason=absence.name.lower(), error=_kind(error))
        raise DatabaseAwayError(absence) from error


def _kind(error: SQLAlchemyError | OSError) -> str:
    """The kind of an error by its driver's name, without any of its words."""
    orig = error.orig if isinstance(error, DBAPIError) else None
    return getattr(orig, "sqlite_errorname", None) or type(orig or error).__name__
