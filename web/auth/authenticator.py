"""Owns who may connect, and as whom: the bearer of a token, or on a server without a key this machine's programs."""

from starlette.requests import HTTPConnection

from stream.errors import ClientError, Problem
from web.auth.caller import LOCAL_OWNER, Caller, Scope
from web.auth.origins import check_origin

LONGEST_OWNER = 255
_ALGORITHMS = ["HS256"]
_BEARER = "bearer "
_SUBPROTOCOL_PREFIX = "jwt."


class Authenticator:
    """Tells callers by their tokens; without a `secret` everybody on this machine is one and the same."""

    def __init__(self, secret: str | None) -> None:
        self._secret = secret

    async def caller(self, connection: HTTPConnection, scope: Scope) -> Caller:
        """Who connects, for what; raises ClientError for foreign pages and for tokens that are not valid for it."""
        check_origin(connection)
        if self._secret is None:
            return Caller(LOCAL_OWNER)
        token = _token(connection)
        if token is None:
            raise ClientError(
                Problem.UNAUTHENTICATED, "a token is needed: send it as Authorization: Bearer, or as jwt in the query"
            )
        return Caller(_subject(token, self._secret))


def _subject(token: str, secret: str) -> str:
    # 9 MB that a server without tokens has no use for.
    import jwt  # noqa: PLC0415

    try:
        claims = jwt.decode(token, secret, algorithms=_ALGORITHMS, options={"require": ["sub", "exp"]})
    except jwt.ExpiredSignatureError:
        raise ClientError(Problem.UNAUTHENTICATED, "the token has expired; get a new one") from None
    except jwt.InvalidTokenError:
        raise ClientError(Problem.UNAUTHENTICATED, "the token is not valid; it must be one of this server") from None
    subject = str(claims["sub"])
    if not 0 < len(subject) <= LONGEST_OWNER or not subject.isprintable():
        detail = f"the token's sub must be 1 to {LONGEST_OWNER} printable characters"
        raise ClientError(Problem.UNAUTHENTICATED, detail)
    return subject


def _token(connection: HTTPConnection) -> str | None:
    header = connection.headers.get("authorization", "")
    if header[: len(_BEARER)].lower() == _BEARER:
        return header[len(_BEARER) :].strip()
    if "jwt" in connection.query_params:
        return connection.query_params["jwt"]
    offered: list[str] = connection.scope.get("subprotocols", [])
    named = (name.removeprefix(_SUBPROTOCOL_PREFIX) for name in offered if name.startswith(_SUBPROTOCOL_PREFIX))
    return next(named, None)
