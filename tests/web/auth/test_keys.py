"""Row 11 with a JWKS: which tokens its keys verify, and when it is fetched."""

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import pytest_asyncio
import trustme
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from stream.errors import ClientError, Problem
from tests.support.plain_http import Reply, Scripted, listening, listening_nearby
from tests.support.recognizers import ScriptedRecognizer
from tests.web.support.gateway import Gateway, ScriptBook, running_gateway
from tests.web.support.sockets import converse, http_client, refusal
from tests.web.support.tokens import SECRET, bearer, claims, token
from web.auth.keys import KEEP_SECONDS, REFRESH_SECONDS, KeysError, PublicKeys, check_file, loader, parsed
from web.process.listening import StartError
from web.process.serve import running
from web.settings.settings import Settings

# For tests of the gateway that is shared.
ON_SHARED = pytest.mark.asyncio(loop_scope="module")
RSA = rsa.generate_private_key(65537, 2048)
WEAK = rsa.generate_private_key(65537, 1024)  # noqa: S505
EC = ec.generate_private_key(ec.SECP256R1())
OTHER_CURVE = ec.generate_private_key(ec.SECP384R1())


def jwk(key: Any, **members: object) -> dict[str, object]:
    algorithm = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    return algorithm.to_jwk(key.public_key(), as_dict=True) | members


def jwks(*members: object) -> bytes:
    return json.dumps({"keys": members}).encode()


BOTH = jwks(jwk(RSA, kid="r"), jwk(EC, kid="e", use="sig", alg="ES256"))


def signed(key: Any, algorithm: str, kid: str | None, **changed: object) -> str:
    return jwt.encode(claims(**changed), key, algorithm, headers={} if kid is None else {"kid": kid})


def signed_with_public_key() -> str:
    """HS256, with the public key's PEM for a secret, which everybody knows."""
    head = {"alg": "HS256", "typ": "JWT", "kid": "r"}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (head, claims())]
    pem = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signature = hmac.digest(pem, b".".join(parts), hashlib.sha256)
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


@asynccontextmanager
async def verifying(path: Path) -> AsyncIterator[str]:
    async with running_gateway(settings=Settings(port=0, token_jwks=str(path))) as base:
        yield base


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    path.write_bytes(BOTH)
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory, module_database: str) -> AsyncIterator[Gateway]:
    """A gateway that knows both public keys."""
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    path.write_bytes(BOTH)
    book = ScriptBook()
    settings = Settings(port=0, database_url=module_database, token_jwks=str(path), handshakes_per_second=10_000)
    async with running_gateway(book, settings) as base:
        yield Gateway(base, book)


@ON_SHARED
async def test_tokens_of_both_kinds_of_keys_open(gateway: Gateway) -> None:
    for text in (signed(RSA, "RS256", "r"), signed(EC, "ES256", "e")):
        assert (await converse(gateway.base, b"", "close", query=f"jwt={text}")).close_code == 1000


@pytest.mark.fault(11)
@pytest.mark.parametrize(
    "make",
    [
        lambda: token(SECRET),
        signed_with_public_key,
        lambda: signed(RSA, "RS256", "e"),
        lambda: signed(EC, "ES256", "r"),
        lambda: signed(RSA, "RS512", "r"),
        lambda: signed(RSA, "PS256", "r"),
        lambda: signed(OTHER_CURVE, "ES384", "e"),
        lambda: signed(RSA, "RS256", None),
        lambda: signed(RSA, "RS256", "unknown"),
        lambda: signed(rsa.generate_private_key(65537, 2048), "RS256", "r"),
        lambda: jwt.encode(claims(), "", "none", headers={"kid": "r"}),
        lambda: signed(RSA, "RS256", "r", exp=1),
        lambda: signed(RSA, "RS256", "r", aud="others"),
    ],
    ids=[
        "a secret", "the public key as a secret", "the other key's name", "the other's name again", "RS512", "PS256",
        "ES384", "no name", "an unknown name", "a stranger's key", "none", "expired", "another audience",
    ],
)  # fmt: skip
@ON_SHARED
async def test_no_other_token_opens(gateway: Gateway, make: Callable[[], str]) -> None:
    opened = len(gateway.book.streams)
    status, body = await refusal(gateway.base, f"jwt={make()}")
    assert (status, body["type"]) == (401, "unauthenticated")
    assert len(gateway.book.streams) == opened


async def test_the_only_key_needs_no_name(file: Path) -> None:
    file.write_bytes(jwks(jwk(EC)))  # noqa: ASYNC240 - a small file of our own
    async with verifying(file) as url:
        assert (await converse(url, b"", "close", query=f"jwt={signed(EC, 'ES256', None)}")).close_code == 1000


@ON_SHARED
async def test_a_server_that_only_verifies_makes_no_tokens(gateway: Gateway) -> None:
    key = {"Authorization": f"Bearer {signed(RSA, 'RS256', 'r', scope='tokens live')}"}
    async with http_client(gateway.base) as client:
        answer = await client.post("/v1/tokens", headers=key)
    assert (answer.status_code, answer.json()["type"]) == (404, "not_found")


NO_KEYS = "it has no key that is RSA of 2048 bits or more, or EC on P-256, and for signing"
NO_JWKS = 'it is no JWKS, a JSON object {"keys": [...]}'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"", NO_JWKS),
        (b"\xff", NO_JWKS),
        (b"[" * 100_000, NO_JWKS),
        (b"[]", NO_JWKS),
        (b'{"keys": 7}', NO_JWKS),
        (jwks("key"), NO_JWKS),
        (jwks(), NO_KEYS),
        (jwks(jwk(WEAK)), NO_KEYS),
        (jwks(jwk(OTHER_CURVE)), NO_KEYS),
        (jwks(jwk(RSA, use="enc")), NO_KEYS),
        (jwks(jwk(RSA, alg="RS512")), NO_KEYS),
        (jwks({"kty": "oct", "k": "c2VjcmV0"}), NO_KEYS),
        (jwks({"kty": "RSA"}, {"kty": ["RSA"]}, {"kty": "RSA", "n": 7, "e": "AQAB"}), NO_KEYS),
        (b"{" + b" " * 300_000, "it is larger than 262144 bytes"),
    ],
)
async def test_what_holds_no_keys_is_told(file: Path, text: bytes, sentence: str) -> None:
    file.write_bytes(text)  # noqa: ASYNC240 - a small file of our own
    with pytest.raises(KeysError) as refused:
        await check_file(str(file))
    assert str(refused.value) == sentence


async def test_a_file_without_keys_refuses_to_start(file: Path) -> None:
    file.write_bytes(b"[]")  # noqa: ASYNC240 - a small file of our own
    with pytest.raises(StartError) as refused:
        async with running(Settings(port=0, token_jwks=str(file)), ScriptedRecognizer()):
            raise AssertionError("it started")
    assert str(refused.value) == f"NIYOSHA_TOKEN_JWKS is '{file}': {NO_JWKS}"


async def test_a_file_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match="it cannot be read: No such file or directory"):
        await check_file(str(tmp_path / "nothing"))


def test_a_private_half_is_not_kept() -> None:
    private = jwt.algorithms.ECAlgorithm.to_jwk(EC, as_dict=True)
    assert "d" in private
    (key,) = parsed(jwks(private | {"kid": "e"})).values()
    assert isinstance(key.key, ec.EllipticCurvePublicKey)


# --- how keys are had ---


@dataclass
class Source:
    """A JWKS that changes, and is away at times; counts how often it was asked."""

    text: bytes = BOTH
    is_away: bool = False
    asked: int = 0
    now: float = 1000.0
    keys: PublicKeys = field(init=False)

    def __post_init__(self) -> None:
        self.keys = PublicKeys(self.load, lambda: self.now)

    async def load(self) -> bytes:
        self.asked += 1
        await asyncio.sleep(0)
        if self.is_away:
            raise KeysError("it is away")
        return self.text

    async def knows(self, kid: str) -> bool:
        return await self.keys.keys_for(kid) != ()


async def test_keys_are_asked_for_once_and_then_known() -> None:
    source = Source()
    assert all(await asyncio.gather(*(source.knows(kid) for kid in "rere")))
    assert source.asked == 1


async def test_an_unknown_key_causes_a_bounded_number_of_fetches() -> None:
    source = Source()
    assert await source.knows("r")
    source.text = jwks(jwk(EC, kid="new"))
    assert not await source.knows("new")
    assert source.asked == 1
    source.now += REFRESH_SECONDS
    assert await source.knows("new")
    assert not await source.knows("r")
    assert not any(await asyncio.gather(*(source.knows(f"made up {number}") for number in range(100))))
    assert source.asked == 2


async def test_known_keys_stay_while_the_source_is_away() -> None:
    source = Source()
    assert await source.knows("r")
    source.is_away = True
    source.now += 10 * KEEP_SECONDS
    assert await source.knows("r")
    assert await source.knows("r")
    assert source.asked == 2


async def test_a_withdrawn_key_expires() -> None:
    source = Source()
    assert await source.knows("r")
    source.text = jwks(jwk(EC, kid="e"))
    source.now += KEEP_SECONDS
    assert not await source.knows("r")


async def test_who_has_a_key_does_not_wait_for_a_fetch() -> None:
    source = Source()
    assert await source.knows("r")
    source.now += KEEP_SECONDS
    held, reached = asyncio.Event(), asyncio.Event()

    async def hold() -> bytes:
        reached.set()
        await held.wait()
        return BOTH

    source.keys._load = hold
    waiting = asyncio.create_task(source.knows("r"))
    await reached.wait()
    assert await asyncio.wait_for(source.knows("r"), 5)
    held.set()
    assert await waiting


async def test_without_any_key_callers_are_told_to_come_again() -> None:
    source = Source(is_away=True)
    with pytest.raises(ClientError) as refused:
        await source.knows("r")
    assert refused.value.problem is Problem.OVERLOADED
    source.is_away, source.now = False, source.now + REFRESH_SECONDS
    assert await source.knows("r")


# --- over https ---


@asynccontextmanager
async def issuer(*replies: Reply) -> AsyncIterator[tuple[str, Scripted]]:
    """Whoever makes the tokens, at an https address of this machine."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    script = Scripted({"GET": list(replies)})
    with authority.cert_pem.tempfile() as trusted, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", trusted)
        patch.setenv("NO_PROXY", "127.0.0.1")
        async with listening(script.handle, context) as address:
            yield f"{address}/keys", script


async def test_the_keys_come_from_an_address() -> None:
    async with (
        issuer(Reply(status=200, body=BOTH)) as (address, script),
        running(Settings(port=0, token_jwks=address), ScriptedRecognizer()) as server,
    ):
        for kid, key, algorithm in (("r", RSA, "RS256"), ("e", EC, "ES256")):
            query = f"jwt={signed(key, algorithm, kid)}"
            assert (await converse(server.url, b"", "close", query=query)).close_code == 1000
        assert (await refusal(server.url, f"jwt={signed(RSA, 'RS256', 'unknown')}"))[0] == 401
        assert script.count("GET") == 1


async def test_a_server_without_keys_starts_and_answers_503() -> None:
    async with issuer(Reply(status=500)) as (address, script):
        async with running(Settings(port=0, token_jwks=address), ScriptedRecognizer()) as server:
            assert server.is_ready
            status, body = await refusal(server.url, f"jwt={signed(RSA, 'RS256', 'r')}")
            assert (status, body["type"]) == (503, "overloaded")
            async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
                answer = await client.get("/v1/speech/transcriptions", headers=bearer())
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert script.count("GET") == 1


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (Reply(status=500, body=BOTH), "the address answers 500"),
        (Reply(status=302, body=b"", headers={"Location": "/elsewhere"}), "the address answers 302"),
        (Reply(status=200, body=b" " * 300_000), "it is larger than 262144 bytes"),
        (Reply(status=200, body=BOTH, seconds=4.9), None),
        (Reply(status=200, drips=True), "the address takes longer than 5 s"),
        (Reply(status=200, body=BOTH, seconds=60), "the address takes longer than 5 s"),
        (Reply(breaks=True), "the address cannot be reached: "),
    ],
)
@pytest.mark.virtual_time
async def test_an_address_is_read_within_limits(
    reply: Reply, sentence: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with listening_nearby(Scripted({"GET": [reply]}).handle) as path:
        monkeypatch.setattr("httpx._client.AsyncHTTPTransport", partial(httpx.AsyncHTTPTransport, uds=path))
        if sentence is None:
            assert await loader("http://issuer.test/keys")() == BOTH
            return
        with pytest.raises(KeysError) as refused:
            await loader("http://issuer.test/keys")()
    assert str(refused.value).startswith(sentence)
    assert loop.time() - began == (5 if "longer" in sentence else 0)


async def test_an_address_that_nobody_vouches_for_is_not_believed() -> None:
    # In this order: put back later, the variable would name a file that is gone, for all tests that follow.
    async with issuer(Reply(status=200, body=BOTH)) as (address, script):
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("SSL_CERT_FILE")
            with pytest.raises(KeysError, match="the address cannot be reached: ConnectError"):
                await loader(address)()
        assert script.count("GET") == 0
