"""Row 11: a handshake without a valid token is refused, however the token is sent."""

import base64
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr
from websockets.exceptions import InvalidStatus

from tests.web.support.gateway import Gateway, ScriptBook, running_gateway
from tests.web.support.sockets import LIVE, converse, http_client, refusal, talking
from tests.web.support.tokens import SECRET, bearer, claims, token
from vad import SAMPLE_RATE
from web.settings.settings import Settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

TRANSCRIPTIONS = "/v1/speech/transcriptions"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(module_database: str) -> AsyncIterator[Gateway]:
    """A gateway that wants tokens."""
    book = ScriptBook()
    settings = Settings(
        port=0, database_url=module_database, token_secret=SecretStr(SECRET), handshakes_per_second=10_000
    )
    async with running_gateway(book, settings) as base:
        yield Gateway(base, book)


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def unsigned(algorithm: str) -> str:
    return f"{segment({'alg': algorithm, 'typ': 'JWT'})}.{segment(claims())}."


def signed_by_a_key_pair() -> str:
    return jwt.encode(claims(), ec.generate_private_key(ec.SECP256R1()), "ES256")


BAD: dict[str, tuple[Callable[[], str], str]] = {
    "missing": (lambda: "", "a token is needed"),
    "expired": (lambda: token(exp=int(time.time()) - 1), "the token has expired; get a new one"),
    "of another audience": (
        lambda: token(aud=["others", "more"]),
        "the token's aud is ['others', 'more']; it must be or have \"niyosha\"",
    ),
    "of another issuer": (lambda: token(iss="others"), 'the token\'s iss is "others"; it must be "niyosha"'),
    "none": (lambda: unsigned("none"), "the token is not valid; it must be one of this server"),
    "nOnE": (lambda: unsigned("nOnE"), "the token is not valid; it must be one of this server"),
    "of another algorithm": (lambda: jwt.encode(claims(), 2 * SECRET, "HS512"), "the token is not valid"),
    "not valid yet": (lambda: token(nbf=int(time.time()) + 60), "the token is not valid yet: its nbf is in the future"),
    "for ever": (lambda: token(exp=None), "the token has no exp; it must have sub, exp, iss, aud"),
    "garbage": (lambda: "not.a.token", "the token is not valid"),
    "of another secret": (lambda: token("t" * 32), "the token is not valid"),
}  # fmt: skip
MORE_BAD: dict[str, tuple[Callable[[], str], str]] = {
    "made tomorrow": (lambda: token(iat=int(time.time()) + 86_400), "the token is not valid yet: its iat is in the"),
    "of nobody": (lambda: token(sub=None), "the token has no sub"),
    "for nobody": (lambda: token(aud=None), "the token has no aud"),
    "from nowhere": (lambda: token(iss=None), "the token has no iss"),
    "of an empty name": (lambda: token(sub=""), 'the token\'s sub is ""; it must be 1 to 255 printable characters'),
    "of a long name": (lambda: token(sub="a" * 256), "the token's sub is "),
    "of a strange name": (lambda: token(sub="a\x00b"), "the token's sub is 'a\\x00b'; it must be 1 to 255 printable"),
    "of a pair of keys": (signed_by_a_key_pair, "the token is not valid"),
    "of one word": (lambda: "nonsense", "the token is not valid"),
    "of an empty head": (lambda: ".e30.", "the token is not valid"),
    "with a head without end": (
        lambda: f"{base64.urlsafe_b64encode(b'[' * 5000).decode().rstrip('=')}.e30.c2ln", "the token is not valid"
    ),
    "of a list": (lambda: f"{segment(['alg'])}.e30.c2ln", "the token is not valid"),
    "with a kid of a number": (lambda: f"{segment({'alg': 'HS256', 'kid': 7})}.e30.c2ln", "the token is not valid"),
    "in other letters": (lambda: "é.ü.ö", "the token is not valid"),
}  # fmt: skip


def by_query(text: str) -> dict[str, Any]:
    return {"params": {"jwt": text}}


def by_header(text: str) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {text}".strip().encode()}}


@pytest.mark.fault(11)
@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("way", ["query", "header", "subprotocol"])
async def test_a_bad_token_is_refused_before_the_upgrade(guarded: Gateway, name: str, way: str) -> None:
    opened = len(guarded.book.streams)
    make, detail = BAD[name]
    text = make()
    match way:
        case "query":
            status, body = await refusal(guarded.base, f"jwt={text}")
        case "header":
            status, body = await refusal(guarded.base, headers=[("Authorization", f"Bearer {text}".strip())])
        case _:
            subprotocols: Any = ["farsava", *([f"jwt.{text}"] if text else [])]
            with pytest.raises(InvalidStatus) as refused:
                await talking(guarded.base, subprotocols=subprotocols)
            status, body = refused.value.response.status_code, json.loads(refused.value.response.body or b"")
    assert (status, body["type"]) == (401, "unauthenticated")
    assert body["detail"].startswith(detail)
    assert len(guarded.book.streams) == opened


@pytest.mark.parametrize("name", [*BAD, *MORE_BAD])
async def test_a_bad_token_is_refused_by_every_route(guarded: Gateway, name: str) -> None:
    opened = len(guarded.book.streams)
    make, detail = (BAD | MORE_BAD)[name]
    text = make()
    async with http_client(guarded.base) as client:
        for way in (by_query(text), by_header(text)):
            for answer in (
                await client.get(LIVE, **way),
                await client.get(TRANSCRIPTIONS, **way),
                await client.post("/v1/speech/asr", json={}, **way),
                await client.post("/v1/tokens", **way),
            ):
                assert (answer.status_code, answer.json()["type"]) == (401, "unauthenticated")
                assert answer.json()["detail"].startswith(detail)
                assert answer.headers["www-authenticate"] == "Bearer"
    assert len(guarded.book.streams) == opened


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Bearer ", "Token a"])
async def test_what_is_no_bearer_is_no_token(guarded: Gateway, header: str) -> None:
    status, body = await refusal(guarded.base, headers=[("Authorization", header)])
    assert (status, body["type"]) == (401, "unauthenticated")
    assert body["detail"].startswith("a token is needed")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_a_good_token_opens_by_header(guarded: Gateway, scheme: str) -> None:
    conversation = await converse(guarded.base, b"", "close", headers=[("Authorization", f"{scheme} {token()}")])
    assert conversation.close_code == 1000


async def test_a_good_token_opens_by_query_and_by_subprotocol(guarded: Gateway) -> None:
    assert (await converse(guarded.base, b"", "close", query=f"jwt={token(aud=['a', 'niyosha'])}")).close_code == 1000
    subprotocols: Any = ["farsava", f"jwt.{token()}"]
    async with talking(guarded.base, subprotocols=subprotocols) as socket:
        assert socket.subprotocol == "farsava"
        await socket.send("close")
        assert json.loads(await socket.recv())["status"] == "done"


async def test_clocks_that_differ_a_little_do_no_harm(guarded: Gateway) -> None:
    soon = int(time.time()) + 5
    assert (await converse(guarded.base, b"", "close", query=f"jwt={token(iat=soon, nbf=soon)}")).close_code == 1000


@pytest.mark.parametrize(
    ("scope", "status"),
    [(None, 426), ("live", 426), ("read live write", 426), ("recordings", 403), ("", 403), ("Live", 403)],
)
async def test_a_token_is_for_what_its_scope_names(guarded: Gateway, scope: str | None, status: int) -> None:
    async with http_client(guarded.base) as client:
        answer = await client.get(LIVE, headers=bearer(scope=scope))
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["type"] == "forbidden"
        assert answer.json()["detail"].endswith("this needs the scope live")


# --- the configuration that a token brings ---


async def opened_with(guarded: Gateway, config: Mapping[str, object], query: str = "") -> Any:
    sound = b"\x00\x40" * SAMPLE_RATE
    query = f"vad=off&jwt={token(config=config)}{query}"
    assert (await converse(guarded.base, sound, "close", query=query)).close_code == 1000
    return guarded.book.streams[-1].options


async def test_a_tokens_config_goes_before_the_query(guarded: Gateway) -> None:
    options = await opened_with(guarded, {"phrases": ["axolotl"], "maxAlternatives": 2})
    assert (options.phrases, options.max_alternatives) == (("axolotl",), 2)
    options = await opened_with(guarded, {"phrases": ["axolotl"], "maxAlternatives": 2}, "&maxAlternatives=3")
    assert (options.phrases, options.max_alternatives) == (("axolotl",), 3)


@pytest.mark.parametrize(
    ("config", "detail"),
    [
        ({"boost": "loud"}, 'the token\'s config is wrong: boost is "loud"; it must be between 0 and 100'),
        ({"colour": 1}, 'the token\'s config is wrong: "colour" is not a key; known are '),
    ],
)
async def test_a_wrong_config_of_a_token_is_told(guarded: Gateway, config: object, detail: str) -> None:
    status, body = await refusal(guarded.base, f"jwt={token(config=config)}")
    assert (status, body["type"]) == (400, "invalid_config")
    assert body["detail"].startswith(detail)


async def test_a_server_without_a_key_looks_at_no_token() -> None:
    async with running_gateway() as base:
        assert (await converse(base, b"", "close", query="jwt=not.a.token")).close_code == 1000
