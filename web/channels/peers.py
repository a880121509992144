"""What the processes that share a channel send to each other: changed lines, and whether somebody publishes."""

from collections.abc import Iterable, Iterator

import msgspec

from stream.channels.lines import Line
from web.relay.relay import MOST_BYTES

BEAT_SECONDS = 1.0
"""How often a process that publishes says so, and how often each one looks for lines in the tables."""
LOST_SECONDS = 2.5
"""After so long without a beat a process publishes no more: it was killed, or cannot be reached."""
OVERLAP_MS = 5000
"""Changes of two processes are stored in the order of their ids but for so much."""
# A head and the name of the channel, and a margin.
_LINES_BYTES = MOST_BYTES - 300


class WireLine(msgspec.Struct, frozen=True, array_like=True):
    """A line as it is sent."""

    text: str
    start_ms: int
    end_ms: int
    speaker: str
    is_settled: bool
    is_hidden: bool
    recognized: str | None
    utterance: tuple[str, int]
    number: int
    change_id: int


class Change(msgspec.Struct, frozen=True, array_like=True):
    """Lines that changed in the process `sender`; whether it publishes; whether the channel was deleted there."""

    sender: str
    channel: str
    is_live: bool
    is_ended: bool = False
    lines: list[WireLine] = []


_decoder = msgspec.msgpack.Decoder(Change)


def written(change: Change, lines: Iterable[Line] = ()) -> Iterator[bytes]:
    """Yield messages with a change and its lines, as many lines in each as fit; a longer line is left out."""
    some: list[WireLine] = []
    size = 0
    for line in lines:
        sent = _sent(line)
        line_bytes = len(msgspec.msgpack.encode(sent))
        if line_bytes > _LINES_BYTES:
            continue
        if size + line_bytes > _LINES_BYTES:
            yield _encoded(change, some)
            some, size = [], 0
        some.append(sent)
        size += line_bytes
    yield _encoded(change, some)


def read(message: bytes) -> Change:
    """Read a message; raises msgspec.MsgspecError."""
    return _decoder.decode(message)


def lines_of(change: Change) -> Iterator[Line]:
    """Yield the lines of a message."""
    for one in change.lines:
        yield Line(
            text=one.text,
            start_ms=one.start_ms,
            end_ms=one.end_ms,
            speaker=one.speaker,
            is_settled=one.is_settled,
            is_hidden=one.is_hidden,
            recognized=one.recognized,
            utterance=one.utterance,
            number=one.number,
            change_id=one.change_id,
        )


def _encoded(change: Change, lines: list[WireLine]) -> bytes:
    return msgspec.msgpack.encode(msgspec.structs.replace(change, lines=lines))


def _sent(line: Line) -> WireLine:
    return WireLine(
        line.text,
        line.start_ms,
        line.end_ms,
        line.speaker,
        line.is_settled,
        line.is_hidden,
        line.recognized,
        line.utterance,
        line.number,
        line.change_id,
    )


class RemotePublishers:
    """The other processes that publish to a channel, until when each is believed to, and its unsettled lines."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._unsettled: dict[str, set[int]] = {}

    def __bool__(self) -> bool:
        return bool(self._until)

    def receive(self, change: Change, now: float) -> None:
        """Take a message at a time of the event loop's clock."""
        if change.is_live:
            self._until[change.sender] = now + LOST_SECONDS
        else:
            self._until.pop(change.sender, None)
        mine = self._unsettled.setdefault(change.sender, set())
        for line in change.lines:
            if line.is_settled or line.is_hidden:
                mine.discard(line.number)
            else:
                mine.add(line.number)
        if not change.is_live and not mine:
            del self._unsettled[change.sender]

    def lost(self, now: float) -> set[int]:
        """Forget the processes that are silent; return the numbers of the lines that they left unsettled."""
        self._until = {sender: until for sender, until in self._until.items() if until > now}
        gone = [sender for sender in self._unsettled if sender not in self._until]
        return set().union(*(self._unsettled.pop(sender) for sender in gone))
