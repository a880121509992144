"""Owns the application: its routes, and what lives as long as it does."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from stream.errors import ClientError, Problem
from stream.paths import HEALTH_PATH, LIVE_PATH
from stream.recognition.recognizer import Recognizer
from stream.riva import RivaOptions
from web.clock import Clock, wall_clock
from web.composition import origin_rules, serving
from web.errors import on_client_error, on_http_exception, problem_response
from web.live.endpoint import Live
from web.live.registry import Sessions
from web.observability.access_log import AccessLog
from web.observability.metrics import Metrics
from web.observability.tracing import Tracing
from web.reference.asyncapi import asyncapi_json
from web.reference.docs import docs_page
from web.reference.openapi import asks_for_token, openapi_json
from web.rest import configuration, languagemodels, languages, longrunning, ovh, recognize, tokens, transcriptions
from web.rest.cors import Cors
from web.rest.health import healthcheck, livez, readyz
from web.rest.metrics import metrics
from web.settings.settings import Settings

Endpoint = Callable[[Request], Awaitable[Response]]

_STATIC = Path(__file__).with_name("static")
_VIEWS = {"/": "dictation", "/captions": "captions", "/commands": "commands"}
# After an upgrade old and new modules must not mix; a page of another site must not frame this one's microphone.
_PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    # Modules are fetched by CORS, which tells who may; nothing here is for other pages' <script>, <img> or frames.
    "Cross-Origin-Resource-Policy": "same-origin",
}


def create_app(settings: Settings, recognizer: Recognizer | RivaOptions, *, clock: Clock = wall_clock) -> Starlette:
    """Build the gateway in front of a recognizer; a Riva server's channel lives and ends with the application.

    `clock` tells the time of day.
    """
    sessions = Sessions()
    numbers, tracing = Metrics(), Tracing(settings.tracing_endpoint)
    rules = origin_rules(settings)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with serving(settings, sessions, recognizer, numbers, tracing, clock=clock) as services:
            app.state.services = services
            app.state.recognizer = services.recognizer
            app.state.live = Live(services)
            yield

    app = Starlette(
        routes=[
            WebSocketRoute(LIVE_PATH, _live),
            _route(LIVE_PATH, GET=_explain),
            _route("/v1/speech/asr", POST=recognize.recognize),
            _route("/v1/speech/asrlongrunning", POST=longrunning.accept),
            _route("/v1/speech/transcriptions", GET=transcriptions.index),
            _route(
                "/v1/speech/transcriptions/{transcription_id}", GET=transcriptions.show, DELETE=transcriptions.remove
            ),
            _route("/v1/speech/transcriptions/{transcription_id}/audio", PUT=longrunning.upload),
            _route("/v1/speech/languagemodels", GET=languagemodels.index, POST=languagemodels.create),
            _route(
                "/v1/speech/languagemodels/{language_model_id}", GET=languagemodels.show, DELETE=languagemodels.remove
            ),
            _route("/v1/speech/languages", GET=languages.index),
            _route("/v1/speech/configuration", GET=configuration.show),
            _route("/v1/tokens", POST=tokens.trade),
            _route("/api/v1/asr/recognize", POST=ovh.recognize),
            _route("/api/v1/{language}/asr/recognize", POST=ovh.recognize),
            _route("/asyncapi.json", GET=asyncapi_json),
            _route("/openapi.json", GET=openapi_json),
            _route("/docs", GET=_docs),
            _route(HEALTH_PATH, GET=healthcheck),
            _route("/livez", GET=livez),
            _route("/readyz", GET=readyz),
            _route("/metrics", GET=metrics),
            *(_route(path, GET=_view(_STATIC / "page" / name / f"{name}.html")) for path, name in _VIEWS.items()),
            Mount("/static", _http_only(GZipMiddleware(_Modules(directory=_STATIC)))),
        ],
        middleware=[Middleware(AccessLog, metrics=numbers, tracing=tracing), Middleware(Cors, rules=rules)],
        exception_handlers={ClientError: on_client_error, HTTPException: on_http_exception},
        lifespan=lifespan,
    )
    # A path with a slash too many is not found; a redirect would lose the body, and tell nothing.
    app.router.redirect_slashes = False
    app.router.default = _not_served
    app.state.sessions = sessions
    app.state.metrics = numbers
    return app


def _route(path: str, **endpoints: Endpoint) -> Route:
    """One route for all methods of a path, so that `Allow` names them all."""

    async def endpoint(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        return await endpoints[method](request)

    return Route(path, endpoint, methods=list(endpoints))


async def _not_served(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 404 to a request, and to a handshake, for what no route serves."""
    connection = HTTPConnection(scope)
    method = scope.get("method", "GET")
    error = ClientError(Problem.NOT_FOUND, f"{method} {connection.url.path} is not served here")
    if scope["type"] == "websocket":
        error = ClientError(Problem.NOT_FOUND, f"there is no WebSocket at {connection.url.path}; it is at {LIVE_PATH}")
    await problem_response(error)(scope, receive, send)


def _http_only(app: ASGIApp) -> ASGIApp:
    """Keep WebSockets from what serves files."""

    async def http_only(scope: Scope, receive: Receive, send: Send) -> None:
        await (app if scope["type"] == "http" else _not_served)(scope, receive, send)

    return http_only


async def _live(websocket: WebSocket) -> None:
    live: Live = websocket.app.state.live
    await live.websocket(websocket)


async def _explain(request: Request) -> Response:
    live: Live = request.app.state.live
    return await live.explain(request)


def _view(page: Path) -> Endpoint:
    async def view(_: Request) -> Response:
        return FileResponse(page, headers=_PAGE_HEADERS)

    return view


async def _docs(request: Request) -> Response:
    page = docs_page(asks_for_token=asks_for_token(request))
    return Response(page, media_type="text/html", headers=_PAGE_HEADERS)


class _Modules(StaticFiles):
    """The files of the page, with the page's headers."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(_PAGE_HEADERS)
        response.headers.add_vary_header("Origin")
        return response
