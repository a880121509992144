"""What an orchestrator is told: the process works; new streams would be admitted, or why not."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from websockets.asyncio.client import connect

from tests.recognizers import MuteStream, ScriptedRecognizer
from tests.sounds import clip_pcm
from tests.web.sockets import address, converse
from tests.web.tokens import SECRET
from web.serve import running
from web.settings import Settings


@pytest.mark.fault(30)
async def test_it_lives_and_is_ready(client: httpx.AsyncClient) -> None:
    for path, status in (("/livez", "live"), ("/readyz", "ready")):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()) == (200, {"status": status})
        assert answer.headers["Cache-Control"] == "no-store"


async def test_without_its_recognizer_it_lives_and_is_not_ready(
    client: httpx.AsyncClient, recognizer: ScriptedRecognizer
) -> None:
    recognizer.is_ready = False
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["type"]) == (503, "overloaded")
    assert answer.json()["detail"] == "the recognizer is not ready"
    assert (await client.get("/livez")).status_code == 200
    recognizer.is_ready = True
    assert (await client.get("/readyz")).status_code == 200


async def test_without_its_database_it_is_not_ready(client: httpx.AsyncClient, own_database: Path) -> None:
    with sqlite3.connect(own_database) as line:
        line.execute("ALTER TABLE alembic_version RENAME TO gone")
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["detail"]) == (503, "the database does not answer")
    assert (await client.get("/livez")).status_code == 200
    with sqlite3.connect(own_database) as line:
        line.execute("ALTER TABLE gone RENAME TO alembic_version")
    assert (await client.get("/readyz")).status_code == 200


async def test_with_as_many_streams_as_it_takes_it_is_not_ready_until_one_ends(recognizer: ScriptedRecognizer) -> None:
    async with (
        running(Settings(port=0, streams=1), recognizer) as server,
        httpx.AsyncClient(base_url=server.url, trust_env=False) as http,
    ):
        async with connect(address(server.url), proxy=None):
            answer = await http.get("/readyz")
            assert (answer.status_code, answer.json()["type"]) == (503, "overloaded")
            assert answer.json()["detail"].startswith("1 streams are open")
        async with asyncio.timeout(10):
            while (await http.get("/readyz")).status_code != 200:
                await asyncio.sleep(0.02)


@pytest.mark.fault(22)
async def test_while_it_stops_it_is_not_ready_and_still_lives() -> None:
    recognizer = ScriptedRecognizer([MuteStream])
    settings = Settings(port=0, final_limit_seconds=1.0)
    async with AsyncExitStack() as stack, httpx.AsyncClient(trust_env=False) as http:
        server = await stack.enter_async_context(running(settings, recognizer))
        # The recognizer owes this session its text, which holds the server for a second.
        talking = asyncio.create_task(converse(server.url, clip_pcm("quick.wav"), 0.1))
        while not recognizer.streams:
            await asyncio.sleep(0.01)
        stopping = asyncio.create_task(stack.aclose())
        await asyncio.sleep(0.1)
        ready, live = [await http.get(server.url + path) for path in ("/readyz", "/livez")]
        assert (ready.status_code, ready.json()["type"], live.status_code) == (503, "shutting_down", 200)
        assert ready.headers["Retry-After"]
        await stopping
        assert (await talking).close_code == 1012


@asynccontextmanager
async def keyed() -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(port=0, token_secret=SecretStr(SECRET))
    async with (
        running(settings, ScriptedRecognizer()) as server,
        httpx.AsyncClient(base_url=server.url, trust_env=False) as http,
    ):
        yield http


async def test_nobody_is_asked_for_a_token() -> None:
    async with keyed() as http:
        assert [(await http.get(path)).status_code for path in ("/livez", "/readyz")] == [200, 200]
        assert (await http.get("/livez", headers={"Host": "10.0.0.7:8000"})).status_code == 200
