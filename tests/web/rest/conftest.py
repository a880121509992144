"""Fixtures of the routes: a real server in this process, in front of a scripted recognizer, and a client of it."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.recognizers import ScriptedRecognizer
from web.serve import running
from web.settings import Settings


@pytest.fixture
def recognizer() -> ScriptedRecognizer:
    """Says `w0 w1 ...`, a word for each quarter of a second."""
    return ScriptedRecognizer()


@pytest.fixture
def settings() -> Settings:
    """The settings of the server; a test may have others."""
    return Settings(port=0)


@pytest.fixture
async def client(recognizer: ScriptedRecognizer, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server of its own."""
    async with (
        running(settings, recognizer) as server,
        httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=30) as client,
    ):
        yield client
