"""Owns how tokens are made where the server has a secret: for `niyosha token`, and for who trades one."""

import math
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from web.auth.caller import Caller, Scope
from web.auth.claims import Expected
from web.settings.access import AccessSettings

ALGORITHM = "HS256"


def new_secret() -> str:
    """Make a secret that tokens can be signed with: 32 random bytes, in hexadecimal."""
    return secrets.token_hex(32)


@dataclass(frozen=True, slots=True)
class Mint:
    """Makes tokens that servers with the same secret take."""

    secret: str
    expected: Expected

    def token(self, claims: Mapping[str, object]) -> str:
        """Sign claims, with those of every token of this server."""
        # What signs takes 9 MB, and most servers never sign anything.
        import jwt  # noqa: PLC0415

        return jwt.encode({**claims, **self.expected.claims}, self.secret, ALGORITHM)

    def traded(self, caller: Caller, scopes: Iterable[Scope], now: float, seconds: float, *, one_use: bool) -> str:
        """Make a token that lets `caller` do no more than theirs did, and no longer; for `seconds` at most."""
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
    """When a token expires that was traded for the caller's, who could otherwise go on for ever."""
    asked = math.ceil(now + seconds)
    return asked if caller.expires_at is None else min(asked, caller.expires_at)


def mint_of(settings: AccessSettings) -> Mint | None:
    """What makes tokens with the settings' secret; None where there is none."""
    if settings.token_secret is None:
        return None
    return Mint(settings.token_secret.get_secret_value(), Expected.of(settings))
