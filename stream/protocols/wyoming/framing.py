"""Events on the wire: a line of JSON, more data, and a payload, each with a bound on its length."""

from dataclasses import dataclass, field
from typing import Annotated

import msgspec

from stream.errors import ClientError, Problem, quoted

MOST_HEADER_BYTES = 32 * 1024
"""Far more than a header needs, whose data may be in it."""
MOST_DATA_BYTES = 256 * 1024
"""Room for the names of all entities of a large home."""

_Length = Annotated[int, msgspec.Meta(ge=0)]


class _Header(msgspec.Struct, frozen=True):
    type: str
    data: dict[str, object] | None = None
    data_length: _Length | None = None
    payload_length: _Length | None = None


class _Written(msgspec.Struct, frozen=True, omit_defaults=True):
    type: str
    version: str
    data_length: int = 0


_headers = msgspec.json.Decoder(_Header)
_data = msgspec.json.Decoder(dict[str, object])
# The release of Wyoming's reference whose events these are; clients log it.
_VERSION = "1.10.0"


@dataclass(frozen=True, slots=True)
class Event:
    """An event: its type, its data, and a payload such as PCM."""

    type: str
    data: dict[str, object] = field(default_factory=dict)
    payload: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lengths:
    """The bytes of an event: its header with the newline, its data, its payload."""

    header: int
    data: int
    payload: int

    @property
    def whole(self) -> int:
        return self.header + self.data + self.payload


class EventSplitter:
    """Cuts received bytes into whole events; nothing longer than the bounds is ever kept."""

    def __init__(self, most_payload_bytes: int) -> None:
        self._most_payload_bytes = most_payload_bytes
        self._received = bytearray()
        self._searched_bytes = 0
        self._lengths: _Lengths | None = None

    def push(self, data: bytes) -> None:
        """Add received bytes; to be called when `take` returned None."""
        self._received += data

    def take(self) -> bytes | None:
        """Return the next whole event, None for more bytes; raises ClientError where no event can follow any more."""
        if self._lengths is None:
            self._lengths = self._next_lengths()
        if self._lengths is None or len(self._received) < self._lengths.whole:
            return None
        whole_bytes, self._lengths = self._lengths.whole, None
        event = bytes(memoryview(self._received)[:whole_bytes])
        del self._received[:whole_bytes]
        return event

    def _next_lengths(self) -> _Lengths | None:
        end = self._received.find(b"\n", self._searched_bytes)
        header_bytes = len(self._received) if end < 0 else end + 1
        if header_bytes > MOST_HEADER_BYTES:
            raise _too_long("the header", header_bytes, MOST_HEADER_BYTES)
        # What cannot be a header, such as a page's HTTP request to this port, is refused at its first byte.
        if self._received and self._received[0] not in b"{ \t\r\n":
            raise _no_event(bytes(self._received[:header_bytes]))
        if end < 0:
            self._searched_bytes = len(self._received)
            return None
        self._searched_bytes = 0
        header = _header(bytes(self._received[:header_bytes]))
        lengths = _Lengths(header=header_bytes, data=header.data_length or 0, payload=header.payload_length or 0)
        if lengths.data > MOST_DATA_BYTES:
            raise _too_long("data_length", lengths.data, MOST_DATA_BYTES)
        if lengths.payload > self._most_payload_bytes:
            raise _too_long("payload_length", lengths.payload, self._most_payload_bytes)
        return lengths


def decode(event: bytes) -> Event:
    """Read a whole event; raises ClientError (`invalid_message`)."""
    header_bytes = event.index(b"\n") + 1
    header = _header(event[:header_bytes])
    payload_from = header_bytes + (header.data_length or 0)
    data = header.data or {}
    if header.data_length:
        data = data | _json_object(event[header_bytes:payload_from])
    return Event(header.type, data, event[payload_from:])


def encode(event: Event) -> bytes:
    """Return an event without a payload as it is sent."""
    data = msgspec.json.encode(event.data) if event.data else b""
    header = msgspec.json.encode(_Written(event.type, _VERSION, len(data)))
    return b"%b\n%b" % (header, data)


def _header(line: bytes) -> _Header:
    try:
        return _headers.decode(line)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise _no_event(line) from None


def _json_object(data: bytes) -> dict[str, object]:
    try:
        return _data.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        text = data.decode(errors="replace")
        raise ClientError(Problem.INVALID_MESSAGE, f"{quoted(text)} is no JSON object, as data has to be") from None


def _no_event(line: bytes) -> ClientError:
    text = line.decode(errors="replace").strip()
    detail = f'{quoted(text)} is not the header of an event, as in {{"type": "describe"}}'
    return ClientError(Problem.INVALID_MESSAGE, detail)


def _too_long(what: str, length_bytes: int, most_bytes: int) -> ClientError:
    return ClientError(Problem.TOO_LARGE, f"{what} is {length_bytes} bytes; it must be at most {most_bytes}")
