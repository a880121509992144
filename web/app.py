"""The application: resources on their routes, the files of the pages, and the middleware around all of them."""

from collections.abc import Mapping, Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from stream.errors import ClientError, Problem
from stream.paths import LIVE_PATH
from web.auth.origins import OriginRules
from web.errors import not_served, on_client_error, on_http_exception, problem_response
from web.observability.access_log import AccessLog
from web.observability.metrics import Metrics
from web.observability.tracing import Tracing
from web.rest.cors import Cors
from web.rest.pages import PAGE_HEADERS, STATIC
from web.routes.operations import Endpoint, endpoints, socket_endpoints


def create_app(resources: Sequence[object], *, metrics: Metrics, tracing: Tracing, rules: OriginRules) -> Starlette:
    """Put the handlers of resources on their routes; raises ValueError where two answer the same."""
    app = Starlette(
        routes=[
            *(WebSocketRoute(path, endpoint) for path, endpoint in socket_endpoints(resources).items()),
            *(_route(path, methods) for path, methods in endpoints(resources).items()),
            Mount("/static", _http_only(GZipMiddleware(_Modules(directory=STATIC)))),
        ],
        middleware=[Middleware(AccessLog, metrics=metrics, tracing=tracing), Middleware(Cors, rules=rules)],
        exception_handlers={ClientError: on_client_error, HTTPException: on_http_exception},
    )
    # A path with a slash too many is not found: a redirect would lose the body without a word.
    app.router.redirect_slashes = False
    app.router.default = _not_served
    return app


def _route(path: str, methods: Mapping[str, Endpoint]) -> Route:
    """One route for all methods of a path, so that `Allow` names them all."""

    async def endpoint(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        return await methods[method](request)

    return Route(path, endpoint, methods=list(methods))


async def _not_served(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 404 to a request, and to a handshake, for what no route serves."""
    connection = HTTPConnection(scope)
    method = scope.get("method", "GET")
    error = not_served(Problem.NOT_FOUND, method, connection.url.path)
    if scope["type"] == "websocket":
        error = ClientError(Problem.NOT_FOUND, f"there is no WebSocket at {connection.url.path}; it is at {LIVE_PATH}")
    await problem_response(error)(scope, receive, send)


def _http_only(app: ASGIApp) -> ASGIApp:
    """Keep WebSockets from what serves files."""

    async def http_only(scope: Scope, receive: Receive, send: Send) -> None:
        await (app if scope["type"] == "http" else _not_served)(scope, receive, send)

    return http_only


class _Modules(StaticFiles):
    """The files of the page, with the page's headers."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(PAGE_HEADERS)
        response.headers.add_vary_header("Origin")
        return response
