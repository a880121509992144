"""Owns how an error looks over HTTP: the body of the live protocol's error message."""

from http import HTTPStatus

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


# Where in its scope the answer to a request leaves the kind of its error, for whoever counts.
PROBLEM_KEY = "niyosha.problem"


class ProblemResponse(Response):
    """An error of the table; what was refused, and why, is left in the request's scope."""

    def __init__(self, error: ClientError) -> None:
        self.kind = error.problem.value
        body = msgspec.json.encode(failure(error.problem, error.detail))
        headers = _HEADERS.get(self.kind.http, {})
        if error.retry_after_seconds is not None:
            headers = headers | {"Retry-After": str(error.retry_after_seconds)}
        super().__init__(body, self.kind.http.value, headers, "application/json")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[PROBLEM_KEY] = self.kind.type
        await super().__call__(scope, receive, send)


def problem_response(error: ClientError) -> Response:
    """Build the response for an error of the table."""
    return ProblemResponse(error)


def fault_response(request_id: str) -> Response:
    """Say that a fault of ours happened, and what to look for in the log; nothing more of it."""
    detail = f"the request failed through a fault of the server; its id is {request_id}"
    return problem_response(ClientError(Problem.INTERNAL, detail))


async def on_client_error(_: Request, exception: Exception) -> Response:
    """Tell the client what it can act on."""
    assert isinstance(exception, ClientError)  # noqa: S101
    return problem_response(exception)


async def on_http_exception(request: Request, exception: Exception) -> Response:
    """Give what the router refuses by itself (404, 405) the same body as everything else."""
    assert isinstance(exception, HTTPException)  # noqa: S101
    problem = _BY_STATUS.get(HTTPStatus(exception.status_code), Problem.INTERNAL)
    detail = f"{request.method} {request.url.path} is not served here"
    response = problem_response(ClientError(problem, detail))
    response.headers.update(exception.headers or {})
    return response
