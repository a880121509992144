import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from pydantic import SecretStr

from tests.recognizers import ScriptedRecognizer
from tests.web.tokens import SECRET, bearer, token
from web.reference.examples import LANGUAGES
from web.serve import running
from web.settings import Settings

PATH = "/v1/speech/languages"


@pytest.fixture
async def guarded(recognizer: ScriptedRecognizer) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server that wants tokens."""
    async with (
        running(Settings(port=0, token_secret=SecretStr(SECRET)), recognizer) as server,
        httpx.AsyncClient(base_url=server.url, trust_env=False) as http,
    ):
        yield http


async def test_the_languages_are_listed_in_the_order_of_the_recognizer(
    client: httpx.AsyncClient, recognizer: ScriptedRecognizer
) -> None:
    recognizer.languages = ("fa-IR", "en-US", "de-DE")
    answer = await client.get(PATH)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json() == {"languages": ["fa-IR", "en-US", "de-DE"]}


async def test_a_recognizer_that_has_not_said_what_it_serves_has_none(
    client: httpx.AsyncClient, recognizer: ScriptedRecognizer
) -> None:
    recognizer.languages, recognizer.is_ready = (), False
    answer = await client.get(PATH)
    assert (answer.status_code, answer.json()) == (200, {"languages": []})


async def test_the_embedded_engine_has_its_own(server: str) -> None:
    async with httpx.AsyncClient(base_url=server, trust_env=False) as http:
        assert (await http.get(PATH)).json() == LANGUAGES


async def test_where_tokens_are_wanted_nobody_is_told_without_one(guarded: httpx.AsyncClient) -> None:
    answer = await guarded.get(PATH)
    assert (answer.status_code, answer.json()["type"]) == (401, "unauthenticated")
    by_header, by_query = await asyncio.gather(
        guarded.get(PATH, headers=bearer()), guarded.get(PATH, params={"jwt": token()})
    )
    assert by_header.json() == by_query.json() == {"languages": ["en-US"]}


async def test_a_foreign_page_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.get(PATH, headers={"Origin": "https://elsewhere.example"})
    assert (answer.status_code, answer.json()["type"]) == (403, "forbidden")
    own = await client.get(PATH, headers={"Origin": str(client.base_url)})
    assert own.status_code == 200
