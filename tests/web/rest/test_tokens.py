"""A key that is traded for tokens: what these open, how often, how long."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import httpx
import jwt
import pytest
from pydantic import SecretStr

from tests.clock import MovableClock
from tests.recognizers import ScriptedRecognizer
from tests.web.sockets import LIVE, converse, refusal
from tests.web.tokens import AUDIENCE, ISSUER, SECRET, bearer
from vad import SAMPLE_RATE
from web.serve import running
from web.settings import Settings

TOKENS = "/v1/tokens"
KEY: dict[str, object] = {"sub": "ann", "scope": "tokens live recordings"}
SOUND = b"\x00\x40" * SAMPLE_RATE


@pytest.fixture
def recognizer() -> ScriptedRecognizer:
    return ScriptedRecognizer()


@pytest.fixture
def clock() -> MovableClock:
    """The server's time of day."""
    return MovableClock()


@pytest.fixture
async def client(recognizer: ScriptedRecognizer, clock: MovableClock) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        running(Settings(port=0, token_secret=SecretStr(SECRET)), recognizer, clock=clock) as server,
        httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=30) as client,
    ):
        yield client


async def traded(client: httpx.AsyncClient, wish: object = None, **key: object) -> dict[str, Any]:
    """What a key is traded for."""
    answer = await client.post(TOKENS, headers=bearer(**(KEY | key)), json=wish)
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    told: dict[str, Any] = answer.json()
    assert set(told) == {"token", "expiresAt"}
    return told


def claims_of(told: dict[str, Any]) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(told["token"], SECRET, ["HS256"], audience=AUDIENCE, issuer=ISSUER)
    assert datetime.fromisoformat(told["expiresAt"]).timestamp() == pytest.approx(claims["exp"], abs=0.01)
    return claims


def url_of(client: httpx.AsyncClient) -> str:
    return str(client.base_url).rstrip("/")


async def test_a_key_is_traded_for_a_token_of_a_minute_with_its_limits(
    client: httpx.AsyncClient, clock: MovableClock
) -> None:
    limits: dict[str, object] = {"streams": 2, "minutes": 30.5, "config": {"boost": 7}}
    key_expires = int(clock()) + 3000
    claims = claims_of(await traded(client, exp=key_expires, **limits))
    assert {name: claims[name] for name in limits} == limits
    assert (claims["sub"], claims["scope"], claims["one_use"]) == ("ann", "live recordings", True)
    assert 60 <= claims["exp"] - clock() < 61
    assert claims["session_exp"] == key_expires


async def test_its_first_handshake_uses_it_up(client: httpx.AsyncClient) -> None:
    query = f"jwt={(await traded(client))['token']}"
    # A page asks so when a connection did not open.
    for _ in range(2):
        assert (await client.get(f"{LIVE}?{query}")).status_code == 426
    assert (await converse(url_of(client), b"", "close", query=query)).close_code == 1000
    status, body = await refusal(url_of(client), query)
    assert (status, body["type"]) == (401, "unauthenticated")
    assert body["detail"] == "the token was for one use, and was used; get a new one"
    assert (await client.get(f"{LIVE}?{query}")).status_code == 401


async def test_of_many_handshakes_at_once_one_is_opened(
    client: httpx.AsyncClient, recognizer: ScriptedRecognizer
) -> None:
    query = f"vad=off&jwt={(await traded(client))['token']}"
    tries = (converse(url_of(client), SOUND, "close", query=query) for _ in range(8))
    ended = await asyncio.gather(*tries, return_exceptions=True)
    assert [type(one).__name__ for one in ended].count("Conversation") == 1
    assert len(recognizer.streams) == 1


async def test_a_handshake_that_is_refused_does_not_use_it_up(
    client: httpx.AsyncClient, recognizer: ScriptedRecognizer
) -> None:
    query = f"jwt={(await traded(client))['token']}"
    recognizer.is_ready = False
    assert (await refusal(url_of(client), query))[0] == 503
    recognizer.is_ready = True
    assert (await refusal(url_of(client), f"{query}&boost=loud"))[0] == 400
    assert (await converse(url_of(client), b"", "close", query=query)).close_code == 1000


async def test_its_first_request_uses_it_up(client: httpx.AsyncClient) -> None:
    query = {"jwt": (await traded(client))["token"]}
    assert (await client.get("/v1/speech/languagemodels", params=query)).status_code == 403
    assert (await client.get("/v1/speech/transcriptions", params=query)).status_code == 200
    assert (await client.get("/v1/speech/transcriptions", params=query)).status_code == 401
    assert (await refusal(url_of(client), f"jwt={query['jwt']}"))[0] == 401


async def test_its_expiry_limits_the_handshake_only(client: httpx.AsyncClient, clock: MovableClock) -> None:
    told = await traded(client, {"seconds": 3})
    clock.now = claims_of(told)["exp"] - 0.2
    conversation = await converse(url_of(client), SOUND, 0.5, SOUND, "close", query=f"jwt={told['token']}")
    assert conversation.close_code == 1000
    clock.now += 0.5
    assert (await client.get("/v1/speech/transcriptions", params={"jwt": told["token"]})).status_code == 401
    late = await traded(client, {"seconds": 1})
    clock.now += 2.1
    status, body = await refusal(url_of(client), f"jwt={late['token']}")
    assert (status, body["detail"]) == (401, "the token has expired; get a new one")


async def test_it_ends_a_connection_when_the_key_would_have(client: httpx.AsyncClient, clock: MovableClock) -> None:
    told = await traded(client, exp=int(clock()) + 3000, session_exp=clock() + 0.2)
    conversation = await converse(url_of(client), SOUND, query=f"jwt={told['token']}")
    assert conversation.close_code == 4401


async def test_one_that_is_kept_is_traded_again_and_never_outlasts_the_key(
    client: httpx.AsyncClient, clock: MovableClock
) -> None:
    wish = {"oneUse": False, "seconds": 28_800, "scope": "tokens live recordings"}
    ends = int(clock()) + 40_000
    kept = await traded(client, wish, exp=ends)
    claims = claims_of(kept)
    assert (claims["scope"], "one_use" in claims, "session_exp" in claims) == ("live recordings tokens", False, False)
    assert 28_800 <= claims["exp"] - clock() < 28_801
    header = {"Authorization": f"Bearer {kept['token']}"}
    for _ in range(2):
        assert (await client.get("/v1/speech/transcriptions", headers=header)).status_code == 200
    once = (await client.post(TOKENS, headers=header)).json()
    assert claims_of(once)["session_exp"] == claims["exp"]
    again = claims_of((await client.post(TOKENS, json=wish, headers=header)).json())
    assert again["exp"] == claims["exp"]
    soon = int(clock()) + 30
    assert claims_of(await traded(client, exp=soon))["exp"] == soon
    shortened = claims_of(await traded(client, wish, exp=ends, session_exp=soon))
    assert (shortened["session_exp"], shortened["exp"] > soon) == (soon, True)


@pytest.mark.parametrize(
    ("held", "wish", "scope"),
    [
        ("tokens live recordings metrics", {}, "live metrics recordings"),
        ("tokens live recordings", {"scope": "live"}, "live"),
        ("tokens live", {"scope": "live models metrics"}, "live"),
        ("tokens live", {"scope": "tokens live"}, "live"),
        ("tokens live", {"scope": "tokens live models", "oneUse": False}, "live tokens"),
    ],
)
async def test_its_scopes_are_no_wider_than_the_keys(
    client: httpx.AsyncClient, held: str, wish: dict[str, object], scope: str
) -> None:
    assert claims_of(await traded(client, wish, scope=held))["scope"] == scope


@pytest.mark.parametrize(
    ("held", "wish", "status", "detail"),
    [
        (None, {}, 403, "the token is for live models recordings; this needs the scope tokens"),
        ("live", {}, 403, "the token is for live; this needs the scope tokens"),
        ("tokens", {}, 403, "the token would be for nothing: yours is for tokens, of which nothing can be passed on"),
        ("tokens live", {"scope": "models"}, 403, "the token would be for nothing: yours is for live tokens, of "),
        ("tokens live", {"scope": ["live"]}, 400, "scope is ['live']; it must be a text, names with spaces between"),
        ("tokens live", {"seconds": 0}, 400, "seconds is 0; it must be between 1 and 600"),
        ("tokens live", {"seconds": 601}, 400, "seconds is 601; it must be between 1 and 600"),
        ("tokens live", {"seconds": True}, 400, "seconds is True; it must be between 1 and 600"),
        ("tokens live", {"seconds": "60"}, 400, 'seconds is "60"; it must be between 1 and 600'),
        ("tokens live", {"seconds": 43_201, "oneUse": False}, 400, "seconds is 43201; it must be between 1 and 43200"),
        ("tokens live", {"oneUse": 1}, 400, "oneUse is 1; it must be true or false"),
        ("tokens live", {"sub": "bob"}, 400, '"sub" is not a key here; known are scope, seconds, oneUse'),
        ("tokens live", [], 400, "the body is no JSON object"),
    ],
)
async def test_what_cannot_be_traded_is_told(
    client: httpx.AsyncClient, held: str | None, wish: object, status: int, detail: str
) -> None:
    answer = await client.post(TOKENS, json=wish, headers=bearer(**KEY | {"scope": held}))
    assert answer.status_code == status
    assert answer.json()["detail"].startswith(detail)


async def test_a_token_for_one_use_cannot_be_traded(client: httpx.AsyncClient) -> None:
    told = await traded(client)
    answer = await client.post(TOKENS, headers={"Authorization": f"Bearer {told['token']}"})
    assert (answer.status_code, answer.json()["type"]) == (403, "forbidden")


async def test_where_no_token_is_needed_none_is_made() -> None:
    async with (
        running(Settings(port=0), ScriptedRecognizer()) as server,
        httpx.AsyncClient(base_url=server.url, trust_env=False) as client,
    ):
        answer = await client.post(TOKENS, headers=bearer(**KEY))
    assert (answer.status_code, answer.json()["type"]) == (404, "not_found")
