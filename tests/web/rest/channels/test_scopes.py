"""Who may do what with a channel, by a token of every scope, of another owner, and without one."""

import json
from collections.abc import Mapping

import httpx
import pytest
import pytest_asyncio
from websockets.exceptions import InvalidStatus

from tests.web.support.channels import PATH, made
from tests.web.support.gateway import Gateway
from tests.web.support.sockets import http_client, talking
from tests.web.support.tokens import bearer
from web.auth.caller import ORDINARY, Scope

pytestmark = [pytest.mark.virtual_time, pytest.mark.asyncio(loop_scope="module")]

READ = ("events", "captions.vtt", "captions.txt", "captions.m3u8", "segments/0.vtt", ".vtt", ".txt")
OPERATOR = frozenset({"list", "make", "show", "state", "lines", "change", "correct", "delete"})
OF_PRIVATE = frozenset(READ)
EVERYTHING = OPERATOR | OF_PRIVATE | {"publish", "stream"}
ALLOWED: dict[str, frozenset[str]] = {
    Scope.LIVE: frozenset({"stream"}),
    Scope.RECORDINGS: frozenset(),
    Scope.MODELS: frozenset(),
    Scope.TOKENS: frozenset(),
    Scope.METRICS: frozenset(),
    Scope.CHANNELS: OPERATOR,
    Scope.PUBLISH: frozenset({"publish"}),
    Scope.WATCH: OF_PRIVATE,
    Scope.WEBHOOKS: frozenset(),
}


@pytest_asyncio.fixture(loop_scope="module")
async def private(client: httpx.AsyncClient, owner: str) -> str:
    client.headers.update(bearer(sub=owner, scope="channels"))
    return await made(client, public=False)


@pytest_asyncio.fixture(loop_scope="module")
async def public(client: httpx.AsyncClient, owner: str) -> str:
    client.headers.update(bearer(sub=owner, scope="channels"))
    return await made(client)


async def handshake(base: str, query: str, headers: Mapping[str, str]) -> int:
    try:
        async with talking(base, query, additional_headers=list(headers.items())):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


async def read(client: httpx.AsyncClient, name: str, what: str) -> int:
    path = f"{PATH}/{name}{what}" if what.startswith(".") else f"{PATH}/{name}/{what}"
    async with client.stream("GET", path) as answer:
        return answer.status_code


async def statuses(base: str, name: str, headers: Mapping[str, str]) -> dict[str, int]:
    """The status of everything that can be done with a channel, its deletion last."""
    async with http_client(base, headers=headers) as client:
        found = {
            "stream": await handshake(base, "", headers),
            "publish": await handshake(base, f"channel={name}", headers),
            "list": (await client.get(PATH)).status_code,
            "make": (await client.post(PATH, json={"name": name})).status_code,
            "show": (await client.get(f"{PATH}/{name}")).status_code,
            "state": (await client.get(f"{PATH}/{name}/state")).status_code,
            "lines": (await client.get(f"{PATH}/{name}/lines")).status_code,
            "change": (await client.patch(f"{PATH}/{name}", json={"paused": True})).status_code,
            "correct": (await client.patch(f"{PATH}/{name}/lines/1", json={"text": "a"})).status_code,
        }
        found |= {what: await read(client, name, what) for what in READ}
        found["delete"] = (await client.delete(f"{PATH}/{name}")).status_code
    return found


# A name that is taken, and a line or a segment that there is not, are found out by those who may ask.
DONE = {"stream": 101, "publish": 101, "make": 409, "correct": 404, "delete": 204, "segments/0.vtt": 404}


@pytest.mark.parametrize("scope", list(Scope))
async def test_a_token_may_do_what_its_scope_says(gateway: Gateway, owner: str, private: str, scope: Scope) -> None:
    found = await statuses(gateway.base, private, bearer(sub=owner, scope=scope))
    assert found == {what: DONE.get(what, 200) if what in ALLOWED[scope] else 403 for what in EVERYTHING}


async def test_a_token_without_scopes_may_not_publish(gateway: Gateway, owner: str, private: str) -> None:
    found = await statuses(gateway.base, private, bearer(sub=owner))
    ordinary = frozenset().union(*(ALLOWED[scope] for scope in ORDINARY))
    assert found == {what: DONE.get(what, 200) if what in ordinary else 403 for what in EVERYTHING}


async def test_nobody_else_may_do_anything(gateway: Gateway, private: str) -> None:
    found = await statuses(gateway.base, private, bearer(sub="stranger", scope=" ".join(Scope)))
    # Names are unique on the server, so that one that is taken is refused to everybody.
    others = {"stream": 101, "list": 200, "make": 409}
    assert found == {what: others.get(what, 404) for what in EVERYTHING}


async def test_without_a_token_a_private_channel_is_closed(gateway: Gateway, private: str) -> None:
    assert set((await statuses(gateway.base, private, {})).values()) == {401}


async def test_anybody_reads_a_public_channel(gateway: Gateway, public: str) -> None:
    found = await statuses(gateway.base, public, {"Origin": "https://venue.example"})
    assert found == {
        what: DONE.get(what, 200) if what in OF_PRIVATE else 403 if what in ("stream", "publish") else found[what]
        for what in EVERYTHING
    }
    assert {found[what] for what in OPERATOR} == {403}


async def test_a_publisher_may_not_publish_elsewhere(gateway: Gateway, stranger: httpx.AsyncClient, owner: str) -> None:
    stranger.headers.update(bearer(sub="another", scope="channels"))
    theirs = await made(stranger)
    headers = bearer(sub=owner, scope="live publish")
    assert await handshake(gateway.base, f"channel={theirs}", headers) == 404
    async with http_client(gateway.base, headers=headers) as client:
        explained = await client.get("/v1/speech/asrlive", params={"channel": theirs})
    assert (explained.status_code, json.loads(explained.content)["detail"]) == (404, f'there is no channel "{theirs}"')
