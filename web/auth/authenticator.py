"""Owns who may connect, and as whom: the bearer of a token, or on a server without a key this machine's programs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection

from stream.errors import ClientError, Problem
from web.auth.caller import LOCAL_OWNER, Caller, Scope
from web.auth.claims import Expected, caller_of
from web.auth.keys import PublicKeys, SecretKey, TokenKeys, loader
from web.auth.origins import OriginRules, check_origin
from web.auth.uses import SharedUses, Uses, UseShared
from web.clock import Clock
from web.settings.access import AccessSettings

if TYPE_CHECKING:
    from jwt.types import Options

_BEARER = "bearer "
_SUBPROTOCOL_PREFIX = "jwt."
# What the claims say is checked in one place, with a sentence for each.
_SIGNATURE_ONLY: "Options" = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}
_NOT_VALID = "the token is not valid; it must be one of this server"


@dataclass(frozen=True, slots=True)
class Verification:
    """By which keys tokens are verified, and what they must say."""

    keys: TokenKeys
    expected: Expected


class Authenticator:
    """Tells callers by their tokens; without a `verification` everybody on this machine is one and the same."""

    def __init__(
        self,
        rules: OriginRules,
        verification: Verification | None,
        *,
        clock: Clock,
        shared_uses: SharedUses | None = None,
    ) -> None:
        """Tokens for one use count once at this gateway, and with `shared_uses` at all that share them."""
        self._shared_uses = shared_uses
        self._rules = rules
        self._verification = verification
        self._clock = clock
        self._uses = Uses()

    async def caller(self, connection: HTTPConnection, scope: Scope, *, uses: bool = True) -> Caller:
        """Who connects, for what; raises ClientError for foreign pages and for tokens that are not valid for it.

        With `uses` a token for one use is used up; otherwise `use` has to do that.
        """
        check_origin(connection, self._rules)
        if self._verification is None:
            return Caller(LOCAL_OWNER)
        token = _token(connection)
        if not token:
            raise ClientError(
                Problem.UNAUTHENTICATED, "a token is needed: send it as Authorization: Bearer, or as jwt in the query"
            )
        claims = await _verified(token, self._verification.keys)
        caller = caller_of(claims, self._verification.expected, self._clock())
        if caller.use_id is not None:
            self._uses.check(caller.use_id)
        caller.check(scope)
        if uses:
            await self.use(caller)
        return caller

    async def use(self, caller: Caller) -> None:
        """Use the caller's token up, if it is for one use; raises ClientError when somebody else was first."""
        if caller.use_id is None or caller.expires_at is None:
            return
        now = self._clock()
        self._uses.use(caller.use_id, caller.expires_at, now)
        if self._shared_uses is not None:
            await self._shared_uses.use(caller.use_id, caller.expires_at - now)


def authenticator_of(
    settings: AccessSettings, *, clock: Clock, loop_clock: Clock, use_shared: UseShared | None = None
) -> Authenticator:
    """The authenticator that the settings make; tokens expire by `clock`, and keys age by the event loop's."""
    keys: TokenKeys | None = None
    if settings.token_secret is not None:
        keys = SecretKey(settings.token_secret.get_secret_value())
    elif settings.token_jwks is not None:
        keys = PublicKeys(loader(settings.token_jwks), loop_clock)
    verification = None if keys is None else Verification(keys, Expected.of(settings))
    shared_uses = None if use_shared is None else SharedUses(use_shared, loop_clock)
    return Authenticator(OriginRules.of(settings), verification, clock=clock, shared_uses=shared_uses)


async def _verified(token: str, keys: TokenKeys) -> dict[str, object]:
    """The claims of a token whose signature is good."""
    # 9 MB that a server without tokens has no use for.
    import jwt  # noqa: PLC0415

    try:
        key = await keys.key_for(jwt.get_unverified_header(token).get("kid"))
        if key is None:
            raise ClientError(Problem.UNAUTHENTICATED, _NOT_VALID)
        # The algorithm belongs to the key, whatever the token says of itself.
        claims: dict[str, object] = jwt.decode(token, key.key, algorithms=[key.algorithm], options=_SIGNATURE_ONLY)
    except (jwt.InvalidTokenError, ValueError):
        raise ClientError(Problem.UNAUTHENTICATED, _NOT_VALID) from None
    return claims


def _token(connection: HTTPConnection) -> str | None:
    header = connection.headers.get("authorization", "")
    if header[: len(_BEARER)].lower() == _BEARER:
        return header[len(_BEARER) :].strip()
    if "jwt" in connection.query_params:
        return connection.query_params["jwt"]
    offered: list[str] = connection.scope.get("subprotocols", [])
    named = (name.removeprefix(_SUBPROTOCOL_PREFIX) for name in offered if name.startswith(_SUBPROTOCOL_PREFIX))
    return next(named, None)
