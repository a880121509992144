"""A key that is traded for tokens: what these open, how often, how long."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import jwt
import pytest
import pytest_asyncio
from pydantic import SecretStr

from tests.support.loops.clock import MovableClock
from tests.support.recognizers import ScriptedRecognizer
from tests.web.support.gateway import running_gateway
from tests.web.support.sockets import LIVE, converse, http_client, refusal
from tests.web.support.tokens import AUDIENCE, ISSUER, SECRET, bearer
from vad import SAMPLE_RATE
from web.clock import wall_clock
from web.settings.settings import Settings

pytestmark = [pytest.mark.virtual_time, pytest.mark.asyncio(loop_scope="module")]

TOKENS = "/v1/tokens"
KEY: dict[str, object] = {"sub": "ann", "scope": "tokens live recordings"}
SOUND = b"\x00\x40" * SAMPLE_RATE


@dataclass(frozen=True)
class Office:
    """A gateway that trades keys, whose time of day is moved by tests."""

    base: str
    client: httpx.AsyncClient
    recognizer: ScriptedRecognizer
    clock: MovableClock


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def _office(module_database: str) -> AsyncIterator[Office]:
    recognizer, clock = ScriptedRecognizer(), MovableClock()
    settings = Settings(
        port=0, database_url=module_database, token_secret=SecretStr(SECRET), handshakes_per_second=10_000
    )
    async with running_gateway(recognizer, settings, clock=clock) as base, http_client(base) as client:
        yield Office(base, client, recognizer, clock)


@pytest.fixture
def office(_office: Office) -> Office:
    """It is now when a test begins."""
    _office.clock.now = wall_clock()
    return _office


async def traded(client: httpx.AsyncClient, wish: object = None, **key: object) -> dict[str, Any]:
    """What a key is traded for."""
    answer = await client.post(TOKENS, headers=bearer(**(KEY | key)), json=wish)
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    answered: dict[str, Any] = answer.json()
    assert set(answered) == {"token", "expiresAt"}
    return answered


def claims_of(answered: dict[str, Any]) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(answered["token"], SECRET, ["HS256"], audience=AUDIENCE, issuer=ISSUER)
    assert datetime.fromisoformat(answered["expiresAt"]).timestamp() == pytest.approx(claims["exp"], abs=0.01)
    return claims


async def test_a_key_is_traded_for_a_token_of_a_minute_with_its_limits(office: Office) -> None:
    limits: dict[str, object] = {"streams": 2, "minutes": 30.5, "config": {"boost": 7}}
    key_expires = int(office.clock()) + 3000
    claims = claims_of(await traded(office.client, exp=key_expires, **limits))
    assert {name: claims[name] for name in limits} == limits
    assert (claims["sub"], claims["scope"], claims["one_use"]) == ("ann", "live recordings", True)
    assert 60 <= claims["exp"] - office.clock() < 61
    assert claims["session_exp"] == key_expires


async def test_its_first_handshake_uses_it_up(office: Office) -> None:
    query = f"jwt={(await traded(office.client))['token']}"
    # A page asks so when a connection did not open.
    for _ in range(2):
        assert (await office.client.get(f"{LIVE}?{query}")).status_code == 426
    assert (await converse(office.base, b"", "close", query=query)).close_code == 1000
    status, body = await refusal(office.base, query)
    assert (status, body["type"]) == (401, "unauthenticated")
    assert body["detail"] == "the token was for one use, and was used; get a new one"
    assert (await office.client.get(f"{LIVE}?{query}")).status_code == 401


async def test_of_many_handshakes_at_once_one_is_opened(office: Office) -> None:
    query = f"vad=off&jwt={(await traded(office.client))['token']}"
    before = len(office.recognizer.streams)
    tries = (converse(office.base, SOUND, "close", query=query) for _ in range(8))
    ended = await asyncio.gather(*tries, return_exceptions=True)
    assert [type(one).__name__ for one in ended].count("Conversation") == 1
    assert len(office.recognizer.streams) - before == 1


async def test_a_handshake_that_is_refused_does_not_use_it_up(office: Office) -> None:
    query = f"jwt={(await traded(office.client))['token']}"
    office.recognizer.is_ready = False
    assert (await refusal(office.base, query))[0] == 503
    office.recognizer.is_ready = True
    assert (await refusal(office.base, f"{query}&boost=loud"))[0] == 400
    assert (await converse(office.base, b"", "close", query=query)).close_code == 1000


async def test_its_first_request_uses_it_up(office: Office) -> None:
    query = {"jwt": (await traded(office.client))["token"]}
    assert (await office.client.get("/v1/speech/languagemodels", params=query)).status_code == 403
    assert (await office.client.get("/v1/speech/transcriptions", params=query)).status_code == 200
    assert (await office.client.get("/v1/speech/transcriptions", params=query)).status_code == 401
    assert (await refusal(office.base, f"jwt={query['jwt']}"))[0] == 401


async def test_its_expiry_limits_the_handshake_only(office: Office) -> None:
    answered = await traded(office.client, {"seconds": 3})
    office.clock.now = claims_of(answered)["exp"] - 0.2
    conversation = await converse(office.base, SOUND, 0.5, SOUND, "close", query=f"jwt={answered['token']}")
    assert conversation.close_code == 1000
    office.clock.now += 0.5
    assert (await office.client.get("/v1/speech/transcriptions", params={"jwt": answered["token"]})).status_code == 401
    late = await traded(office.client, {"seconds": 1})
    office.clock.now += 2.1
    status, body = await refusal(office.base, f"jwt={late['token']}")
    assert (status, body["detail"]) == (401, "the token has expired; get a new one")


async def test_it_ends_a_connection_when_the_key_would_have(office: Office) -> None:
    answered = await traded(office.client, exp=int(office.clock()) + 3000, session_exp=office.clock() + 20)
    loop = asyncio.get_running_loop()
    began = loop.time()
    conversation = await converse(office.base, SOUND, query=f"jwt={answered['token']}")
    assert conversation.close_code == 4401
    assert loop.time() - began == pytest.approx(20, abs=0.01)


async def test_one_that_is_kept_is_traded_again_and_never_outlasts_the_key(office: Office) -> None:
    wish = {"oneUse": False, "seconds": 28_800, "scope": "tokens live recordings"}
    ends = int(office.clock()) + 40_000
    kept = await traded(office.client, wish, exp=ends)
    claims = claims_of(kept)
    assert (claims["scope"], "one_use" in claims, "session_exp" in claims) == ("live recordings tokens", False, False)
    assert 28_800 <= claims["exp"] - office.clock() < 28_801
    header = {"Authorization": f"Bearer {kept['token']}"}
    for _ in range(2):
        assert (await office.client.get("/v1/speech/transcriptions", headers=header)).status_code == 200
    once = (await office.client.post(TOKENS, headers=header)).json()
    assert claims_of(once)["session_exp"] == claims["exp"]
    again = claims_of((await office.client.post(TOKENS, json=wish, headers=header)).json())
    assert again["exp"] == claims["exp"]
    soon = int(office.clock()) + 30
    assert claims_of(await traded(office.client, exp=soon))["exp"] == soon
    shortened = claims_of(await traded(office.client, wish, exp=ends, session_exp=soon))
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
    office: Office, held: str, wish: dict[str, object], scope: str
) -> None:
    assert claims_of(await traded(office.client, wish, scope=held))["scope"] == scope


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
    office: Office, held: str | None, wish: object, status: int, detail: str
) -> None:
    answer = await office.client.post(TOKENS, json=wish, headers=bearer(**KEY | {"scope": held}))
    assert answer.status_code == status
    assert answer.json()["detail"].startswith(detail)


async def test_a_token_for_one_use_cannot_be_traded(office: Office) -> None:
    answered = await traded(office.client)
    answer = await office.client.post(TOKENS, headers={"Authorization": f"Bearer {answered['token']}"})
    assert (answer.status_code, answer.json()["type"]) == (403, "forbidden")


async def test_where_no_token_is_needed_none_is_made() -> None:
    async with running_gateway() as base, http_client(base) as client:
        answer = await client.post(TOKENS, headers=bearer(**KEY))
    assert (answer.status_code, answer.json()["type"]) == (404, "not_found")
