"""Fixtures that several rooms share: the real server as a user starts it."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from web.store.database import Database

# The beginning of every token that tests make.
_TOKEN = re.compile(r"eyJ[\w-]{10,}\.[\w-]{10,}\.")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Row 15: no test of any room leaves a token in what it prints or logs."""
    report = yield
    if report.when == "call" and report.passed and any(_TOKEN.search(text) for _, text in report.sections):
        report.outcome = "failed"
        report.longrepr = "a token stands in what was printed or logged"
    return report


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
