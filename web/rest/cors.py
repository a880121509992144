"""CORS: pages of allowed origins may call the routes and read the answers, others may not."""

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from web.auth.origins import OriginRules, foreign_origin
from web.errors import problem_response

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# OpenAI's SDK describes itself in headers of its own, in a browser, too.
_OF_OPENAI = (
    *("Idempotency-Key", "OpenAI-Organization", "OpenAI-Project", "User-Agent", "X-Stainless-Arch", "X-Stainless-Lang"),
    *("X-Stainless-OS", "X-Stainless-Package-Version", "X-Stainless-Retry-Count", "X-Stainless-Runtime"),
    *("X-Stainless-Runtime-Version", "X-Stainless-Timeout"),
)
_SENT = ("Authorization", "Content-Type", "X-Request-ID", *_OF_OPENAI)
_READ = ("Retry-After", "Location", "Upload-Location", "WWW-Authenticate", "X-Request-ID")


class Cors:
    """CORS without cookies for allowed origins; the Origin of a WebSocket is checked elsewhere."""

    def __init__(self, app: ASGIApp, rules: OriginRules) -> None:
        self._app = app
        self._rules = rules
        # The rules decide which origins pass; the answer names the one that asked.
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
