"""SQLAlchemy engines for the two kinds of databases: SQLite in a file, PostgreSQL by its URL."""

import sqlite3
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import aiosqlite
from sqlalchemy import URL, Connection, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from stream.extras import POSTGRES
from stream.lazy_import import lazy_import

if TYPE_CHECKING:
    from web.store.database import postgres
else:
    postgres = lazy_import("web.store.database.postgres")

BUSY_SECONDS = 4.0
"""How long a statement waits while another connection has locked a SQLite file."""
WRITES = "writes"
"""The execution option that marks a transaction as writing."""
# Enough for the requests of one process; with six of its queue and one that listens, six processes fit PostgreSQL's
# usual 100.
_POSTGRES_CONNECTIONS = 8
_SQLITE_CONNECTIONS = 4
_CONNECT_SECONDS = 5
# PostgreSQL itself ends what takes longer, so that nothing of an abandoned request keeps running.
_STATEMENT_MS, _LOCK_MS, _IDLE_MS = 8000, 5000, 30_000
_FORMS = "allowed are sqlite:///path and postgresql://user:password@host/name"


class DatabaseError(ValueError):
    """The URL names no database that can be used; the text says what is allowed."""


def check_url(url: str) -> None:
    """Raise DatabaseError for a URL that names no database, or one without its driver; nothing is connected."""
    if parsed_url(url).get_backend_name() != "sqlite" and POSTGRES.missing:
        raise DatabaseError(POSTGRES.missing)


def libpq_url(url: str) -> str:
    """Return the URL of the same PostgreSQL database for libpq."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def parsed_url(url: str) -> URL:
    """Parse a URL; raises DatabaseError."""
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


def sqlite_engine(path: Path, threads: WeakSet[threading.Thread]) -> AsyncEngine:
    """Make an engine for a file; the thread of each connection is added to `threads`."""

    def connect(*arguments: Any, **options: Any) -> aiosqlite.Connection:
        connection = aiosqlite.connect(*arguments, **options)
        # As SQLAlchemy does for connections that it makes itself: the process may end while SQLite waits for a lock.
        connection._thread.daemon = True
        threads.add(connection._thread)
        return connection

    engine = create_async_engine(
        f"sqlite+aiosqlite:///{path}",
        pool_size=_SQLITE_CONNECTIONS,
        # `_begin` begins transactions, not the driver.
        connect_args={"timeout": BUSY_SECONDS, "isolation_level": None, "async_creator_fn": connect},
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "connect", partial(_prepare_sqlite, path))
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def postgres_engine(url: str) -> AsyncEngine:
    """Make an engine for a server, with connections that can be abandoned at any moment."""

    async def connect() -> Any:
        return await postgres.connected(
            libpq_url(url), _CONNECT_SECONDS, statement_ms=_STATEMENT_MS, lock_ms=_LOCK_MS, idle_ms=_IDLE_MS
        )

    return create_async_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=_POSTGRES_CONNECTIONS,
        max_overflow=0,
        pool_pre_ping=True,
        # Transcripts are parameters, and an error that is logged must not repeat them.
        hide_parameters=True,
        async_creator=connect,
    )


def _prepare_sqlite(path: Path, connection: sqlite3.Connection, _record: Any) -> None:
    cursor = connection.cursor()
    if not path.exists() or not path.stat().st_size:
        # Only in a new file: in an existing one this would wait for other writers.
        cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")
    # In WAL mode readers never wait for a writer, and commits survive the death of the process.
    for pragma in ("secure_delete=ON", "journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    # Without IMMEDIATE, a transaction that reads first fails at once if another one writes before it does.
    writes = connection.get_execution_options().get(WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
