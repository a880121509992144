"""Errors over HTTP, with the error message of the live protocol as their body, or another protocol's by the path."""

from http import HTTPStatus
from typing import cast

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from stream.errors import ClientError, Problem
from stream.paths import REALTIME_PATH
from stream.protocols.deepgram.errors import refusal
from stream.protocols.deepgram.protocol import LISTEN_PATH
from stream.protocols.farsava.messages import failure
from stream.protocols.openai.errors import error_body

_RETRY_AFTER = {"Retry-After": "5"}
_HEADERS = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "Bearer"},
    HTTPStatus.UPGRADE_REQUIRED: {"Upgrade": "websocket", "Connection": "Upgrade"},
    HTTPStatus.TOO_MANY_REQUESTS: _RETRY_AFTER,
    HTTPStatus.SERVICE_UNAVAILABLE: _RETRY_AFTER,
}
_BY_STATUS = {
    HTTPStatus.NOT_FOUND: Problem.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED: Problem.METHOD_NOT_ALLOWED,
}

# The paths of OpenAI's API, and those below them, whether they are served or not.
_OPENAI_PATHS = ("/v1/audio", "/v1/models", REALTIME_PATH)

PROBLEM_KEY = "niyosha.problem"
"""The key of the type of an error in the scope of its request, for the log and the metrics."""


def has_openai_errors(path: str) -> bool:
    """Whether refusals of this path have the shape of OpenAI's API."""
    return any(path == one or path.startswith(f"{one}/") for one in _OPENAI_PATHS)


def has_deepgram_errors(path: str) -> bool:
    """Whether refusals of this path have the shape of Deepgram's API."""
    return path == LISTEN_PATH


class ProblemResponse(Response):
    """The response for an error of the table, in the shape of the path unless it has a `body` of its own.

    Sent by an application, it takes the path from the scope of the request, and stores the type of the error there.
    """

    def __init__(self, error: ClientError, body: bytes | None = None, *, path: str = "") -> None:
        self.error = error
        self.kind = error.problem.value
        self._has_own_body = body is not None
        if body is None:
            body = _body(error, path)
        headers = _HEADERS.get(self.kind.http, {})
        if error.retry_after_seconds is not None:
            headers = headers | {"Retry-After": str(error.retry_after_seconds)}
        super().__init__(body, self.kind.http.value, headers, "application/json")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[PROBLEM_KEY] = self.kind.type
        if not self._has_own_body:
            self.body = _body(self.error, scope["path"])
            self.headers["Content-Length"] = str(len(self.body))
        await super().__call__(scope, receive, send)


def _body(error: ClientError, path: str) -> bytes:
    if has_deepgram_errors(path):
        return msgspec.json.encode(refusal(error))
    return error_body(error) if has_openai_errors(path) else msgspec.json.encode(failure(error.problem, error.detail))


def problem_response(error: ClientError, body: bytes | None = None, *, path: str = "") -> Response:
    """Return the response for an error of the table; `body` is JSON of another shape.

    `path` is needed where no application sends it.
    """
    return ProblemResponse(error, body, path=path)


def fault(request_id: str) -> ClientError:
    """Return the error for an uncaught exception, with nothing but the id to look for in the log."""
    return ClientError(Problem.INTERNAL, f"the request failed through a fault of the server; its id is {request_id}")


def not_served(problem: Problem, method: str, path: str) -> ClientError:
    """Return the error for a method or a path without a route."""
    return ClientError(problem, f"{method} {path} is not served here")


def fault_response(request_id: str) -> Response:
    """Return the response for an uncaught exception."""
    return problem_response(fault(request_id))


async def on_client_error(_: Request, exception: Exception) -> Response:
    """Return the response for a ClientError."""
    return problem_response(cast(ClientError, exception))


async def on_http_exception(request: Request, exception: Exception) -> Response:
    """Return the response for an error of the router itself (404, 405), with the same body as all others."""
    refusal = cast(HTTPException, exception)
    problem = _BY_STATUS.get(HTTPStatus(refusal.status_code), Problem.INTERNAL)
    response = problem_response(not_served(problem, request.method, request.url.path))
    response.headers.update(refusal.headers or {})
    return response
