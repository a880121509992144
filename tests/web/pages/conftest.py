"""Fixtures of the tests of the page: one browser for the whole run, one server for all tests of a module."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Playwright, async_playwright

from tests.support.recognizers import ScriptedRecognizer
from tests.web.pages.browser import Microphone, launched, opened
from web.process.serve import RunningServer, running
from web.settings.settings import Settings


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def playwright() -> AsyncIterator[Playwright]:
    async with async_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def _microphone(tmp_path_factory: pytest.TempPathFactory) -> Microphone:
    return Microphone(tmp_path_factory.mktemp("microphone"))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _browser(playwright: Playwright, _microphone: Microphone) -> AsyncIterator[Browser]:
    async with launched(playwright, *_microphone.arguments) as browser:
        yield browser


@pytest.fixture
def microphone(_microphone: Microphone) -> Microphone:
    """The microphone of the browser, for a test that changes its clip."""
    _microphone.hears("quick.wav")
    return _microphone


@pytest.fixture
def speaking_browser(_browser: Browser, microphone: Microphone) -> Browser:
    """The browser of the run, whose microphone hears quick.wav."""
    del microphone
    return _browser


def own_settings(folder: Path, empty_database: Path) -> Settings:
    """Settings with a database for nobody else: servers of one database share their work."""
    path = folder / "niyosha.db"
    shutil.copyfile(empty_database, path)
    return Settings(port=0, database_url=f"sqlite:///{path}")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def engine_server(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> AsyncIterator[RunningServer]:
    """A server with its embedded engine, as users start it."""
    async with running(own_settings(tmp_path_factory.mktemp("engine"), empty_database)) as server:
        assert server.is_ready
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def counting_server(
    tmp_path_factory: pytest.TempPathFactory, empty_database: Path
) -> AsyncIterator[RunningServer]:
    """A server that hears words where there is sound, at once and always the same: `w0 w1 ...`."""
    settings = own_settings(tmp_path_factory.mktemp("counting"), empty_database)
    async with running(settings, ScriptedRecognizer()) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def page(speaking_browser: Browser, counting_server: RunningServer) -> AsyncIterator[Page]:
    """Yield the dictation view of the counting server."""
    async with opened(speaking_browser, counting_server.url) as page:
        yield page
