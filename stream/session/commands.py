"""The commands of a client, whatever its protocol."""

from collections.abc import Mapping
from dataclasses import dataclass

from stream.errors import ClientError


@dataclass(frozen=True, slots=True)
class Close:
    """No more audio follows; what was said is finished, then the connection ends."""


@dataclass(frozen=True, slots=True)
class Configure:
    """Values for keys of the configuration, not checked yet.

    Wrong values end the connection, unless it `goes_on`: then the configuration stays as it is, and the answer is a
    `Reply` with a `Refused`. `label` is the protocol's own.
    """

    values: Mapping[str, object]
    goes_on: bool = False
    label: object = None


@dataclass(frozen=True, slots=True)
class Finalize:
    """The open utterance of a channel is to be settled now, of every channel without one; the stream goes on."""

    channel: int | None = None


@dataclass(frozen=True, slots=True)
class Discard:
    """The audio of the open utterance is to be dropped, with its text; the stream goes on."""


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """Nothing but that the client is still there."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Something that the protocol itself answers, in order with the session's events; `content` is its own."""

    content: object


@dataclass(frozen=True, slots=True)
class Refused:
    """The content of the reply to a configuration that was refused."""

    label: object
    error: ClientError


Command = Close | Configure | Discard | Finalize | KeepAlive
ClientInput = bytes | Command | Reply
"""What a message of a client brings; bytes are audio."""
