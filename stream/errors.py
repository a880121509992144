"""The table of errors that clients receive, over HTTP and over the WebSocket."""

from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorKind:
    """One kind of error: its `type` on the wire, its HTTP status, its close code, and when it occurs."""

    type: str
    http: HTTPStatus
    close_code: int
    meaning: str


class Problem(Enum):
    """The ways in which a request or a connection can fail."""

    INVALID_MESSAGE = ErrorKind(
        type="invalid_message",
        http=HTTPStatus.BAD_REQUEST,
        close_code=1007,
        meaning="a text message that is no command, or has a key twice",
    )
    INVALID_AUDIO = ErrorKind(
        type="invalid_audio",
        http=HTTPStatus.BAD_REQUEST,
        close_code=1007,
        meaning="audio that is not what was declared: bad base64, a header that contradicts, "
        "a file that cannot be decoded",
    )
    INVALID_CONFIG = ErrorKind(
        type="invalid_config",
        http=HTTPStatus.BAD_REQUEST,
        close_code=4400,
        meaning="an unknown key, a value that is not allowed, keys that contradict each other, "
        "a key frozen by the first audio, a language that is not served",
    )
    UNSUPPORTED_MEDIA = ErrorKind(
        type="unsupported_media",
        http=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        close_code=4415,
        meaning="a body of a media type, or a file of a format, that is not taken",
    )
    UNAUTHENTICATED = ErrorKind(
        type="unauthenticated",
        http=HTTPStatus.UNAUTHORIZED,
        close_code=4401,
        meaning="no token, or one that is not valid or has expired",
    )
    FORBIDDEN = ErrorKind(
        type="forbidden",
        http=HTTPStatus.FORBIDDEN,
        close_code=4403,
        meaning="a page (`Origin`) or a name (`Host`) of another machine; "
        "an `audio.uri` with an address that is not public",
    )
    NOT_FOUND = ErrorKind(
        type="not_found",
        http=HTTPStatus.NOT_FOUND,
        close_code=4404,
        meaning="nothing is served at this address; no such transcription, language model or channel of this caller's",
    )
    METHOD_NOT_ALLOWED = ErrorKind(
        type="method_not_allowed",
        http=HTTPStatus.METHOD_NOT_ALLOWED,
        close_code=4405,
        meaning="the address is served, by other methods (`Allow`)",
    )
    CONFLICT = ErrorKind(
        type="conflict",
        http=HTTPStatus.CONFLICT,
        close_code=4409,
        meaning="there is one of this name already; a caption channel that has ended; a transcription that goes on "
        "over another connection, or is too long for that",
    )
    IDLE_TIMEOUT = ErrorKind(
        type="idle_timeout",
        http=HTTPStatus.REQUEST_TIMEOUT,
        close_code=4408,
        meaning="no audio ever came; a body that came too slowly",
    )
    TOO_LARGE = ErrorKind(
        type="too_large",
        http=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        close_code=1009,
        meaning="a body or a file with more bytes or more audio than is taken",
    )
    RATE_LIMITED = ErrorKind(
        type="rate_limited",
        http=HTTPStatus.TOO_MANY_REQUESTS,
        close_code=4429,
        meaning="more than this caller may have at once, in a second or in a day; `Retry-After` says when to come back",
    )
    UPGRADE_REQUIRED = ErrorKind(
        type="upgrade_required",
        http=HTTPStatus.UPGRADE_REQUIRED,
        close_code=4426,
        meaning="a plain GET of the live address: its WebSocket handshake would be accepted",
    )
    SLOW_READER = ErrorKind(
        type="slow_reader",
        http=HTTPStatus.REQUEST_TIMEOUT,
        close_code=1008,
        meaning="the client takes no messages any more, so it gets none about this",
    )
    RECOGNIZER_FAILED = ErrorKind(
        type="recognizer_failed",
        http=HTTPStatus.INTERNAL_SERVER_ERROR,
        close_code=1011,
        meaning="three utterances in a row failed",
    )
    INTERNAL = ErrorKind(
        type="internal", http=HTTPStatus.INTERNAL_SERVER_ERROR, close_code=1011, meaning="a fault of the server"
    )
    OVERLOADED = ErrorKind(
        type="overloaded",
        http=HTTPStatus.SERVICE_UNAVAILABLE,
        close_code=1013,
        meaning="the recognizer is not ready, the database cannot be used, "
        "or as many streams are open as this server takes; `Retry-After` says when to come back",
    )
    SHUTTING_DOWN = ErrorKind(
        type="shutting_down",
        http=HTTPStatus.SERVICE_UNAVAILABLE,
        close_code=1012,
        meaning="the server stops; `Retry-After` says when to come back. An open connection gets its `done` first",
    )


class ClientError(Exception):
    """An error for the client: the problem, a message that it can act on, and when it may retry."""

    def __init__(self, problem: Problem, detail: str, *, retry_after_seconds: int | None = None) -> None:
        super().__init__(detail)
        self.problem = problem
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds


def quoted(text: str, limit: int = 80) -> str:
    """Quote a client's text in an error: printable, on one line, shortened."""
    shown = text if len(text) <= limit else text[:limit] + "..."
    return ascii(shown) if not shown.isprintable() else f'"{shown}"'


def shown(value: object) -> str:
    """Show a client's value in an error: text in quotes, anything else as its `repr`."""
    return quoted(value) if isinstance(value, str) else quoted(repr(value)).strip('"')
