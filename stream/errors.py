"""Owns the one table of errors: what a client is told, over HTTP and over the WebSocket."""

from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """One row: the `type` on the wire, the HTTP status and the WebSocket close code that go with it."""

    type: str
    http: HTTPStatus
    close_code: int


class Problem(Enum):
    """Every way in which a request or a connection can fail."""

    INVALID_MESSAGE = ErrorKind("invalid_message", HTTPStatus.BAD_REQUEST, 1007)
    INVALID_AUDIO = ErrorKind("invalid_audio", HTTPStatus.BAD_REQUEST, 1007)
    INVALID_CONFIG = ErrorKind("invalid_config", HTTPStatus.BAD_REQUEST, 4400)
    FORBIDDEN = ErrorKind("forbidden", HTTPStatus.FORBIDDEN, 4403)
    NOT_FOUND = ErrorKind("not_found", HTTPStatus.NOT_FOUND, 4404)
    METHOD_NOT_ALLOWED = ErrorKind("method_not_allowed", HTTPStatus.METHOD_NOT_ALLOWED, 4405)
    IDLE_TIMEOUT = ErrorKind("idle_timeout", HTTPStatus.REQUEST_TIMEOUT, 4408)
    UPGRADE_REQUIRED = ErrorKind("upgrade_required", HTTPStatus.UPGRADE_REQUIRED, 4426)
    SLOW_READER = ErrorKind("slow_reader", HTTPStatus.REQUEST_TIMEOUT, 1008)
    RECOGNIZER_FAILED = ErrorKind("recognizer_failed", HTTPStatus.INTERNAL_SERVER_ERROR, 1011)
    INTERNAL = ErrorKind("internal", HTTPStatus.INTERNAL_SERVER_ERROR, 1011)
    OVERLOADED = ErrorKind("overloaded", HTTPStatus.SERVICE_UNAVAILABLE, 1013)
    SHUTTING_DOWN = ErrorKind("shutting_down", HTTPStatus.SERVICE_UNAVAILABLE, 1012)


class ClientError(Exception):
    """Something that the client is told: which problem, and a sentence that it can act on."""

    def __init__(self, problem: Problem, detail: str) -> None:
        super().__init__(detail)
        self.problem = problem
        self.detail = detail


def quoted(text: str, limit: int = 80) -> str:
    """Repeat a client's own words in an error: printable, on one line, shortened."""
    shown = text if len(text) <= limit else text[:limit] + "..."
    return ascii(shown) if not shown.isprintable() else f'"{shown}"'
