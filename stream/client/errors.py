"""The errors of the clients.

LiveError
├── AddressError       the address or the token cannot be used (also a ValueError)
├── UnreachableError   no server answers there, or not in time
├── RefusedError       the server refused the handshake or the request
├── RecognitionError   the server sent its error message, or the recording failed
├── LostError          the live connection ended before `done`
├── UnreadableError    the server sent a message that the live protocol does not have
├── AnswerError        the server sent an answer that the REST protocol does not have
└── StalledError       nothing happens with the recording; it may still be recognized
"""

from http.client import responses

from websockets.frames import Close

from stream.errors import quoted
from stream.protocols.farsava.messages import Failed, Failure


class LiveError(Exception):
    """A connection or a request failed; `str()` is a message for people."""


class AddressError(LiveError, ValueError):
    """The address or the token cannot be used."""


class UnreachableError(LiveError):
    """No server answers at `url`."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"cannot reach {url}: {reason}")
        self.url = url
        self.reason = reason


class RefusedError(LiveError):
    """The server refused the handshake or the request with the HTTP `status`.

    `failure` is the body, None if it is not the protocol's; `location` and `retry_after` are headers.
    """

    def __init__(
        self, url: str, status: int, failure: Failure | None, location: str | None, retry_after: str | None
    ) -> None:
        super().__init__(url, status, failure, location, retry_after)
        self.url = url
        self.status = status
        self.failure = failure
        self.location = location
        self.retry_after = retry_after

    def __str__(self) -> str:
        if self.failure is not None:
            again = f" (try again in {self.retry_after} s)" if self.retry_after else ""
            return f"{self.url} refused: {self.failure.detail}{again}"
        if self.location is not None:
            return f"{self.url} redirects to {quoted(self.location)}; give that server's address instead"
        answer = f"{self.status} {responses.get(self.status, '')}".strip()
        return f"{self.url} answered HTTP {answer}; it does not seem to be a Niyosha server"


class RecognitionError(LiveError):
    """The server sent its error message `failure`, or the recording failed."""

    def __init__(self, failure: Failed) -> None:
        super().__init__(f"the server stopped: {failure.detail}")
        self.failure = failure


class LostError(LiveError):
    """The connection ended before `done`; `close_code` is None if it was not closed in order."""

    def __init__(self, closed: Close | None) -> None:
        how = f"the server closed it with {closed}" if closed else "it broke off"
        super().__init__(f"the connection ended before the result: {how}")
        self.close_code = closed.code if closed else None


class UnreadableError(LiveError):
    """The server sent a message that the live protocol does not have."""

    def __init__(self, message: str | bytes, reason: str) -> None:
        text = message.decode(errors="replace") if isinstance(message, bytes) else message
        super().__init__(f"the server sent {quoted(text)}, which is not a message of the live protocol: {reason}")


class AnswerError(LiveError):
    """The server sent an answer that the REST protocol does not have."""

    def __init__(self, url: str, body: bytes, reason: str) -> None:
        text = quoted(body[:200].decode(errors="replace"))
        super().__init__(f"{url} answered {text}, which is not an answer of the protocol: {reason}")
        self.url = url
        self.reason = reason


class StalledError(LiveError):
    """Nothing has happened with the recording for `seconds`."""

    def __init__(self, transcription_id: str, seconds: float) -> None:
        super().__init__(f"nothing has happened with the recording for {seconds:g} s")
        self.transcription_id = transcription_id
