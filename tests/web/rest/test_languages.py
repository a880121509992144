import httpx
import pytest

from tests.web.support.gateway import Gateway
from tests.web.support.sockets import http_client
from tests.web.support.tokens import token

pytestmark = [pytest.mark.virtual_time, pytest.mark.asyncio(loop_scope="module")]

PATH = "/v1/speech/languages"


async def test_the_languages_are_listed_in_the_order_of_the_recognizer(
    gateway: Gateway, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(gateway.book, "languages", ("fa-IR", "en-US", "de-DE"))
        answer = await client.get(PATH)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json() == {"languages": ["fa-IR", "en-US", "de-DE"]}


async def test_a_recognizer_that_has_not_said_what_it_serves_has_none(
    gateway: Gateway, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(gateway.book, "languages", ())
        patch.setattr(gateway.book, "is_ready", False)
        answer = await client.get(PATH)
    assert (answer.status_code, answer.json()) == (200, {"languages": []})


async def test_where_tokens_are_wanted_nobody_is_told_without_one(gateway: Gateway, client: httpx.AsyncClient) -> None:
    async with http_client(gateway.base) as stranger:
        answer = await stranger.get(PATH)
        assert (answer.status_code, answer.json()["type"]) == (401, "unauthenticated")
        by_query = await stranger.get(PATH, params={"jwt": token()})
    assert (await client.get(PATH)).json() == by_query.json() == {"languages": ["en-US"]}


async def test_a_foreign_page_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.get(PATH, headers={"Origin": "https://elsewhere.example"})
    assert (answer.status_code, answer.json()["type"]) == (403, "forbidden")
    own = await client.get(PATH, headers={"Origin": str(client.base_url)})
    assert own.status_code == 200
