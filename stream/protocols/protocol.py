"""The interface of a client protocol: what its clients send and receive, as pure functions around one session.

`web/live/` moves the bytes of every protocol in the same way; `stream/protocols/registry.py` lists the protocols.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.session.commands import ClientInput, Reply
from stream.session.deadlines import RunnerLimits
from stream.session.events import ClientEvent, EndCause, Finished

Message = bytes | str
"""A message on the wire: binary or text."""

_CREDENTIALS = frozenset({"jwt"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """How a client opened its connection: parameters of the address in order, headers by lower-case name.

    `first_message` is the client's first one, where the protocol has the configuration there.
    """

    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str]
    subprotocols: tuple[str, ...] = ()
    first_message: bytes = b""

    @property
    def settings(self) -> tuple[tuple[str, str], ...]:
        """The parameters but for the token that may be among them."""
        return tuple(item for item in self.query if item[0] not in _CREDENTIALS)

    def parameter(self, name: str) -> str | None:
        """Return the first parameter of this name."""
        return next((value for key, value in self.query if key == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """An admitted connection: its id, how it was opened and when (seconds since 1970), what it may do.

    `config` is the configuration with which it begins; with `resume_token` another connection may go on with it.
    """

    transcription_id: str
    handshake: Handshake
    opened_at: float
    max_message_bytes: int
    limits: RunnerLimits
    resume_token: str = ""
    config: SessionConfig = field(default_factory=SessionConfig)


class Adapter(ABC):
    """Translates the messages of one connection; it has state of its own, and no clock."""

    @abstractmethod
    def read(self, message: Message) -> tuple[ClientInput, ...]:
        """Return what a message of the client brings: audio as bytes, commands, replies; raises ClientError.

        Replies are written in order with the events: after those of the inputs before them.
        """

    @abstractmethod
    def write(self, event: ClientEvent | Reply, config: SessionConfig) -> tuple[Message, ...]:
        """Return the messages for an event, or for a reply of `read`."""

    @abstractmethod
    def write_failure(self, problem: Problem, detail: str, config: SessionConfig) -> tuple[Message, ...]:
        """Return the messages for a fault that ended the session itself."""

    def closing(self, end: Finished | Problem) -> tuple[int, str]:
        """Return the WebSocket close code and the reason for how the connection ended."""
        return close_code(end), cause(end)


class ClientProtocol(ABC):
    """One protocol: its address, where it has the token and the configuration, and the adapter of a connection.

    `name` labels its metrics. A server serves the protocol at `path`. One that `is_resumable` lets a client go on over
    another connection: its messages have the token for that, and progress.
    """

    name: ClassVar[str]
    path: ClassVar[str]
    is_resumable: ClassVar[bool] = False

    def token(self, handshake: Handshake) -> str | None:
        """Return the token from where only this protocol has it; None to look in the usual places."""
        return None

    def subprotocol(self, handshake: Handshake) -> str | None:
        """Return the WebSocket subprotocol to accept."""
        return None

    def limited(self, limits: RunnerLimits) -> RunnerLimits:
        """Return the limits of a connection, where this protocol has others than the server."""
        return limits

    @abstractmethod
    def configured(self, config: SessionConfig, handshake: Handshake) -> SessionConfig:
        """Return the configuration that a connection begins with; raises ClientError."""

    @abstractmethod
    def refusal(self, error: ClientError) -> bytes:
        """Return the JSON body of the answer to a handshake that is refused."""

    def refusal_headers(self, error: ClientError) -> Mapping[str, str]:
        """Return headers of that answer; their values are ASCII."""
        return {}

    @abstractmethod
    def open(self, opening: Opening) -> Adapter:
        """Return the adapter of an admitted connection."""


def cause(end: Finished | Problem) -> str:
    """Return why a connection ended: the type of the error, or the cause of the end of its audio."""
    problem = _problem(end)
    if problem is not None:
        return problem.value.type
    assert isinstance(end, Finished)  # noqa: S101
    return end.cause.value


def close_code(end: Finished | Problem) -> int:
    """Return the close code of the table of errors; 1000 for an end without one."""
    problem = _problem(end)
    return 1000 if problem is None else problem.value.close_code


def _problem(end: Finished | Problem) -> Problem | None:
    match end:
        case Problem():
            return end
        case Finished(error=ClientError(problem=problem)):
            return problem
        case Finished(cause=EndCause.SHUTDOWN):
            return Problem.SHUTTING_DOWN
        case _:
            return None
