"""The command `niyosha token`: make a token for the servers with the same secret."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from stream.configuration.config import SessionConfig
from stream.errors import ClientError, quoted
from web.auth.caller import Scope, scopes_in
from web.auth.claims import Expected
from web.auth.keys import Key
from web.auth.token_issuer import ALGORITHM, TokenIssuer
from web.auth.verification import verified_with
from web.cli.settings import settings_for
from web.clock import wall_clock
from web.settings.access import AccessSettings
from web.settings.settings import SettingsError

_DAY_SECONDS = 86_400
# What published clients need: the Go client reads seconds as integers, the Python and Node ones accept only status 200.
PUBLISHED_SAMPLES: dict[str, object] = {"wholeSeconds": True, "asrStatus": 200}


class TokenError(Exception):
    """The token cannot be made; `str()` is the reason and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """The options of the command; the token expires after `seconds`."""

    subject: str | None
    scopes: Sequence[str] = ()
    seconds: float = _DAY_SECONDS
    streams: int | None = None
    minutes: float | None = None
    config: str | None = None
    for_published_samples: bool = False


def token_or_exit(request: TokenRequest) -> str:
    """Make a token with the settings of this machine; exit with a sentence where that is not possible."""
    try:
        # Where the server listens does not matter here.
        return make_token(settings_for({"host": "127.0.0.1"}).access, request, wall_clock())
    except (SettingsError, TokenError) as error:
        sys.exit(f"niyosha token: {error}")


def make_token(settings: AccessSettings, request: TokenRequest, now: float) -> str:
    """Make a token for servers with these settings at `now`, in seconds since 1970; raises TokenError."""
    if settings.token_jwks is not None:
        raise TokenError(
            "NIYOSHA_TOKEN_JWKS is set, so that tokens are only verified; they are made by whoever has the keys"
        )
    if settings.token_secret is None:
        raise TokenError(
            "NIYOSHA_TOKEN_SECRET is not set; set it to the secret of the server (`niyosha token --new-secret` makes "
            "a new one)"
        )
    if not request.subject:
        raise TokenError("--sub is missing; say who the token is for, as in --sub ann: they see their own things only")
    claims: dict[str, object] = {"sub": request.subject, "iat": int(now), "exp": int(now + request.seconds)}
    optional = {"streams": request.streams, "minutes": request.minutes, "config": _config(request)}
    claims |= {name: value for name, value in optional.items() if value is not None}
    if request.scopes:
        claims["scope"] = _scope(request.scopes)
    secret = settings.token_secret.get_secret_value()
    expected = Expected(settings.token_issuer, settings.token_audience)
    token = TokenIssuer(secret, expected).token(claims)
    try:
        # The server would refuse the same token, with the same sentence.
        verified_with(token, Key(secret, ALGORITHM), expected, now)
    except ClientError as refused:
        raise TokenError(refused.detail) from None
    return token


def _scope(given: Sequence[str]) -> str:
    names = [name for text in given for name in text.replace(",", " ").split()]
    for name in names:
        if not scopes_in(name):
            raise TokenError(f"--scope has {quoted(name)}; known are {', '.join(Scope)}")
    return " ".join(dict.fromkeys(names))


def _config(request: TokenRequest) -> dict[str, object] | None:
    """Return the configuration that the token sets; keys that were given override those for published samples."""
    usual = PUBLISHED_SAMPLES if request.for_published_samples else {}
    if request.config is None:
        return dict(usual) or None
    try:
        config = json.loads(request.config)
    except (ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        raise TokenError('--config must be a JSON object with keys of the configuration, such as {"languageCode":"en"}')
    try:
        SessionConfig().with_message(config, audio_began=False)
    except ClientError as error:
        raise TokenError(f"--config is wrong: {error.detail}") from None
    return usual | config
