"""`niyosha token`, and row 13: a server that is reachable from outside needs a key."""

import json
import os
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from pydantic import SecretStr

from tests.support.processes import niyosha, typed
from tests.support.recognizers import ScriptedRecognizer
from tests.web.support.sockets import LIVE, converse
from tests.web.support.tokens import AUDIENCE, ISSUER, SECRET
from web.process.serve import running
from web.settings.access import LEAST_SECRET_BYTES
from web.settings.settings import Settings

ADVICE = "Set NIYOSHA_TOKEN_SECRET to at least 32 random bytes (`niyosha token --new-secret` makes some), or keep to"


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own key must not make up for one that a test leaves out."""
    for name in os.environ:
        if name.startswith("NIYOSHA_TOKEN_"):
            monkeypatch.delenv(name)


def minted(*arguments: str) -> dict[str, Any]:
    made = typed("token", *arguments, NIYOSHA_TOKEN_SECRET=SECRET)
    assert (made.returncode, made.stderr) == (0, "")
    claims: dict[str, Any] = jwt.decode(made.stdout.strip(), SECRET, ["HS256"], audience=AUDIENCE, issuer=ISSUER)
    return claims


def test_a_token_has_what_was_asked_for() -> None:
    claims = minted(
        "--sub", "ann", "--scope", "live recordings", "--scope", "tokens", "--days", "2", "--streams", "3",
        "--minutes", "90", "--config", '{"languageCode":"en"}',
    )  # fmt: skip
    assert claims.pop("exp") == pytest.approx(time.time() + 2 * 86_400, abs=60)
    assert claims.pop("iat") == pytest.approx(time.time(), abs=60)
    assert claims == {
        "sub": "ann", "iss": "niyosha", "aud": "niyosha", "scope": "live recordings tokens", "streams": 3,
        "minutes": 90, "config": {"languageCode": "en"},
    }  # fmt: skip


def test_a_token_for_published_samples_sets_what_they_need() -> None:
    usual = {"wholeSeconds": True, "asrStatus": 200}
    assert minted("--sub", "ann", "--for-published-samples")["config"] == usual
    own = minted("--sub", "ann", "--for-published-samples", "--config", '{"asrStatus":201,"languageCode":"en"}')
    assert own["config"] == usual | {"asrStatus": 201, "languageCode": "en"}


def test_what_is_left_out_is_left_to_the_server() -> None:
    claims = minted("--sub", "ann", "--minutes-valid", "5")
    assert claims["exp"] == pytest.approx(time.time() + 300, abs=60)
    assert set(claims) == {"sub", "iss", "aud", "iat", "exp"}


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with running(Settings(port=0, token_secret=SecretStr(SECRET)), ScriptedRecognizer()) as server:
        yield server.url


async def test_its_token_opens_the_server_that_has_the_secret(url: str) -> None:
    made = niyosha("token", "--sub", "ann", "--scope", "live", NIYOSHA_TOKEN_SECRET=SECRET).stdout.strip()
    assert (await converse(url, b"", "close", query=f"jwt={made}")).close_code == 1000
    other = typed("token", "--sub", "ann", NIYOSHA_TOKEN_SECRET=SECRET, NIYOSHA_TOKEN_ISSUER="others").stdout  # noqa: S106
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        assert (await client.get(LIVE, params={"jwt": other.strip()})).status_code == 401


def test_a_new_secret_needs_no_settings_and_is_long_enough() -> None:
    secrets = set()
    for _ in range(2):
        made = typed("token", "--new-secret", NIYOSHA_PORT="no port")
        assert (made.returncode, made.stderr) == (0, "")
        secrets.add(made.stdout.strip())
        assert re.fullmatch("[0-9a-f]{64}", made.stdout.strip())
    assert len(secrets) == 2
    assert Settings(token_secret=SecretStr(secrets.pop())).access.is_keyed
    assert LEAST_SECRET_BYTES <= 64


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "--sub is missing; say who the token is for, as in --sub ann: they see their own things only"),
        (["--sub", "a" * 256], "the token's sub is \""),
        (["--sub", "a", "--scope", "live write"], '--scope has "write"; known are live, recordings, models, tokens, '),
        (["--sub", "a", "--config", "{"], "--config must be a JSON object with keys of the configuration, such as "),
        (["--sub", "a", "--config", "[]"], "--config must be a JSON object with keys of the configuration, such as "),
        (["--sub", "a", "--config", '{"boost":900}'], "--config is wrong: boost is 900; it must be between 0 and 100"),
        (["--sub", "a", "--days", "0"], "the token has expired"),
    ],
)
def test_what_is_missing_or_wrong_is_told(arguments: list[str], sentence: str) -> None:
    refused = typed("token", *arguments, NIYOSHA_TOKEN_SECRET=SECRET)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"niyosha token: {sentence}")
    assert SECRET not in refused.stderr


def test_without_a_secret_the_way_to_one_is_told(tmp_path: Path) -> None:
    refused = typed("token", "--sub", "ann")
    assert refused.returncode == 1
    assert refused.stderr.startswith("niyosha token: NIYOSHA_TOKEN_SECRET is not set; set it to the secret of the")
    assert "`niyosha token --new-secret`" in refused.stderr
    verifying = typed("token", "--sub", "ann", NIYOSHA_TOKEN_JWKS=str(tmp_path / "keys.json"))
    assert verifying.returncode == 1
    assert verifying.stderr.startswith("niyosha token: NIYOSHA_TOKEN_JWKS is set, so that tokens are only verified")


# --- what refuses to start ---


@pytest.mark.fault(13)
def test_a_short_secret_refuses_to_start_and_is_not_shown() -> None:
    short = "only31bytesarenotenoughforasafe"
    for command in (["serve", "--port", "0"], ["token", "--sub", "ann"]):
        refused = typed(*command, NIYOSHA_TOKEN_SECRET=short)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr.endswith("NIYOSHA_TOKEN_SECRET: it has 31 bytes; at least 32 random ones are needed\n")
        assert short not in refused.stderr


@pytest.mark.fault(13)
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_a_public_address_without_a_key_refuses_to_start_and_names_the_ways_out(host: str) -> None:
    refused = typed("serve", "--port", "0", "--host", host)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"niyosha: NIYOSHA_HOST is '{host}', which other machines can reach, and nobody")
    assert f"{ADVICE} 127.0.0.1 and put a proxy that authenticates in front" in refused.stderr


def test_keys_that_cannot_be_read_refuse_to_start(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": []}))
    refused = typed("serve", "--port", "0", NIYOSHA_TOKEN_JWKS=str(keys))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.splitlines()[-1].startswith(f"niyosha: NIYOSHA_TOKEN_JWKS is '{keys}': it has no key that")
