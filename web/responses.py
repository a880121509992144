"""Owns how an error looks over HTTP: the body of the live protocol's error message."""

from http import HTTPStatus

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from stream.errors import ClientError, Problem
from stream.wire import failure

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


def problem_response(error: ClientError) -> Response:
    """Build the response for an error of the table."""
    http = error.problem.value.http
    headers = _HEADERS.get(http, {})
    body = msgspec.json.encode(failure(error.problem, error.detail))
    return Response(body, http.value, headers, "application/json")


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


async def on_fault(request: Request, exception: Exception) -> Response:
    """Say that a fault of ours happened and nothing more of it."""
    return problem_response(ClientError(Problem.INTERNAL, "the request failed through a fault of the server"))
