"""Middleware for every request and handshake: a request id, a line in the log, metrics, and uncaught exceptions.

A path is logged as the template of its route, because paths can hold ids and query strings tokens.
"""

import asyncio
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web.errors import PROBLEM_KEY, fault_response
from web.observability.metrics import Metrics
from web.observability.tracing import Attributes, Tracing

REQUEST_ID_HEADER = "X-Request-ID"
# Other ids are replaced: the id is in every line of the log, and must not be a token or a sentence.
_REQUEST_ID = re.compile(r"(?!eyJ)[A-Za-z0-9_-]{8,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE"})
# Polled by machines every few seconds, and therefore logged at debug level.
_POLLED = frozenset({"/livez", "/readyz", "/metrics", "/v1/speech/healthcheck"})
_UNKNOWN = "unknown"
_log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class _Exchange:
    """A request or a handshake so far; `status` is None until it is answered."""

    request_id: str
    began: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    status: int | None = None
    sent_bytes: int = 0
    is_recorded: bool = False
    attributes: Attributes = field(default_factory=dict)


class AccessLog:
    """The outermost middleware; uncaught exceptions end here."""

    def __init__(self, app: ASGIApp, metrics: Metrics, tracing: Tracing) -> None:
        self._app = app
        self._metrics = metrics
        self._tracing = tracing
        self._templates: Mapping[object, str] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(request_id=_request_id(Headers(scope=scope)))
        with (
            structlog.contextvars.bound_contextvars(request=exchange.request_id),
            self._tracing.exchange(scope, exchange.request_id) as exchange.attributes,
        ):
            await self._serve(exchange, scope, receive, send)

    async def _serve(self, exchange: _Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        async def recording_send(message: Message) -> None:
            _observe(exchange, message)
            await send(message)
            # An accepted connection lasts; its handshake is recorded now.
            if message["type"] == "websocket.accept":
                self._record(exchange, scope)

        try:
            await self._app(scope, receive, recording_send)
        except ClientDisconnect:
            _log.info("request_aborted", route=self._route(scope))  # the client is gone
        except Exception:
            _log.exception("request_broke", route=self._route(scope))
            if exchange.status is not None:
                raise  # a part of the answer is sent; uvicorn closes the connection
            await fault_response(exchange.request_id)(scope, receive, recording_send)
        finally:
            if not exchange.is_recorded:
                self._record(exchange, scope)

    def _record(self, exchange: _Exchange, scope: Scope) -> None:
        exchange.is_recorded = True
        seconds = asyncio.get_running_loop().time() - exchange.began
        is_websocket = scope["type"] == "websocket"
        method = "GET" if is_websocket else scope["method"] if scope["method"] in _METHODS else _UNKNOWN
        route, problem = self._route(scope), scope.get(PROBLEM_KEY)
        self._metrics.answered(route, method, exchange.status, seconds)
        exchange.attributes |= {"http.route": route, "http.request.method": method}
        exchange.attributes |= {} if exchange.status is None else {"http.response.status_code": exchange.status}
        if problem is not None and route not in _POLLED:
            self._metrics.refused(problem, scope["type"])
        fields = {"method": method, "route": route, "status": exchange.status, "seconds": round(seconds, 4)}
        if not is_websocket:
            fields["bytes"] = exchange.sent_bytes
        if problem is not None:
            fields["problem"] = problem
        (_log.debug if route in _POLLED else _log.info)("handshake" if is_websocket else "request", **fields)

    def _route(self, scope: Scope) -> str:
        if not self._templates:
            self._templates = _templates(scope["app"].routes)
        return self._templates.get(scope.get("endpoint"), _UNKNOWN)


def _request_id(headers: Headers) -> str:
    given = headers.get(REQUEST_ID_HEADER, "")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _observe(exchange: _Exchange, message: Message) -> None:
    """Record the status and the size of an answer, and add the request id to its headers."""
    match message["type"]:
        case "http.response.start" | "websocket.http.response.start":
            exchange.status = message["status"]
        case "websocket.accept":
            exchange.status = 101
        case "websocket.close" if exchange.status is None:
            exchange.status = 403  # what uvicorn answers then
            return
        case "http.response.body":
            exchange.sent_bytes += len(message.get("body", b""))
            return
        case _:
            return
    MutableHeaders(raw=message.setdefault("headers", []))[REQUEST_ID_HEADER] = exchange.request_id


def _templates(routes: list[BaseRoute]) -> dict[object, str]:
    """Return the path template of each route by its endpoint, the only part of a route that is in the scope."""
    templates: dict[object, str] = {}
    for route in routes:
        match route:
            case Route() | WebSocketRoute():
                templates[route.endpoint] = route.path
            case Mount():
                templates[route.app] = f"{route.path}/{{path}}"
    return templates
