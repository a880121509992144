"""Authenticate requests and handshakes: by a bearer token, or as this machine's user where no key is set."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection

from stream.errors import ClientError, Problem
from stream.lazy_import import lazy_import
from web.auth.caller import LOCAL_OWNER, Caller, Scope
from web.auth.claims import Expected
from web.auth.keys import TokenKeys
from web.auth.one_time_tokens import SharedUsedTokens, UsedTokens
from web.auth.origins import OriginRules, check_origin
from web.clock import Clock

if TYPE_CHECKING:
    from web.auth import verification
else:
    verification = lazy_import("web.auth.verification")

_BEARER = "bearer "
_SUBPROTOCOL_PREFIX = "jwt."


@dataclass(frozen=True, slots=True)
class Verification:
    """The keys that tokens are verified with, and the issuer and audience that they must name."""

    keys: TokenKeys
    expected: Expected


class Authenticator:
    """Returns the caller of each request; without a `verification` every program on this machine is the same caller."""

    def __init__(
        self,
        rules: OriginRules,
        verification: Verification | None,
        *,
        clock: Clock,
        shared_used_tokens: SharedUsedTokens | None = None,
    ) -> None:
        """Tokens for one use count once at this gateway, and with `shared_used_tokens` at all gateways that share them.

        `clock` tells the time of day.
        """
        self._shared_used_tokens = shared_used_tokens
        self._rules = rules
        self._verification = verification
        self._clock = clock
        self._used_tokens = UsedTokens()

    @property
    def asks_for_token(self) -> bool:
        """Whether callers need a token."""
        return self._verification is not None

    async def caller(
        self, connection: HTTPConnection, scope: Scope, *, uses: bool = True, token: str | None = None
    ) -> Caller:
        """Return the caller; raises ClientError for a page of another origin, or a token that is not valid for `scope`.

        A token for one use is used up here, or by a later call of `use` if `uses` is false. `token` is the one that was
        found where only the connection's protocol has it.
        """
        check_origin(connection, self._rules)
        if self._verification is None:
            return Caller(owner=LOCAL_OWNER)
        token = token or _token(connection)
        if not token:
            raise ClientError(
                Problem.UNAUTHENTICATED, "a token is needed: send it as Authorization: Bearer, or as jwt in the query"
            )
        keys, expected = self._verification.keys, self._verification.expected
        caller = await verification.verified(token, keys, expected, self._clock())
        if caller.use_id is not None:
            self._used_tokens.check(caller.use_id)
        caller.check(scope)
        if uses:
            await self.use(caller)
        return caller

    async def use(self, caller: Caller) -> None:
        """Use the caller's token up if it is for one use; raises ClientError if it was used already."""
        if caller.use_id is None or caller.expires_at is None:
            return
        now = self._clock()
        self._used_tokens.use(caller.use_id, caller.expires_at, now)
        if self._shared_used_tokens is not None:
            await self._shared_used_tokens.use(caller.use_id, caller.expires_at - now)


def _token(connection: HTTPConnection) -> str | None:
    header = connection.headers.get("authorization", "")
    if header[: len(_BEARER)].lower() == _BEARER:
        return header[len(_BEARER) :].strip()
    if "jwt" in connection.query_params:
        return connection.query_params["jwt"]
    offered: list[str] = connection.scope.get("subprotocols", [])
    named = (name.removeprefix(_SUBPROTOCOL_PREFIX) for name in offered if name.startswith(_SUBPROTOCOL_PREFIX))
    return next(named, None)
