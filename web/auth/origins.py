"""Owns from which pages and under which names the server may be reached."""

from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from stream.addresses import is_loopback
from stream.errors import ClientError, Problem, quoted


def check_origin(connection: HTTPConnection) -> None:
    """Refuse foreign pages, whose browser would carry them past the loopback address; raises ClientError.

    The Host header is checked besides the Origin: a foreign name that resolves to this machine would
    otherwise count as the same origin (DNS rebinding).
    """
    host = connection.headers.get("host", "")
    if not is_loopback(_hostname(f"//{host}")):
        raise ClientError(
            Problem.FORBIDDEN, f"Host is {quoted(host)}; this server answers to this machine's names only"
        )
    origin = connection.headers.get("origin")
    if origin is not None and not is_loopback(_hostname(origin)):
        raise ClientError(Problem.FORBIDDEN, f"Origin is {quoted(origin)}; pages of other hosts may not connect")


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
