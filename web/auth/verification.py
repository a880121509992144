"""Verify tokens with PyJWT, and word what it finds wrong.

Loaded on first use: a server without tokens does not need the 9 MB of PyJWT and its cryptography.
"""

from contextlib import suppress
from typing import Any

import jwt

from stream.errors import ClientError, Problem, quoted, shown
from web.auth.caller import Caller
from web.auth.claims import EXPIRED, LEEWAY_SECONDS, REQUIRED, Expected, caller_of, check_types
from web.auth.keys import Key, TokenKeys

_NOT_VALID = "the token is not valid; it must be one of this server"


async def verified(token: str, keys: TokenKeys, expected: Expected, now: float) -> Caller:
    """Verify a token at a time of day, in seconds since 1970; return its bearer. Raises ClientError."""
    try:
        candidates = await keys.keys_for(jwt.get_unverified_header(token).get("kid"))
    except (jwt.InvalidTokenError, ValueError):
        raise _refusal(_NOT_VALID) from None
    for key in candidates:
        with suppress(jwt.InvalidSignatureError):
            return _verified(token, key, expected, now)
    raise _refusal(_NOT_VALID)


def verified_with(token: str, key: Key, expected: Expected, now: float) -> Caller:
    """Verify a token with one key; raises ClientError."""
    try:
        return _verified(token, key, expected, now)
    except jwt.InvalidSignatureError:
        raise _refusal(_NOT_VALID) from None


def _verified(token: str, key: Key, expected: Expected, now: float) -> Caller:
    """Verify a token with one key; raises ClientError, and InvalidSignatureError if another key made it."""
    verifier = _Verifier(now)
    try:
        return caller_of(
            verifier.decode(
                token,
                key.key,
                # The algorithm belongs to the key, whatever the token's header names.
                algorithms=[key.algorithm],
                issuer=expected.issuer,
                audience=expected.audience,
                leeway=LEEWAY_SECONDS,
                options={"require": list(REQUIRED)},
            )
        )
    except jwt.InvalidSignatureError:
        raise
    except (jwt.InvalidTokenError, ValueError) as error:
        raise _refusal(_worded(error, verifier, expected)) from None


class _Verifier(jwt.PyJWT):
    """PyJWT at a given time of day, with a check of the claims' types before their values.

    PyJWT takes no clock: it reads the system's and passes the time to the three methods below. With the time replaced
    there, every comparison stays PyJWT's. It compares whole seconds, and cuts fractions of a claim off.
    """

    def __init__(self, now: float) -> None:
        super().__init__()
        self._now = now
        self.claims: dict[str, Any] = {}
        self.compared = ""

    def _decode_payload(self, decoded: dict[str, Any]) -> dict[str, Any]:
        # PyJWT calls this between the check of the signature and that of the claims.
        self.claims = super()._decode_payload(decoded)
        check_types(self.claims)
        return self.claims

    def _validate_exp(self, payload: dict[str, Any], now: float, leeway: float) -> None:
        # The leeway is for tokens that were made a moment ago; no token is good after its expiry.
        super()._validate_exp(payload, self._now, 0.0)

    def _validate_nbf(self, payload: dict[str, Any], now: float, leeway: float) -> None:
        self.compared = "nbf"
        super()._validate_nbf(payload, self._now, leeway)

    def _validate_iat(self, payload: dict[str, Any], now: float, leeway: float) -> None:
        self.compared = "iat"
        super()._validate_iat(payload, self._now, leeway)


def _worded(error: Exception, verifier: _Verifier, expected: Expected) -> str:
    """Return the sentence for an error of PyJWT's."""
    claims = verifier.claims
    match error:
        case jwt.MissingRequiredClaimError(claim=name) if name not in claims:
            return f"the token has no {name}; it must have {', '.join(REQUIRED)}"
        case jwt.MissingRequiredClaimError() | jwt.InvalidAudienceError():  # an empty `aud` counts as a missing one
            return f"the token's aud is {shown(claims['aud'])}; it must be or have {quoted(expected.audience)}"
        case jwt.InvalidIssuerError():
            return f"the token's iss is {shown(claims['iss'])}; it must be {quoted(expected.issuer)}"
        case jwt.ExpiredSignatureError():
            return EXPIRED
        case jwt.ImmatureSignatureError():
            return f"the token is not valid yet: its {verifier.compared} is in the future"
        case _:
            return _NOT_VALID


def _refusal(detail: str) -> ClientError:
    return ClientError(Problem.UNAUTHENTICATED, detail)
