"""Secrets for single Realtime sessions, and what they open."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
import pytest
import pytest_asyncio
from pydantic import SecretStr
from websockets.asyncio.client import unix_connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from tests.web.support.gateway import running_gateway
from tests.web.support.sockets import http_client
from tests.web.support.tokens import AUDIENCE, ISSUER, SECRET, bearer
from web.settings.settings import Settings

pytestmark = [pytest.mark.virtual_time, pytest.mark.asyncio(loop_scope="module")]

SECRETS, SESSIONS = "/v1/realtime/client_secrets", "/v1/realtime/transcription_sessions"
KEY: dict[str, object] = {"sub": "ann", "scope": "tokens live"}
SESSION = {
    "type": "transcription",
    "audio": {
        "input": {
            "format": {"type": "audio/pcmu"},
            "transcription": {"model": "gpt-4o-transcribe", "language": "en"},
            "turn_detection": None,
        }
    },
}


@dataclass(frozen=True)
class Office:
    """A gateway that trades keys."""

    base: str
    client: httpx.AsyncClient

    async def secret(self, body: object = None, path: str = SECRETS, **key: object) -> dict[str, Any]:
        answer = await self.client.post(path, headers=bearer(**(KEY | key)), json=body)
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        found: dict[str, Any] = answer.json()
        return found

    async def first_event(self, value: str) -> tuple[dict[str, Any], str | None]:
        """The first event of a page's session, and the subprotocol that the server chose."""
        offered = [Subprotocol("realtime"), Subprotocol(f"openai-insecure-api-key.{value}")]
        path = self.base.removeprefix("unix:")
        uri = "ws://127.0.0.1/v1/realtime?intent=transcription"
        async with unix_connect(path, uri, subprotocols=offered) as socket:
            return json.loads(await socket.recv()), socket.subprotocol


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(module_database: str) -> AsyncIterator[Office]:
    settings = Settings(
        port=0, database_url=module_database, token_secret=SecretStr(SECRET), handshakes_per_second=10_000
    )
    async with running_gateway(settings=settings) as base, http_client(base) as client:
        yield Office(base, client)


def claims(value: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(value, SECRET, ["HS256"], audience=AUDIENCE, issuer=ISSUER)
    return found


async def test_a_secret_opens_one_session_with_its_settings(office: Office) -> None:
    answer = await office.secret({"session": SESSION})
    shown = answer["session"]["audio"]["input"]
    assert (shown["format"], shown["turn_detection"]) == ({"type": "audio/pcmu"}, None)
    created, subprotocol = await office.first_event(answer["value"])
    assert (created["type"], subprotocol) == ("session.created", "realtime")
    begun = created["session"]["audio"]["input"]
    assert (begun["format"], begun["turn_detection"]) == ({"type": "audio/pcmu"}, None)
    assert begun["transcription"]["language"] == "en"
    with pytest.raises(InvalidStatus) as refused:
        await office.first_event(answer["value"])
    error = json.loads(refused.value.response.body or b"")["error"]
    assert (refused.value.response.status_code, error["code"]) == (401, "invalid_api_key")


async def test_a_secret_is_a_token_for_live_sessions_alone(office: Office) -> None:
    answer = await office.secret(None, scope="tokens live recordings", config={"boost": 7})
    found = claims(answer["value"])
    assert (found["scope"], found["one_use"], found["sub"]) == ("live", True, "ann")
    assert found["config"] == {"boost": 7}
    assert found["exp"] == answer["expires_at"]


@pytest.mark.parametrize(("wanted", "lasts"), [(None, 600), (10, 10), (7200, 600)])
async def test_a_secret_expires_as_soon_as_a_token_for_one_use(office: Office, wanted: int | None, lasts: int) -> None:
    body = {} if wanted is None else {"expires_after": {"anchor": "created_at", "seconds": wanted}}
    answer = await office.secret(body)
    found = claims(answer["value"])
    assert 0 <= found["exp"] - found["iat"] - lasts <= 1


async def test_the_beta_version_has_the_secret_in_the_session(office: Office) -> None:
    body = {"input_audio_format": "g711_alaw", "client_secret": {"expires_at": {"seconds": 60}}}
    answer = await office.secret(body, SESSIONS)
    assert answer["input_audio_format"] == "g711_alaw"
    assert answer["object"] == "realtime.transcription_session"
    created, _ = await office.first_event(answer["client_secret"]["value"])
    assert created["session"]["audio"]["input"]["format"] == {"type": "audio/pcma"}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"session": []}, "session"),
        ({"session": {"type": "realtime"}}, "session.type"),
        ({"expires_after": {"seconds": 1}}, "expires_after.seconds"),
        ({"expires_after": "soon"}, "expires_after.seconds"),
    ],
)
async def test_a_wrong_wish_is_refused_in_the_shape_of_openai(office: Office, body: object, param: str) -> None:
    answer = await office.client.post(SECRETS, headers=bearer(**KEY), json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["param"]) == (400, "invalid_request_error", param)


@pytest.mark.parametrize("scope", ["live", "tokens recordings"])
async def test_a_key_without_the_scopes_gets_no_secret(office: Office, scope: str) -> None:
    answer = await office.client.post(SECRETS, headers=bearer(sub="ann", scope=scope))
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")


async def test_a_server_without_a_key_gives_secrets_that_open_sessions_too() -> None:
    async with running_gateway() as base, http_client(base) as client:
        answer = await client.post(SECRETS, headers={"Authorization": "Bearer sk-any"}, json={"session": SESSION})
        assert answer.status_code == 200, answer.text
        created, _ = await Office(base, client).first_event(answer.json()["value"])
    assert created["type"] == "session.created"
