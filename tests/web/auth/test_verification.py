import json

import jwt
import pytest

from stream.errors import ClientError, Problem
from tests.web.support.tokens import AUDIENCE, ISSUER, SECRET, claims
from web.auth.caller import ORDINARY, Caller, Scope
from web.auth.claims import LEEWAY_SECONDS, Expected
from web.auth.keys import Key, SecretKeys
from web.auth.token_issuer import ALGORITHM
from web.auth.verification import verified, verified_with

NOW = 1_800_000_000.25
EXPIRES = int(NOW) + 600


def caller(**changed: object) -> Caller:
    payload = json.dumps(claims(iat=int(NOW), exp=EXPIRES) | changed).encode()
    # As bytes: PyJWT would not encode some of the claims that it has to refuse.
    text = jwt.PyJWS().encode(payload, SECRET, ALGORITHM)
    return verified_with(text, Key(SECRET, ALGORITHM), Expected(ISSUER, AUDIENCE), NOW)


def test_a_plain_token_has_the_ordinary_scopes() -> None:
    assert caller() == Caller(owner="somebody", scopes=ORDINARY, ends_at=EXPIRES, expires_at=EXPIRES)


def test_claims_become_limits() -> None:
    limited = caller(
        sub="ann", scope="live tokens tea", streams=3, minutes=2.5, config={"boost": 3}, session_exp=EXPIRES + 9
    )
    scopes = frozenset({Scope.LIVE, Scope.TOKENS})
    assert limited == Caller(
        owner="ann",
        scopes=scopes,
        streams=3,
        minutes=2.5,
        ends_at=EXPIRES + 9,
        config={"boost": 3},
        expires_at=EXPIRES,
    )


def test_a_token_for_one_use_limits_the_handshake_only() -> None:
    assert caller(one_use=True, jti="7").ends_at is None
    assert caller(one_use=True, jti="7", session_exp=EXPIRES).ends_at == EXPIRES
    assert caller(one_use=True, jti="7").use_id == "7"
    assert caller(one_use=False, jti="7").use_id is None


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("sub", 7, "1 to 255 printable characters"),
        ("exp", "1", "a time in seconds since 1970"),
        ("exp", True, "a time in seconds since 1970"),
        ("exp", float("inf"), "a time in seconds since 1970"),
        ("exp", float("nan"), "a time in seconds since 1970"),
        ("exp", 10**400, "a time in seconds since 1970"),
        ("exp", 1_900_000_000_000, "a time in seconds since 1970"),
        ("session_exp", None, "a time in seconds since 1970"),
        ("nbf", [], "a time in seconds since 1970"),
        ("iat", "now", "a time in seconds since 1970"),
        ("iss", 1, "a text"),
        ("aud", {"niyosha": 1}, "a text or a list of texts"),
        ("aud", ["niyosha", 1], "a text or a list of texts"),
        ("scope", ["live"], "a text, names with spaces between"),
        ("streams", 0, "a whole number from 1"),
        ("streams", 1.0, "a whole number from 1"),
        ("streams", True, "a whole number from 1"),
        ("streams", "5", "a whole number from 1"),
        ("minutes", 0, "a number above 0"),
        ("minutes", -1.5, "a number above 0"),
        ("minutes", "60", "a number above 0"),
        ("minutes", float("nan"), "a number above 0"),
        ("config", "{}", "an object with keys of the configuration"),
        ("config", None, "an object with keys of the configuration"),
        ("one_use", 1, "true or false"),
        ("jti", "", "1 to 255 characters"),
    ],
)
def test_a_claim_of_a_wrong_type_is_told(name: str, value: object, allowed: str) -> None:
    with pytest.raises(ClientError) as refused:
        caller(**{name: value})
    assert refused.value.problem is Problem.UNAUTHENTICATED
    assert refused.value.detail.startswith(f"the token's {name} is ")
    assert refused.value.detail.endswith(f"; it must be {allowed}")


def test_a_token_for_one_use_needs_a_name() -> None:
    with pytest.raises(ClientError, match="for one use and has no jti"):
        caller(one_use=True)


def test_an_empty_audience_is_not_this_server() -> None:
    empty: tuple[object, ...] = ("", [])
    for audience in empty:
        with pytest.raises(ClientError, match=r"the token.s aud is .*; it must be or have"):
            caller(aud=audience)


def test_the_first_missing_claim_is_named() -> None:
    for name in ("sub", "exp", "iss", "aud"):
        payload = json.dumps(claims(**{"iat": int(NOW), "exp": EXPIRES, name: None})).encode()
        text = jwt.PyJWS().encode(payload, SECRET, ALGORITHM)
        with pytest.raises(ClientError, match=f"the token has no {name}; it must have sub, exp, iss, aud"):
            verified_with(text, Key(SECRET, ALGORITHM), Expected(ISSUER, AUDIENCE), NOW)


def test_the_leeway_applies_to_nbf_and_iat_only() -> None:
    for name in ("nbf", "iat"):
        assert caller(**{name: NOW + LEEWAY_SECONDS}).owner == "somebody"
        with pytest.raises(ClientError, match=f"its {name} is in the future"):
            caller(**{name: NOW + LEEWAY_SECONDS + 1})
    assert caller(exp=NOW + 1).expires_at == NOW + 1
    with pytest.raises(ClientError, match="has expired"):
        caller(exp=NOW)


# --- a secret that was replaced ---


def made_with(secret: str, **changed: object) -> str:
    return jwt.encode(claims(iat=int(NOW), exp=EXPIRES) | changed, secret, ALGORITHM)


async def test_tokens_of_a_former_secret_are_accepted_while_the_server_knows_it() -> None:
    keys = SecretKeys(("new" * 16, "old" * 16))
    for secret in keys.secrets:
        assert (await verified(made_with(secret), keys, Expected(ISSUER, AUDIENCE), NOW)).owner == "somebody"
    with pytest.raises(ClientError, match="the token is not valid; it must be one of this server"):
        await verified(made_with("other" * 16), keys, Expected(ISSUER, AUDIENCE), NOW)


async def test_what_is_wrong_with_a_token_of_a_former_secret_is_said() -> None:
    keys = SecretKeys(("new" * 16, "old" * 16))
    with pytest.raises(ClientError, match="expired"):
        await verified(made_with("old" * 16, exp=int(NOW) - 9), keys, Expected(ISSUER, AUDIENCE), NOW)
