"""Errors over HTTP, with the error message of the live protocol as their body."""

from http import HTTPStatus
from typing import cast

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from stream.errors import ClientError, Problem
from stream.protocols.farsava.messages import failure

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

PROBLEM_KEY = "niyosha.problem"
"""The key of the type of an error in the scope of its request, for the log and the metrics."""


class ProblemResponse(Response):
    """The response for an error of the table; it stores the type in the scope of the request."""

    def __init__(self, error: ClientError, body: bytes | None = None) -> None:
        self.kind = error.problem.value
        if body is None:
            body = msgspec.json.encode(failure(error.problem, error.detail))
        headers = _HEADERS.get(self.kind.http, {})
        if error.retry_after_seconds is not None:
            headers = headers | {"Retry-After": str(error.retry_after_seconds)}
        super().__init__(body, self.kind.http.value, headers, "application/json")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[PROBLEM_KEY] = self.kind.type
        await super().__call__(scope, receive, send)


def problem_response(error: ClientError, body: bytes | None = None) -> Response:
    """Return the response for an error of the table; `body` is JSON of another shape."""
    return ProblemResponse(error, body)


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
