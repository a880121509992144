import pytest

from stream.errors import ClientError, Problem
from tests.web.support.tokens import AUDIENCE, ISSUER, claims
from web.auth.caller import ORDINARY, Caller, Scope
from web.auth.claims import LEEWAY_SECONDS, Expected, caller_of

NOW = 1_800_000_000.25
EXPIRES = int(NOW) + 600


def caller(**changed: object) -> Caller:
    return caller_of(claims(iat=int(NOW), exp=EXPIRES) | changed, Expected(ISSUER, AUDIENCE), NOW)


def test_a_plain_token_is_for_the_ordinary_and_lasts_until_it_expires() -> None:
    assert caller() == Caller("somebody", ORDINARY, None, None, EXPIRES, {}, EXPIRES, None)


def test_claims_become_limits() -> None:
    told = caller(
        sub="ann", scope="live tokens tea", streams=3, minutes=2.5, config={"boost": 3}, session_exp=EXPIRES + 9
    )
    scopes = frozenset({Scope.LIVE, Scope.TOKENS})
    assert told == Caller("ann", scopes, 3, 2.5, EXPIRES + 9, {"boost": 3}, EXPIRES, None)


def test_the_expiry_of_a_token_for_one_use_limits_the_handshake_only() -> None:
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


def test_the_clocks_may_differ_by_the_leeway_but_an_expiry_is_an_expiry() -> None:
    for name in ("nbf", "iat"):
        assert caller(**{name: NOW + LEEWAY_SECONDS}).owner == "somebody"
        with pytest.raises(ClientError, match=f"its {name} is in the future"):
            caller(**{name: NOW + LEEWAY_SECONDS + 1})
    assert caller(exp=NOW + 0.5).expires_at == NOW + 0.5
    with pytest.raises(ClientError, match="has expired"):
        caller(exp=NOW)
