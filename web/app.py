"""The application: which handler answers which path, and the middleware around all of them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
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

from stream.errors import ClientError, Problem
from stream.paths import HEALTH_PATH, LIVE_PATH
from web.auth.origins import OriginRules
from web.errors import on_client_error, on_http_exception, problem_response
from web.live.endpoint import Live
from web.observability.access_log import AccessLog
from web.observability.metrics import Metrics
from web.observability.tracing import Tracing
from web.reference.asyncapi import asyncapi_json
from web.reference.docs import docs_page
from web.reference.openapi import openapi_response
from web.rest.configuration import ConfigurationRoutes
from web.rest.cors import Cors
from web.rest.health import HealthRoutes, livez
from web.rest.languagemodels import LanguageModelRoutes
from web.rest.languages import LanguageRoutes
from web.rest.longrunning import LongRunningRoutes
from web.rest.metrics import MetricsRoutes
from web.rest.ovh import OvhRoutes
from web.rest.recognize import RecognizeRoutes
from web.rest.tokens import TokenRoutes
from web.rest.transcriptions import TranscriptionRoutes

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Handlers:
    """What answers the routes of each resource."""

    live: Live
    recognize: RecognizeRoutes
    longrunning: LongRunningRoutes
    transcriptions: TranscriptionRoutes
    languagemodels: LanguageModelRoutes
    languages: LanguageRoutes
    configuration: ConfigurationRoutes
    tokens: TokenRoutes
    ovh: OvhRoutes
    health: HealthRoutes
    metrics: MetricsRoutes


def create_app(
    handlers: Handlers, *, metrics: Metrics, tracing: Tracing, rules: OriginRules, asks_for_token: bool
) -> Starlette:
    """Put handlers on their routes; pages and documents say whether the server `asks_for_token`."""
    app = Starlette(
        routes=[
            WebSocketRoute(LIVE_PATH, handlers.live.websocket),
            _route(LIVE_PATH, GET=handlers.live.explain),
            _route("/v1/speech/asr", POST=handlers.recognize.recognize),
            _route("/v1/speech/asrlongrunning", POST=handlers.longrunning.accept),
            _route("/v1/speech/transcriptions", GET=handlers.transcriptions.index),
            _route(
                "/v1/speech/transcriptions/{transcription_id}",
                GET=handlers.transcriptions.show,
                DELETE=handlers.transcriptions.remove,
            ),
            _route("/v1/speech/transcriptions/{transcription_id}/audio", PUT=handlers.longrunning.upload),
            _route("/v1/speech/languagemodels", GET=handlers.languagemodels.index, POST=handlers.languagemodels.create),
            _route(
                "/v1/speech/languagemodels/{language_model_id}",
                GET=handlers.languagemodels.show,
                DELETE=handlers.languagemodels.remove,
            ),
            _route("/v1/speech/languages", GET=handlers.languages.index),
            _route("/v1/speech/configuration", GET=handlers.configuration.show),
            _route("/v1/tokens", POST=handlers.tokens.trade),
            _route("/api/v1/asr/recognize", POST=handlers.ovh.recognize),
            _route("/api/v1/{language}/asr/recognize", POST=handlers.ovh.recognize),
            _route("/asyncapi.json", GET=asyncapi_json),
            _route("/openapi.json", GET=_openapi(asks_for_token=asks_for_token)),
            _route("/docs", GET=_docs(asks_for_token=asks_for_token)),
            _route(HEALTH_PATH, GET=handlers.health.healthcheck),
            _route("/livez", GET=livez),
            _route("/readyz", GET=handlers.health.readyz),
            _route("/metrics", GET=handlers.metrics.metrics),
            *(_route(path, GET=_view(_STATIC / "page" / name / f"{name}.html")) for path, name in _VIEWS.items()),
            Mount("/static", _http_only(GZipMiddleware(_Modules(directory=_STATIC)))),
        ],
        middleware=[Middleware(AccessLog, metrics=metrics, tracing=tracing), Middleware(Cors, rules=rules)],
        exception_handlers={ClientError: on_client_error, HTTPException: on_http_exception},
    )
    # A path with a slash too many is not found: a redirect would lose the body without a word.
    app.router.redirect_slashes = False
    app.router.default = _not_served
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


def _view(page: Path) -> Endpoint:
    async def view(_: Request) -> Response:
        return FileResponse(page, headers=_PAGE_HEADERS)

    return view


def _docs(*, asks_for_token: bool) -> Endpoint:
    async def docs(_: Request) -> Response:
        page = docs_page(asks_for_token=asks_for_token)
        return Response(page, media_type="text/html", headers=_PAGE_HEADERS)

    return docs


def _openapi(*, asks_for_token: bool) -> Endpoint:
    async def document(_: Request) -> Response:
        return openapi_response(asks_for_token=asks_for_token)

    return document


class _Modules(StaticFiles):
    """The files of the page, with the page's headers."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(_PAGE_HEADERS)
        response.headers.add_vary_header("Origin")
        return response
