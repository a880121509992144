"""Owns what the claims of a token mean: which there must be, what each may hold, who comes with them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from stream.errors import ClientError, Problem, quoted, shown
from web.auth.caller import ORDINARY, Caller, scopes_in
from web.settings.access import AccessSettings

LONGEST_OWNER = 255
# Clocks of two machines agree as far as this: a token that was made just now counts as made.
LEEWAY_SECONDS = 10
_REQUIRED = ("sub", "exp", "iss", "aud")
_LATEST = 1e12


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a claim may hold, in words and as a test."""

    allowed: str
    accepts: Callable[[object], bool]


def _is_whole(value: object) -> bool:
    return type(value) is int and 1 <= value < _LATEST


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and type(value) is not bool and 0 < value < _LATEST


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_audience(value: object) -> bool:
    return _is_text(value) or (isinstance(value, list) and all(map(_is_text, value)))


def _is_subject(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_OWNER and value.isprintable()


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_OWNER


# 1e12 seconds are 31,000 years; who writes milliseconds is told.
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
    """Whose tokens are taken, and for whom they must have been made."""

    issuer: str
    audience: str

    @classmethod
    def of(cls, settings: AccessSettings) -> Self:
        """What the settings say."""
        return cls(settings.token_issuer, settings.token_audience)

    @property
    def claims(self) -> dict[str, object]:
        """The claims that say so, of a token that is made here."""
        return {"iss": self.issuer, "aud": self.audience}


def caller_of(claims: Mapping[str, object], expected: Expected, now: float) -> Caller:
    """Who comes with the claims of a token whose signature is good; raises ClientError."""
    for name in _REQUIRED:
        if name not in claims:
            raise _refusal(f"the token has no {name}; it must have {', '.join(_REQUIRED)}")
    given = {name: _checked(name, claims[name]) for name in _CLAIMS if name in claims}
    _check_whose(given, expected)
    _check_times(given, now)
    is_one_use = given.get("one_use", False)
    if is_one_use and "jti" not in given:
        raise _refusal("the token is for one use and has no jti, by which that would be known")
    # The expiry of a token for one use limits the handshake only.
    lasts = None if is_one_use else given["exp"]
    return Caller(
        given["sub"],
        scopes_in(given["scope"]) if "scope" in given else ORDINARY,
        given.get("streams"),
        given.get("minutes"),
        given.get("session_exp", lasts),
        given.get("config", {}),
        given["exp"],
        given["jti"] if is_one_use else None,
    )


# Any: what a claim holds was checked against the table.
def _checked(name: str, value: Any) -> Any:
    claim = _CLAIMS[name]
    if not claim.accepts(value):
        raise _refusal(f"the token's {name} is {shown(value)}; it must be {claim.allowed}")
    return value


def _check_whose(given: Mapping[str, Any], expected: Expected) -> None:
    if given["iss"] != expected.issuer:
        raise _refusal(f"the token's iss is {shown(given['iss'])}; it must be {quoted(expected.issuer)}")
    audience = given["aud"]
    if expected.audience not in ([audience] if isinstance(audience, str) else audience):
        raise _refusal(f"the token's aud is {shown(audience)}; it must be or have {quoted(expected.audience)}")


def _check_times(given: Mapping[str, Any], now: float) -> None:
    if given["exp"] <= now:
        raise _refusal("the token has expired; get a new one")
    for name in ("nbf", "iat"):
        if given.get(name, 0) > now + LEEWAY_SECONDS:
            raise _refusal(f"the token is not valid yet: its {name} is in the future")


def _refusal(detail: str) -> ClientError:
    return ClientError(Problem.UNAUTHENTICATED, detail)
