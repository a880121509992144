"""What every test has: the loop it runs on, and a canary that finds secrets in what it printed or logged."""

import asyncio
import gc
import os
import signal
import subprocess
from collections.abc import Callable, Generator, Iterator, Mapping

import pytest

from tests.support.canary import leak
from tests.support.loops.loop_bound import long_callbacks
from tests.support.loops.virtual_time import VirtualTimeLoop
from tests.support.ports import unused_port
from tests.support.processes import NIYOSHA, STUCK_SECONDS, url_in
from tests.support.tiers import register

register()


# In these directories files take long.
_LONG_FIRST = ("tests/web/pages/", "tests/web/", "tests/stream/engine/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put long files first, so that no worker is left with one of them at the end."""

    def rank(item: pytest.Item) -> int:
        return next((n for n, place in enumerate(_LONG_FIRST) if item.nodeid.startswith(place)), len(_LONG_FIRST))

    items.sort(key=rank)


def pytest_collection_finish() -> None:
    """Freeze what was imported, as the server does at its start: a full collection would stop every stream."""
    gc.collect()
    gc.freeze()


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run what is marked `virtual_time` on a loop whose clock jumps, everything else on the usual one."""
    if item.get_closest_marker("virtual_time") is not None:
        return {"virtual": VirtualTimeLoop}
    return {"real": asyncio.new_event_loop}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail the test that leaves a token, or what was said, in what it prints or logs (faults 15 and 16)."""
    report = yield
    written = (text for name, text in report.sections if name.endswith(report.when))
    leaked = next(filter(None, map(leak, written)), None)
    if report.passed and leaked is not None:
        report.outcome = "failed"
        report.longrepr = f"this was printed or logged: {leaked}"
    return report


@pytest.fixture(scope="session")
def callbacks() -> Iterator[list[str]]:
    """The callbacks that worked for too long since it was emptied."""
    with long_callbacks() as found:
        yield found


@pytest.fixture(autouse=True)
def callbacks_are_short(request: pytest.FixtureRequest, callbacks: list[str]) -> Iterator[None]:
    """Fail the test in which a callback of the product worked for longer than `MOST_CPU_SECONDS`."""
    callbacks.clear()
    yield
    assert callbacks == [] or request.node.get_closest_marker("long_callbacks") is not None


@pytest.fixture(scope="session")
def wyoming_port() -> int:
    """Wyoming's port of `server`."""
    return unused_port()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, wyoming_port: int) -> Iterator[str]:
    """Base URL of a `niyosha serve` with the embedded engine, one for the whole run."""
    database = tmp_path_factory.mktemp("server") / "niyosha.db"
    command = [*NIYOSHA, "serve", "--port", "0", "--quiet"]
    settings = {
        "NIYOSHA_IDLE_MS": "1000",
        "NIYOSHA_IDLE_LIMIT_SECONDS": "2",
        "NIYOSHA_WYOMING_PORT": str(wyoming_port),
        "NIYOSHA_DATABASE_URL": f"sqlite:///{database}",
    }
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | settings) as process:
        try:
            assert process.stdout is not None
            yield url_in(process.stdout.readline())
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(STUCK_SECONDS) == 0
