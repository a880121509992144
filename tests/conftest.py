"""Fixtures that several rooms share: the real server as a user starts it."""

import asyncio
import gc
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from weakref import WeakSet

import hypothesis
import pytest

from tests.canary import leak
from web.metrics import Metrics
from web.store.database import Database

hypothesis.settings.register_profile("shenava", deadline=None)
hypothesis.settings.load_profile("shenava")


def pytest_collection_finish() -> None:
    """As the server does at its start: what was imported for all rooms is no matter for the garbage collection."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Rows 15 and 16: no test of any room leaves a token, or what was said, in what it prints or logs."""
    report = yield
    written = (text for name, text in report.sections if name.endswith(report.when))
    leaked = next(filter(None, map(leak, written)), None)
    if report.passed and leaked is not None:
        report.outcome = "failed"
        report.longrepr = f"this was printed or logged: {leaked}"
    return report


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
        """What no metric may hold, told once; a server that is gone is looked at once more, others each time."""
        told = {metrics: leak(metrics.text().decode()) for metrics in list(self._alive)}
        self._new.clear()
        self._alive.difference_update(metrics for metrics, leaked in told.items() if leaked is not None)
        return [leaked for leaked in told.values() if leaked is not None]


@pytest.fixture(scope="session")
def counters() -> Iterator[_Counters]:
    """Every server gets its metrics here."""
    counters = _Counters()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("web.app.Metrics", counters.make)
        yield counters


@pytest.fixture(autouse=True)
def metrics_tell_no_secrets(counters: _Counters) -> Iterator[None]:
    """Rows 15 and 30, for every test."""
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
    monkeypatch.setenv("SHENAVA_DATABASE_URL", f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Base URL of a `shenava serve` with the embedded engine, one for the whole run."""
    database = tmp_path_factory.mktemp("server") / "shenava.db"
    command = [sys.executable, "-m", "web.cli", "serve", "--port", "0", "--quiet"]
    settings = {
        "SHENAVA_IDLE_MS": "1000",
        "SHENAVA_IDLE_LIMIT_SECONDS": "2",
        "SHENAVA_DATABASE_URL": f"sqlite:///{database}",
    }
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | settings) as process:
        try:
            assert process.stdout is not None
            words = process.stdout.readline().split()
            yield next(word for word in words if word.startswith("http"))
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(40) == 0
