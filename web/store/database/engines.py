"""The two kinds of databases, each with its driver: SQLite in a file, PostgreSQL by its URL."""

import sqlite3
import threading
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakSet

import aiosqlite
from sqlalchemy import URL, Connection, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

BUSY_SECONDS = 4.0
"""A statement waits so long for whoever else has locked a SQLite file."""
WRITES = "writes"
"""The execution option of a transaction that will write."""
# Enough for the requests of one process; with the six of its queue, seven processes fit PostgreSQL's usual 100.
_POSTGRES_CONNECTIONS = 8
_SQLITE_CONNECTIONS = 4
_CONNECT_SECONDS = 5
# PostgreSQL itself ends what takes longer, so that nothing is left running of a request that was given up.
_STATEMENT_MS, _LOCK_MS, _IDLE_MS = 8000, 5000, 30_000
_FORMS = "allowed are sqlite:///path and postgresql://user:password@host/name"


class DatabaseError(ValueError):
    """The URL names no database that can be used; the text says what may stand there."""


def check_url(url: str) -> None:
    """Raise DatabaseError unless a database may stand behind the URL; nothing is connected."""
    parsed_url(url)


def libpq_url(url: str) -> str:
    """The same PostgreSQL database, for a driver that knows nothing of SQLAlchemy."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def parsed_url(url: str) -> URL:
    """The parts of a URL; raises DatabaseError."""
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
    """Connect to a file; `threads` gets the thread of each connection."""

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
        connect_args={"timeout": BUSY_SECONDS, "isolation_level": None, "async_creator_fn": connect},
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "connect", partial(_prepare_sqlite, path))
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def postgres_engine(url: str) -> AsyncEngine:
    """Connect to a server, over connections that can be given up at any moment."""
    from web.store.database.postgres import connected  # noqa: PLC0415  only who has PostgreSQL loads its driver

    async def connect() -> Any:
        return await connected(
            libpq_url(url), _CONNECT_SECONDS, statement_ms=_STATEMENT_MS, lock_ms=_LOCK_MS, idle_ms=_IDLE_MS
        )

    # What was said is a parameter, and an error that is logged must not repeat it.
    return create_async_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=_POSTGRES_CONNECTIONS,
        max_overflow=0,
        pool_pre_ping=True,
        hide_parameters=True,
        async_creator=connect,
    )


def _prepare_sqlite(path: Path, connection: sqlite3.Connection, _record: Any) -> None:
    cursor = connection.cursor()
    if not path.exists() or not path.stat().st_size:
        # Only in a new file: in another one this would wait for whoever is writing.
        cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")
    # In WAL mode readers never wait for a writer, and what was committed survives the death of the process.
    for pragma in ("secure_delete=ON", "journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    # A transaction that reads first and writes later would fail at once when another one wrote in between.
    writes = connection.get_execution_options().get(WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
