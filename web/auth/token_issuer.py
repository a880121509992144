"""Make tokens with the server's secret: for `niyosha token`, and in exchange for another token."""

import math
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stream.lazy_import import lazy_import
from web.auth.caller import Caller, Scope
from web.auth.claims import Expected

if TYPE_CHECKING:
    import jwt
else:
    jwt = lazy_import("jwt")

ALGORITHM = "HS256"


def new_secret() -> str:
    """Make a secret to sign tokens with: 32 random bytes, in hexadecimal."""
    return secrets.token_hex(32)


@dataclass(frozen=True, slots=True)
class TokenIssuer:
    """Makes tokens that servers with the same secret accept."""

    secret: str
    expected: Expected

    def token(self, claims: Mapping[str, object]) -> str:
        """Sign claims, and with them the issuer and the audience of this server."""
        return jwt.encode({**claims, **self.expected.claims}, self.secret, ALGORITHM)

    def exchanged(self, caller: Caller, scopes: Iterable[Scope], now: float, seconds: float, *, one_use: bool) -> str:
        """Make a token that allows no more than the caller's own and expires no later, after `seconds` at most."""
        expires_at = expiry(caller, now, seconds)
        claims: dict[str, object] = {
            "sub": caller.owner,
            "iat": int(now),
            "exp": expires_at,
            "jti": secrets.token_urlsafe(16),
            "scope": " ".join(sorted(scopes)),
        }
        if one_use:
            claims["one_use"] = True
        if caller.ends_at is not None and (one_use or caller.ends_at < expires_at):
            claims["session_exp"] = caller.ends_at
        own = {"streams": caller.streams, "minutes": caller.minutes, "config": dict(caller.config) or None}
        return self.token(claims | {name: value for name, value in own.items() if value is not None})


def expiry(caller: Caller, now: float, seconds: float) -> float:
    """Return when a token expires that is made for the caller's: never later than the caller's own."""
    asked = math.ceil(now + seconds)
    return asked if caller.expires_at is None else min(asked, caller.expires_at)
