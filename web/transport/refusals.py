"""Answers to requests that no route ever sees, with the bodies that all errors have."""

from http import HTTPStatus

from starlette.responses import Response

from stream.errors import ClientError, Problem
from web.errors import problem_response

# A proxy in front may have used the first of two such headers, and we the second.
_SINGLE_HEADERS = (b"host", b"origin", b"authorization", b"content-type")


class WireError(Exception):
    """A request that is refused, and the answer to it."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


def malformed(detail: str = "this is no HTTP request, or it is broken off") -> Response:
    """Return 400 for a request that cannot be parsed."""
    return problem_response(ClientError(Problem.INVALID_MESSAGE, detail))


def head_too_large(line_bytes: int, head_bytes: int, headers: int) -> Response:
    """Return 431 for a head that is too large."""
    detail = (
        f"the head of the request is too large; a line may have {line_bytes} bytes, all of it {head_bytes}, "
        f"in at most {headers} headers"
    )
    response = problem_response(ClientError(Problem.TOO_LARGE, detail))
    response.status_code = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    return response


def no_connection_left(path: str) -> Response:
    """Return 503 for a request of a path on a connection beyond the limit."""
    detail = "as many connections are open as this server takes, or from your address; close one, or come again soon"
    return problem_response(ClientError(Problem.OVERLOADED, detail), path=path)


def check_single(headers: list[tuple[bytes, bytes]]) -> None:
    """Raise WireError for a header that occurs twice and may occur once."""
    names = [name for name, _ in headers]
    for name in _SINGLE_HEADERS:
        if names.count(name) > 1:
            shown = name.decode().title()
            raise WireError(malformed(f"the request has {names.count(name)} headers {shown}; it may have one"))
