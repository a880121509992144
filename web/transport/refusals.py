"""What the wire itself is answered: the errors of the table, for what no route ever sees."""

from http import HTTPStatus

from starlette.responses import Response

from stream.errors import ClientError, Problem
from web.errors import problem_response

# A request with two of them says two things; a proxy in front may have believed the other one.
_SINGLE_HEADERS = (b"host", b"origin", b"authorization", b"content-type")


class WireError(Exception):
    """A request that cannot be taken, and the answer to it."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


def malformed(detail: str = "this is no HTTP request, or it is broken off") -> Response:
    """Return the answer to what cannot be read: 400."""
    return problem_response(ClientError(Problem.INVALID_MESSAGE, detail))


def head_too_large(line_bytes: int, head_bytes: int, headers: int) -> Response:
    """Return the answer to a head that is longer than it may be: 431."""
    detail = (
        f"the head of the request is too large; a line may have {line_bytes} bytes, all of it {head_bytes}, "
        f"in at most {headers} headers"
    )
    response = problem_response(ClientError(Problem.TOO_LARGE, detail))
    response.status_code = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    return response


def no_connection_left() -> Response:
    """Return the answer to a request on a connection too many: 503."""
    detail = "as many connections are open as this server takes, or from your address; close one, or come again soon"
    return problem_response(ClientError(Problem.OVERLOADED, detail))


def check_single(headers: list[tuple[bytes, bytes]]) -> None:
    """Raise WireError for a header that may stand in a request once and stands there twice."""
    names = [name for name, _ in headers]
    for name in _SINGLE_HEADERS:
        if names.count(name) > 1:
            shown = name.decode().title()
            raise WireError(malformed(f"the request has {names.count(name)} headers {shown}; it may have one"))
