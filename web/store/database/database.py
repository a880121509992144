"""The database: transactions that end in bounded time, on SQLite in a file or on PostgreSQL."""

import asyncio
import sqlite3
import threading
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import cast
from weakref import WeakSet

import aiosqlite
import structlog
from sqlalchemy import Insert, Table, delete, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

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
from web.store.database.unavailable import DatabaseUnavailableError, UnusableDatabaseError, unavailable_reason
from web.store.tables import notes

__all__ = ["Database", "DatabaseError", "DatabaseUnavailableError", "UnusableDatabaseError", "check_url", "libpq_url"]

# A transaction takes milliseconds; this bounds the wait for a server that hangs, or a file that others lock.
_TRANSACTION_SECONDS = 8.0
_LOCKED_PAUSE_SECONDS = 0.05
_TRUNCATE_PAUSES_SECONDS = (0.05, 0.1, 0.2)
_SHRINK_PAUSE_SECONDS = 0.05
# The key of an advisory lock in PostgreSQL: arbitrary, but the same in all processes.
_MIGRATION_LOCK = 0x4E49594F
_log = structlog.get_logger()


class Database:
    """A pool of connections; `reading` and `writing` are transactions.

    Both raise DatabaseUnavailableError after 8 s at most if the database cannot be used now: a server that hangs, a
    file that is locked, a full disk. On SQLite the end of a statement in progress may take 4 s more.
    """

    def __init__(self, url: str) -> None:
        """Check the URL, without connecting; raises DatabaseError."""
        self.url = url
        parsed = parsed_url(url)
        self.is_postgres = parsed.get_backend_name() != "sqlite"
        self.path = None if self.is_postgres else Path(parsed.database or "")
        # One per connection to SQLite.
        self._threads: WeakSet[threading.Thread] = WeakSet()
        self._engine = postgres_engine(url) if self.path is None else sqlite_engine(self.path, self._threads)
        self._turn = nullcontext() if self.is_postgres else asyncio.Lock()
        self._checking: asyncio.Task[DatabaseUnavailableError | None] | None = None

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        async with _in_time(), self._engine.connect() as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Commit at the end, or roll back on an exception.

        On SQLite the writers of one process take turns, and wait for those of another process 4 s at most: SQLite
        itself keeps no order, and under load one writer may be overtaken for seconds.
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
        """As `writing`; deleted data is erased from SQLite's files at once, or within a minute while others read."""
        async with self.writing() as connection:
            yield connection
        await self.truncate_log()

    async def truncate_log(self) -> None:
        """Empty SQLite's write-ahead log unless others are reading; raises nothing."""
        for pause in _TRUNCATE_PAUSES_SECONDS:
            try:
                async with self._alone() as connection:
                    if connection is None or await truncate_log(connection, BUSY_SECONDS):
                        return
            except DatabaseUnavailableError:  # the deletion is committed; the next cleanup empties the log
                return
            await asyncio.sleep(pause)

    async def shrink(self) -> None:
        """Give the free pages of a SQLite file back to the disk in small steps, then empty its log."""
        is_more = True
        while is_more:
            async with self._alone() as connection:
                is_more = connection is not None and await shrink(connection)
            await asyncio.sleep(_SHRINK_PAUSE_SECONDS)
        await self.truncate_log()

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[aiosqlite.Connection | None]:
        """Give SQLite's own connection, outside of transactions and with no other writer; None on PostgreSQL."""
        if self.is_postgres:
            yield None
            return
        async with _in_time(), self._turn, self._engine.connect() as connection:
            try:
                yield await _sqlite(connection)
            except sqlite3.Error as error:
                raise OperationalError("PRAGMA", None, error, hide_parameters=True) from None

    async def lock(self, connection: AsyncConnection, name: str, owner: str) -> None:
        """Hold a lock of this name and owner to the end of the transaction.

        It makes counting rows and adding one a single step. On SQLite there is only one writer at a time anyway.
        """
        if self.is_postgres:
            locked = select(func.pg_advisory_xact_lock(func.hashtext(name), func.hashtext(owner)))
            await connection.execute(locked)

    def insert_missing(self, table: Table) -> Insert:
        """Return an insert that skips rows which exist already."""
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
        """Upgrade, and retry where SQLite fails at once instead of waiting for a lock.

        It does so when two connections switch a new file to WAL mode at the same time.
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
                # The migration of a large table may take longer than any request.
                await connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
                await connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
                await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
            await connection.run_sync(migrate)
        if self.path is not None:
            async with self._turn, self._engine.connect() as connection:
                await convert(await _sqlite(connection), self.path)

    async def check(self) -> None:
        """Raise DatabaseUnavailableError unless the database can be read and written now.

        Concurrent callers share one check, which goes on if some of them are cancelled.
        """
        if self._checking is None or self._checking.done():
            self._checking = asyncio.create_task(self._checked())
        away = await asyncio.shield(self._checking)
        if away is not None:
            raise away

    async def _checked(self) -> DatabaseUnavailableError | None:
        # A row of its own, so that no check waits for the row of another process that hangs.
        name = uuid.uuid4().hex
        try:
            async with self.writing() as connection:
                await connection.exec_driver_sql("SELECT version_num FROM alembic_version")
                await connection.execute(insert(notes).values(name=name, value=""))
                await connection.execute(delete(notes).where(notes.c.name == name))
        except DatabaseUnavailableError as error:
            return error
        return None

    async def close(self) -> None:
        """Close all connections.

        The thread of a connection that failed or was cancelled outlives it for a moment, and would report to an event
        loop that is closed by then. Wait for each of them, 4 s at most.
        """
        if self._checking is not None:
            self._checking.cancel()
            await asyncio.gather(self._checking, return_exceptions=True)
        await self._engine.dispose()
        for thread in list(self._threads):
            if thread.is_alive():
                await asyncio.to_thread(thread.join, BUSY_SECONDS)


async def _sqlite(connection: AsyncConnection) -> aiosqlite.Connection:
    driver = (await connection.get_raw_connection()).driver_connection
    return cast(aiosqlite.Connection, driver)


@asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    """Bound a transaction by 8 s; raise DatabaseUnavailableError if it fails because of the database."""
    try:
        async with asyncio.timeout(_TRANSACTION_SECONDS):
            yield
    except (SQLAlchemyError, OSError) as error:
        reason = unavailable_reason(error)
        if reason is None:
            raise
        _log.warning("database_away", reason=reason.name.lower(), error=_kind(error))
        raise DatabaseUnavailableError(reason) from error


def _kind(error: SQLAlchemyError | OSError) -> str:
    """Return the name of an error in its driver; its text may hold values."""
    orig = error.orig if isinstance(error, DBAPIError) else None
    return getattr(orig, "sqlite_errorname", None) or type(orig or error).__name__
