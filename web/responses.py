"""Owns how an error looks over HTTP: the body of the live protocol's error message."""

from http import HTTPStatus

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from stream.errors import ClientError, Problem
from stream.wire import failure

_RETRY_AFTER_SECONDS = 5
_BY_STATUS = {
    HTTPStatus.NOT_FOUND: Problem.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED: Problem.METHOD_NOT_ALLOWED,
}


def problem_response(error: ClientError) -> Response:
    """Build the response for an error of the table."""
    http = error.problem.value.http
    headers = {"Retry-After": str(_RETRY_AFTER_SECONDS)} if http is HTTPStatus.SERVICE_UNAVAILABLE else {}
    if http is HTTPStatus.UPGRADE_REQUIRED:
        headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
    body = msgspec.json.encode(failure(error.problem, error.detail))
    return Response(body, http.value, headers, "application/json")


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
