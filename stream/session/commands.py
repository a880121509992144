"""The commands of a client, whatever its protocol."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Close:
    """No more audio follows; what was said is finished, then the connection ends."""


@dataclass(frozen=True, slots=True)
class Configure:
    """Values for keys of the configuration, not checked yet."""

    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Finalize:
    """The open utterance is to be settled now; the stream goes on."""


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """Nothing but that the client is still there."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Something that the protocol itself answers, in order with the session's events; `content` is its own."""

    content: object


Command = Close | Configure | Finalize | KeepAlive
ClientInput = bytes | Command | Reply
"""What a message of a client brings; bytes are audio."""
