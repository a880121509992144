"""The claims of a token: what each may hold, and what they let their bearer do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from stream.errors import ClientError, Problem, shown
from web.auth.caller import ORDINARY, Caller, scopes_in

LONGEST_OWNER = 255
LEEWAY_SECONDS = 10
"""How far apart the clocks of two machines may be: a token that was made just now counts as made."""
EXPIRED = "the token has expired; get a new one"
REQUIRED = ("sub", "exp", "iss", "aud")
# 1e12 seconds are 31,000 years: a time above is most likely in milliseconds, and refused.
_LATEST_SECONDS = 1e12


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a claim may hold, in words and as a predicate."""

    allowed: str
    accepts: Callable[[object], bool]


def _is_whole(value: object) -> bool:
    return type(value) is int and 1 <= value < _LATEST_SECONDS


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and type(value) is not bool and 0 < value < _LATEST_SECONDS


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_audience(value: object) -> bool:
    return _is_text(value) or (isinstance(value, list) and all(map(_is_text, value)))


def _is_subject(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_OWNER and value.isprintable()


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_OWNER


_TIME = _Claim("a time in seconds since 1970", _is_amount)
_TEXT = _Claim("a text", _is_text)
_CLAIMS = {
    "sub": _Claim(f"1 to {LONGEST_OWNER} printable characters", _is_subject),
    "exp": _TIME,
    "iss": _TEXT,
    "aud": _Claim("a text or a list of texts", _is_audience),
    "nbf": _TIME,
    "iat": _TIME,
    "scope": _Claim("a text, names with spaces between", _is_text),
    "streams": _Claim("a whole number from 1", _is_whole),
    "minutes": _Claim("a number above 0", _is_amount),
    "config": _Claim("an object with keys of the configuration", lambda value: isinstance(value, dict)),
    "session_exp": _TIME,
    "one_use": _Claim("true or false", lambda value: isinstance(value, bool)),
    "jti": _Claim(f"1 to {LONGEST_OWNER} characters", _is_id),
}


@dataclass(frozen=True, slots=True)
class Expected:
    """The `iss` and the `aud` of the tokens that a server accepts and makes."""

    issuer: str
    audience: str

    @property
    def claims(self) -> dict[str, object]:
        """The same as claims of a token."""
        return {"iss": self.issuer, "aud": self.audience}


def check_types(claims: Mapping[str, object]) -> None:
    """Raise ClientError for a known claim that holds what it may not."""
    for name, claim in _CLAIMS.items():
        if name in claims and not claim.accepts(claims[name]):
            raise _refusal(f"the token's {name} is {shown(claims[name])}; it must be {claim.allowed}")


def caller_of(claims: Mapping[str, Any]) -> Caller:
    """Return the bearer of a token whose claims are verified; raises ClientError for one that cannot be used once."""
    is_one_use = claims.get("one_use", False)
    if is_one_use and "jti" not in claims:
        raise _refusal("the token is for one use and has no jti, by which that would be known")
    # The expiry of a token for one use limits the handshake only.
    lasts = None if is_one_use else claims["exp"]
    return Caller(
        owner=claims["sub"],
        scopes=scopes_in(claims["scope"]) if "scope" in claims else ORDINARY,
        streams=claims.get("streams"),
        minutes=claims.get("minutes"),
        ends_at=claims.get("session_exp", lasts),
        config=claims.get("config", {}),
        expires_at=claims["exp"],
        use_id=claims["jti"] if is_one_use else None,
    )


def _refusal(detail: str) -> ClientError:
    return ClientError(Problem.UNAUTHENTICATED, detail)
