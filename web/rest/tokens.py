"""Owns `POST /v1/tokens`: a key that stays on a server, traded for a token that a browser may have."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from stream.errors import ClientError, Problem, shown
from web.auth.caller import Caller, Scope, scopes_in
from web.auth.mint import expiry
from web.composition import Services
from web.rest.request.body import JSON_TYPE, check_keys, read_object
from web.rest.response.transcription import timestamp

USUAL_SECONDS = 60
# For one use a token has to last for the opening of a connection; to be kept, for a day's work.
MOST_SECONDS_ONCE = 600
MOST_SECONDS = 43_200
_MOST_BYTES = 4096
_NO_STORE = {"Cache-Control": "no-store"}


class TradedToken(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A token that lets its bearer do no more than the one it was traded for."""

    token: str
    expires_at: str


async def trade(request: Request) -> Response:
    """Answer 201 with a token for the caller's, for one use unless asked otherwise."""
    services: Services = request.app.state.services
    mint = services.mint
    if mint is None:
        detail = "this server makes no tokens; they come from whoever has the keys, or none is needed"
        raise ClientError(Problem.NOT_FOUND, detail)
    caller = await services.auth.caller(request, Scope.TOKENS)
    wish = await _wish(request)
    one_use = _one_use(wish)
    seconds = _seconds(wish, MOST_SECONDS_ONCE if one_use else MOST_SECONDS)
    scopes = _scopes(wish, caller, one_use=one_use)
    now = services.clock()
    token = mint.traded(caller, scopes, now, seconds, one_use=one_use)
    body = msgspec.json.encode(TradedToken(token, timestamp(expiry(caller, now, seconds))))
    return Response(body, 201, _NO_STORE, JSON_TYPE)


async def _wish(request: Request) -> dict[str, object]:
    """What the body asks for; it may be missing."""
    has_body = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
    wish = await read_object(request, _MOST_BYTES) if has_body else {}
    check_keys(wish, "scope", "seconds", "oneUse")
    return wish


def _one_use(wish: dict[str, object]) -> bool:
    given = wish.get("oneUse", True)
    if not isinstance(given, bool):
        raise _refusal("oneUse", given, "true or false")
    return given


def _seconds(wish: dict[str, object], most: int) -> float:
    given = wish.get("seconds", USUAL_SECONDS)
    if not isinstance(given, int | float) or type(given) is bool or not 1 <= given <= most:
        raise _refusal("seconds", given, f"between 1 and {most}")
    return given


def _scopes(wish: dict[str, object], caller: Caller, *, one_use: bool) -> frozenset[Scope]:
    """What was asked for as far as the caller's own token is for it; none for one use can be traded again."""
    given = wish.get("scope")
    if given is None:
        asked = caller.scopes - {Scope.TOKENS}
    elif isinstance(given, str):
        asked = scopes_in(given) - ({Scope.TOKENS} if one_use else set())
    else:
        raise _refusal("scope", given, "a text, names with spaces between")
    if not asked & caller.scopes:
        held = " ".join(sorted(caller.scopes))
        raise ClientError(
            Problem.FORBIDDEN, f"the token would be for nothing: yours is for {held}, of which nothing can be passed on"
        )
    return asked & caller.scopes


def _refusal(key: str, value: object, allowed: str) -> ClientError:
    return ClientError(Problem.INVALID_CONFIG, f"{key} is {shown(value)}; it must be {allowed}")
