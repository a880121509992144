"""Owns the one table of errors: what a client is told, over HTTP and over the WebSocket."""

from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """One row: the `type` on the wire, the HTTP status and the close code that go with it, and when it happens."""

    type: str
    http: HTTPStatus
    close_code: int
    meaning: str


class Problem(Enum):
    """Every way in which a request or a connection can fail."""

    INVALID_MESSAGE = ErrorKind(
        "invalid_message", HTTPStatus.BAD_REQUEST, 1007, "a text message that is no command, or has a key twice"
    )
    INVALID_AUDIO = ErrorKind(
        "invalid_audio",
        HTTPStatus.BAD_REQUEST,
        1007,
        "audio that is not what was declared: bad base64, a header that contradicts, a file that cannot be decoded",
    )
    INVALID_CONFIG = ErrorKind(
        "invalid_config",
        HTTPStatus.BAD_REQUEST,
        4400,
        "an unknown key, a value that is not allowed, keys that contradict each other, a key frozen by the first "
        "audio, a language that is not served",
    )
    UNSUPPORTED_MEDIA = ErrorKind(
        "unsupported_media",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        4415,
        "a body of a media type, or a file of a format, that is not taken",
    )
    UNAUTHENTICATED = ErrorKind(
        "unauthenticated", HTTPStatus.UNAUTHORIZED, 4401, "no token, or one that is not valid or has expired"
    )
    FORBIDDEN = ErrorKind(
        "forbidden",
        HTTPStatus.FORBIDDEN,
        4403,
        "a page (`Origin`) or a name (`Host`) of another machine; an `audio.uri` with an address that is not public",
    )
    NOT_FOUND = ErrorKind(
        "not_found",
        HTTPStatus.NOT_FOUND,
        4404,
        "nothing is served at this address; no such transcription or language model of this caller's",
    )
    METHOD_NOT_ALLOWED = ErrorKind(
        "method_not_allowed", HTTPStatus.METHOD_NOT_ALLOWED, 4405, "the address is served, by other methods (`Allow`)"
    )
    IDLE_TIMEOUT = ErrorKind(
        "idle_timeout", HTTPStatus.REQUEST_TIMEOUT, 4408, "no audio ever came; a body that came too slowly"
    )
    TOO_LARGE = ErrorKind(
        "too_large",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        1009,
        "a body or a file with more bytes or more audio than is taken",
    )
    RATE_LIMITED = ErrorKind(
        "rate_limited",
        HTTPStatus.TOO_MANY_REQUESTS,
        4429,
        "more than this caller may have at once, in a second or in a day; `Retry-After` says when to come back",
    )
    UPGRADE_REQUIRED = ErrorKind(
        "upgrade_required",
        HTTPStatus.UPGRADE_REQUIRED,
        4426,
        "a plain GET of the live address: its WebSocket handshake would be accepted",
    )
    SLOW_READER = ErrorKind(
        "slow_reader",
        HTTPStatus.REQUEST_TIMEOUT,
        1008,
        "the client takes no messages any more, so it gets none about this",
    )
    RECOGNIZER_FAILED = ErrorKind(
        "recognizer_failed", HTTPStatus.INTERNAL_SERVER_ERROR, 1011, "three utterances in a row failed"
    )
    INTERNAL = ErrorKind("internal", HTTPStatus.INTERNAL_SERVER_ERROR, 1011, "a fault of the server")
    OVERLOADED = ErrorKind(
        "overloaded",
        HTTPStatus.SERVICE_UNAVAILABLE,
        1013,
        "the recognizer is not ready, the database cannot be used, or as many streams are open as this server takes; "
        "`Retry-After` says when to come back",
    )
    SHUTTING_DOWN = ErrorKind(
        "shutting_down",
        HTTPStatus.SERVICE_UNAVAILABLE,
        1012,
        "the server stops; `Retry-After` says when to come back. An open connection gets its `done` first",
    )


class ClientError(Exception):
    """Something that the client is told: which problem, a sentence that it can act on, when to come back."""

    def __init__(self, problem: Problem, detail: str, *, retry_after_seconds: int | None = None) -> None:
        super().__init__(detail)
        self.problem = problem
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds


def quoted(text: str, limit: int = 80) -> str:
    """Repeat a client's own words in an error: printable, on one line, shortened."""
    shown = text if len(text) <= limit else text[:limit] + "..."
    return ascii(shown) if not shown.isprintable() else f'"{shown}"'


def shown(value: object) -> str:
    """Repeat a client's value in an error: a text in quotes, anything else as Python writes it."""
    return quoted(value) if isinstance(value, str) else quoted(repr(value)).strip('"')
