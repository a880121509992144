"""Probes of an orchestrator: the process works; new streams would be admitted, or why not."""

import asyncio
import sqlite3
from contextlib import AsyncExitStack, closing

import httpx
import pytest

from stream.recognition.places import Refusal
from stream.recognition.recognizer import Capacity, RecognizerFullError
from tests.support.recognizers import MuteStream, ScriptedRecognizer
from tests.support.sounds import clip_pcm
from tests.web.support.gateway import Gateway, running_gateway
from tests.web.support.sockets import converse, http_client, talking
from web.settings.settings import Settings

pytestmark = [pytest.mark.virtual_time, pytest.mark.asyncio(loop_scope="module")]


@pytest.mark.fault(30)
async def test_it_lives_and_is_ready(client: httpx.AsyncClient) -> None:
    for path, status in (("/livez", "live"), ("/readyz", "ready")):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()) == (200, {"status": status})
        assert answer.headers["Cache-Control"] == "no-store"


async def test_without_its_recognizer_it_lives_and_is_not_ready(
    gateway: Gateway, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(gateway.book, "is_ready", False)
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["type"]) == (503, "overloaded")
        assert answer.json()["detail"] == "the recognizer is not ready"
        assert (await client.get("/livez")).status_code == 200
    assert (await client.get("/readyz")).status_code == 200


async def test_where_all_places_are_taken_it_is_not_ready(
    gateway: Gateway, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(gateway.book, "full", RecognizerFullError("full", Refusal.FULL))
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["type"]) == (503, "overloaded")
        assert answer.json()["detail"].startswith("the server is full: ")
        assert (await client.get("/livez")).status_code == 200
    assert (await client.get("/readyz")).status_code == 200


async def test_a_recognizer_that_does_not_say_how_full_it_is_is_taken_for_ready(
    gateway: Gateway, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing() -> Capacity:
        await asyncio.Event().wait()
        raise AssertionError

    with monkeypatch.context() as patch:
        patch.setattr(gateway.book, "capacity", nothing)
        assert (await client.get("/readyz")).status_code == 200


async def test_without_its_database_it_is_not_ready(client: httpx.AsyncClient, module_database: str) -> None:
    with closing(sqlite3.connect(module_database.removeprefix("sqlite:///"))) as line:
        line.execute("ALTER TABLE alembic_version RENAME TO gone")
        try:
            answer = await client.get("/readyz")
            assert (answer.status_code, answer.json()["detail"]) == (503, "the database does not answer")
            assert (await client.get("/livez")).status_code == 200
        finally:
            line.execute("ALTER TABLE gone RENAME TO alembic_version")
    assert (await client.get("/readyz")).status_code == 200


async def test_with_as_many_streams_as_it_takes_it_is_not_ready_until_one_ends() -> None:
    async with running_gateway(settings=Settings(port=0, streams=1)) as base, http_client(base) as http:
        async with talking(base) as socket:
            answer = await http.get("/readyz")
            assert (answer.status_code, answer.json()["type"]) == (503, "overloaded")
            assert answer.json()["detail"].startswith("1 streams are open")
            await socket.send("close")
            async for _ in socket:
                pass
        # Whatever its session still had to do needed no more than this.
        await asyncio.sleep(1)
        assert (await http.get("/readyz")).status_code == 200


@pytest.mark.fault(22)
async def test_while_it_stops_it_is_not_ready_and_still_lives() -> None:
    recognizer = ScriptedRecognizer(script=[MuteStream])
    async with AsyncExitStack() as stack:
        base = await stack.enter_async_context(running_gateway(recognizer, Settings(port=0, final_limit_seconds=1.0)))
        # The recognizer owes this session its text, which holds the server for a second.
        speaking = asyncio.create_task(converse(base, clip_pcm("quick.wav"), 0.1))
        await asyncio.sleep(0.05)
        assert recognizer.streams
        stopping = asyncio.create_task(stack.aclose())
        await asyncio.sleep(0.9)
        async with http_client(base) as http:
            ready, live = [await http.get(path) for path in ("/readyz", "/livez")]
        assert (ready.status_code, ready.json()["type"], live.status_code) == (503, "shutting_down", 200)
        assert ready.headers["Retry-After"]
        await stopping
        assert (await speaking).close_code == 1012


async def test_nobody_is_asked_for_a_token(gateway: Gateway) -> None:
    async with http_client(gateway.base) as http:
        assert [(await http.get(path)).status_code for path in ("/livez", "/readyz")] == [200, 200]
        assert (await http.get("/livez", headers={"Host": "10.0.0.7:8000"})).status_code == 200
