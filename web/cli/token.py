"""Owns `niyosha token`: a token for the servers that have the same secret."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from stream.configuration.config import SessionConfig
from stream.errors import ClientError, quoted
from web.auth.caller import Scope, scopes_in
from web.auth.claims import caller_of
from web.auth.mint import mint_of
from web.settings.access import AccessSettings

_DAY_SECONDS = 86_400
# What published programs want: Go's reads integers for seconds, Python's and Node's take only 200 for success.
PUBLISHED_SAMPLES: dict[str, object] = {"wholeSeconds": True, "asrStatus": 200}


class TokenError(Exception):
    """The token cannot be made; `str()` says why and what to do."""


@dataclass(frozen=True, slots=True)
class TokenWish:
    """What the command line asks for; `seconds` is how long the token is good."""

    subject: str | None
    scopes: Sequence[str] = ()
    seconds: float = _DAY_SECONDS
    streams: int | None = None
    minutes: float | None = None
    config: str | None = None
    for_published_samples: bool = False


def make_token(settings: AccessSettings, wish: TokenWish, now: float) -> str:
    """Make a token that a server with these settings takes from `now` on, in seconds since 1970; raises TokenError."""
    if settings.token_jwks is not None:
        raise TokenError(
            "NIYOSHA_TOKEN_JWKS is set, so that tokens are only verified; they are made by whoever has the keys"
        )
    mint = mint_of(settings)
    if mint is None:
        raise TokenError(
            "NIYOSHA_TOKEN_SECRET is not set; set it to the secret of the server (`niyosha token --new-secret` makes "
            "a new one)"
        )
    if not wish.subject:
        raise TokenError("--sub is missing; say who the token is for, as in --sub ann: they see their own things only")
    claims: dict[str, object] = {"sub": wish.subject, "iat": int(now), "exp": int(now + wish.seconds)}
    optional = {"streams": wish.streams, "minutes": wish.minutes, "config": _config(wish)}
    claims |= {name: value for name, value in optional.items() if value is not None}
    if wish.scopes:
        claims["scope"] = _scope(wish.scopes)
    try:
        # A token that the server would refuse is no use to anybody.
        caller_of(claims | mint.expected.claims, mint.expected, now)
    except ClientError as refused:
        raise TokenError(refused.detail) from None
    return mint.token(claims)


def _scope(given: Sequence[str]) -> str:
    names = [name for text in given for name in text.replace(",", " ").split()]
    for name in names:
        if not scopes_in(name):
            raise TokenError(f"--scope has {quoted(name)}; known are {', '.join(Scope)}")
    return " ".join(dict.fromkeys(names))


def _config(wish: TokenWish) -> dict[str, object] | None:
    """What the token sets; keys that were given go over those for published samples."""
    usual = PUBLISHED_SAMPLES if wish.for_published_samples else {}
    if wish.config is None:
        return dict(usual) or None
    try:
        config = json.loads(wish.config)
    except (ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        raise TokenError('--config must be a JSON object with keys of the configuration, such as {"languageCode":"en"}')
    try:
        SessionConfig().with_message(config, audio_began=False)
    except ClientError as error:
        raise TokenError(f"--config is wrong: {error.detail}") from None
    return usual | config
