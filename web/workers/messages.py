"""Messages between a worker and the hub of its server, and their frames on a Unix socket.

A frame is the length of a message as four bytes, big-endian, and the message in MessagePack. The answers to requests
come in their order. On a connection that begins with `Watch`, the hub sends a `State` whenever it has changed, and what
the workers relay to each other.
"""

import asyncio
from typing import Literal, TypeVar

import msgspec

from web.limits.store import Full, SlotLimits

_LENGTH_BYTES = 4
_MOST_BYTES = 64 << 20
"""The metrics of many workers are the longest message; anything longer is no message of ours."""

_Message = TypeVar("_Message")


class Limits(msgspec.Struct, frozen=True):
    """The numbers of slots: of one owner, None for no limit, and of all."""

    per_owner: int | None
    overall: int

    @classmethod
    def sent(cls, limits: SlotLimits) -> "Limits":
        return cls(limits.per_owner, limits.overall)

    def received(self) -> SlotLimits:
        return SlotLimits(self.per_owner, self.overall)


class Add(msgspec.Struct, frozen=True, tag="add"):
    """Add to a window; answered by `Counted`."""

    key: str
    amount: int
    seconds: int


class Read(msgspec.Struct, frozen=True, tag="read"):
    """Read a window; answered by `Counted`."""

    key: str


class FindSlot(msgspec.Struct, frozen=True, tag="find"):
    """Ask whether a slot is free; answered by `Slot`."""

    owner: str
    limits: Limits


class TakeSlot(msgspec.Struct, frozen=True, tag="take"):
    """Take a slot until it is released, or the connection ends; answered by `Slot`."""

    slot: str
    owner: str
    limits: Limits


class ReleaseSlot(msgspec.Struct, frozen=True, tag="release"):
    """Free a slot; answered by `Slot`."""

    slot: str
    owner: str


class Use(msgspec.Struct, frozen=True, tag="use"):
    """Mark a token as used; answered by `Used`."""

    digest: str
    seconds: float


class Announce(msgspec.Struct, frozen=True, tag="announce"):
    """Announce work in the database, which all workers then look for; not answered."""


class Relayed(msgspec.Struct, frozen=True, tag="relayed"):
    """Send a message to all workers, the sender included; not answered, and sent on as it is."""

    message: bytes


class Collect(msgspec.Struct, frozen=True, tag="collect"):
    """Ask for the metrics of all workers; answered by `Metrics`."""


class Watch(msgspec.Struct, frozen=True, tag="watch"):
    """Ask for each `State` and each `Relayed` from now on."""


class Counted(msgspec.Struct, frozen=True, tag="counted"):
    """The amount of a window, and the seconds to its end."""

    amount: int
    resets_in_seconds: float


class Slot(msgspec.Struct, frozen=True, tag="slot"):
    """Why there is no slot, None if there is one."""

    full: Literal["owner", "server"] | None = None

    @classmethod
    def sent(cls, full: Full | None) -> "Slot":
        match full:
            case Full.OWNER:
                return cls("owner")
            case Full.SERVER:
                return cls("server")
            case None:
                return cls()

    def received(self) -> Full | None:
        return {"owner": Full.OWNER, "server": Full.SERVER, None: None}[self.full]


class Used(msgspec.Struct, frozen=True, tag="used"):
    """Whether a token was used for the first time; None if there is no room to remember it."""

    is_first: bool | None


class Metrics(msgspec.Struct, frozen=True, tag="metrics"):
    """The metrics of all workers in Prometheus' text format."""

    text: bytes


class State(msgspec.Struct, frozen=True, tag="state"):
    """What workers know of their server.

    `has_started` once each of them has listened, `is_answering` while the recognizer that they share can be used,
    `announcements` counts what was announced.
    """

    has_started: bool = False
    is_answering: bool = True
    announcements: int = 0


Request = Add | Read | FindSlot | TakeSlot | ReleaseSlot | Use | Announce | Relayed | Collect | Watch
Answer = Counted | Slot | Used | Metrics | State | Relayed


class MessageError(Exception):
    """What was received is no message."""


def framed(message: Request | Answer) -> bytes:
    """Return a message with its length before it."""
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


async def read_message(reader: asyncio.StreamReader, decoder: msgspec.msgpack.Decoder[_Message]) -> _Message | None:
    """Read one message, None at the end of the connection; raises MessageError."""
    try:
        length = int.from_bytes(await reader.readexactly(_LENGTH_BYTES), "big")
        if length > _MOST_BYTES:
            raise MessageError(f"a message has {length} bytes; at most {_MOST_BYTES} are allowed")
        return decoder.decode(await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    except msgspec.MsgspecError as error:
        raise MessageError(str(error)) from None
