"""Owns what pages of other hosts may read: CORS for the origins that may connect, nothing for any other."""

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from web.auth.origins import OriginRules, foreign_origin
from web.errors import problem_response

_METHODS = ("GET", "POST", "PUT", "DELETE")
_SENT = ("Authorization", "Content-Type", "X-Request-ID")
_READ = ("Retry-After", "Location", "Upload-Location", "WWW-Authenticate", "X-Request-ID")


class Cors:
    """Lets the pages of allowed origins ask and read, without cookies; a WebSocket's Origin is checked elsewhere."""

    def __init__(self, app: ASGIApp, rules: OriginRules) -> None:
        self._app = app
        self._rules = rules
        # Which origins is decided here, and told page by page.
        self._allowed = CORSMiddleware(
            app, allow_origin_regex=".+", allow_methods=_METHODS, allow_headers=_SENT, expose_headers=_READ
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        origin = headers.get("origin")
        if origin is None:
            await self._app(scope, receive, send)
        elif self._rules.allows(origin):
            await self._allowed(scope, receive, send)
        elif scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await problem_response(foreign_origin(origin))(scope, receive, send)
        else:
            await self._app(scope, receive, send)
