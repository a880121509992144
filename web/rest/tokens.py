"""`POST /v1/tokens`: trade a key that stays on a server for a token that a browser may have."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from stream.errors import ClientError, Problem, shown
from stream.runtime.fairness import FairShare
from web.auth.authenticator import Authenticator
from web.auth.caller import Caller, Scope, scopes_in
from web.auth.token_issuer import TokenIssuer, expiry
from web.clock import Clock
from web.rest.request.body import read_object
from web.rest.request.structs import converted
from web.rest.response.fields import Timestamp, timestamp
from web.routes.operations import JSON_TYPE, SERVER, Answer, Media, Operation, json_content, route
from web.routes.schemas import Schema

USUAL_SECONDS = 60
# A token for one use lasts for the opening of a connection, a kept one for a working day.
MOST_SECONDS_ONCE = 600
MOST_SECONDS = 43_200
_MOST_BYTES = 4096
NO_STORE = {"Cache-Control": "no-store"}


class TokenRequest(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """What a token is to be traded for; all of it may be left out."""

    schema_rules: ClassVar[list[Schema]] = [
        {
            "if": {"properties": {"oneUse": {"const": True}}},
            "then": {"properties": {"seconds": {"maximum": MOST_SECONDS_ONCE}}},
        }
    ]
    scope: Annotated[
        str | msgspec.UnsetType,
        Meta(
            description="names of scopes with spaces between; by default all of the key's but `tokens`, which a token "
            "for one use never has",
            extra={"allowed": "a text, names with spaces between"},
        ),
    ] = msgspec.UNSET
    seconds: Annotated[
        float,
        Meta(ge=1, le=MOST_SECONDS, description="how long it is good for; 60 by default, 600 at most for one use"),
    ] = USUAL_SECONDS
    one_use: Annotated[bool, Meta(description="whether the first use is the last; true by default")] = True


class OneUseRequest(TokenRequest, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """What a token for one use is to be traded for."""

    seconds: Annotated[float, Meta(ge=1, le=MOST_SECONDS_ONCE)] = USUAL_SECONDS


class TradedToken(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A token that lets its bearer do no more than the one it was traded for."""

    token: Annotated[str, Meta(description="a JWT")]
    expires_at: Annotated[Timestamp, Meta(description="RFC 3339, in UTC; until then the token opens something")]


_PAGE = {
    "summary": "for a page, as long as a day's work",
    "value": {"oneUse": False, "seconds": 28_800, "scope": "tokens live recordings"},
}
_TRADED = {"token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl", "expiresAt": "2026-01-05T09:31:00.000Z"}
TRADE = Operation(
    method="POST",
    path="/v1/tokens",
    id="tradeToken",
    tag=SERVER,
    summary="Trade a key, a token with the scope `tokens`, for a token that a browser may have",
    description="Without a body: for one use, the first handshake or request that it opens, within 60 seconds; its "
    "expiry limits the handshake only. The new token has the `sub`, the limits and the `config` of the key, and no "
    "scope that the key has not. 404 on servers that only verify tokens (`NIYOSHA_TOKEN_JWKS`), or want none.",
    body={JSON_TYPE: Media(TokenRequest, examples={"page": _PAGE})},
    is_body_required=False,
    answers={201: Answer(description="the token", content=json_content(TradedToken, _TRADED))},
    problems=(
        *(Problem.INVALID_MESSAGE, Problem.INVALID_CONFIG, Problem.NOT_FOUND, Problem.TOO_LARGE),
        *(Problem.UNSUPPORTED_MEDIA, Problem.OVERLOADED),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRoutes:
    """Tokens in exchange for a key; `issuer` is None on a server that makes none."""

    auth: Authenticator
    issuer: TokenIssuer | None
    fair_share: FairShare
    clock: Clock

    @route(TRADE)
    async def trade(self, request: Request) -> Response:
        """Answer 201 with a token for the caller's, for one use by default."""
        issuer = self.issuer
        if issuer is None:
            raise _no_issuer()
        caller = await self.auth.caller(request, Scope.TOKENS)
        wanted = await _token_request(request, self.fair_share)
        scopes = _scopes(wanted, caller)
        now = self.clock()
        token = issuer.exchanged(caller, scopes, now, wanted.seconds, one_use=wanted.one_use)
        body = msgspec.json.encode(TradedToken(token, timestamp(expiry(caller, now, wanted.seconds))))
        return Response(body, 201, NO_STORE, JSON_TYPE)


@dataclass(frozen=True, slots=True)
class SessionToken:
    """A token for the handshake of one live session; it expires at `expires_at`, in seconds since 1970."""

    value: str
    expires_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTokens:
    """Trades keys for tokens of single live sessions, for protocols with calls of their own for that."""

    auth: Authenticator
    issuer: TokenIssuer | None
    clock: Clock

    async def caller(self, request: Request) -> Caller:
        """Return the caller, who may have tokens for live sessions; raises ClientError."""
        if self.issuer is None and self.auth.asks_for_token:
            raise _no_issuer()
        caller = await self.auth.caller(request, Scope.TOKENS)
        if self.issuer is not None:
            caller.check(Scope.LIVE)
        return caller

    def token(self, caller: Caller, seconds: float, config: Mapping[str, object]) -> SessionToken | None:
        """Return a token whose session begins with these keys of the configuration; None where none is needed."""
        if self.issuer is None:
            return None
        now, seconds = self.clock(), min(seconds, MOST_SECONDS_ONCE)
        caller = replace(caller, config={**caller.config, **config})
        value = self.issuer.exchanged(caller, {Scope.LIVE}, now, seconds, one_use=True)
        return SessionToken(value, int(expiry(caller, now, seconds)))


def _no_issuer() -> ClientError:
    detail = "this server makes no tokens; they come from whoever has the keys, or none is needed"
    return ClientError(Problem.NOT_FOUND, detail)


async def optional_object(request: Request, fair_share: FairShare, most_bytes: int) -> dict[str, object]:
    """Read a JSON object, an empty one where there is no body."""
    has_body = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
    return await read_object(request, fair_share, most_bytes) if has_body else {}


async def _token_request(request: Request, fair_share: FairShare) -> TokenRequest:
    body = await optional_object(request, fair_share, _MOST_BYTES)
    if body.get("scope", "") is None:
        del body["scope"]
    return converted(body, TokenRequest if body.get("oneUse") is False else OneUseRequest, shown)


def _scopes(wanted: TokenRequest, caller: Caller) -> frozenset[Scope]:
    """The requested scopes that the caller's own token has; a token for one use cannot be traded again."""
    if isinstance(wanted.scope, msgspec.UnsetType):
        requested = caller.scopes - {Scope.TOKENS}
    else:
        requested = scopes_in(wanted.scope) - ({Scope.TOKENS} if wanted.one_use else set())
    if not requested & caller.scopes:
        held = " ".join(sorted(caller.scopes))
        raise ClientError(
            Problem.FORBIDDEN, f"the token would be for nothing: yours is for {held}, of which nothing can be passed on"
        )
    return requested & caller.scopes
