"""Write the lines of a channel for readers: as server-sent events, WebVTT and plain text."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Annotated

import msgspec
from msgspec import Meta

from stream.channels.lines import Line
from stream.direction import direction_of, marked
from stream.words import CUE_CHARACTERS

RETRY_MS = 2000
"""After so long a reader that lost its connection opens the next one."""
HEARTBEAT = b": \n\n"
"""A comment, which keeps proxies from closing a quiet connection."""
SHORTEST_MS = 1000
"""How long a caption is shown at least: one that is shown for less cannot be read."""
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class LineBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """A line of the channel, which replaces the one with its number; times are on the channel's clock."""

    line: Annotated[int, Meta(description="the number of the line, from 1")]
    start_ms: Annotated[int, Meta(description="milliseconds from the first audio of the channel to its first word")]
    end_ms: Annotated[int, Meta(description="and to the end of its last word, or to what was recognized so far")]
    text: Annotated[str, Meta(description="empty if it is hidden")]
    speaker: Annotated[str, Meta(description="the name of its speaker; empty if there is none")]
    hidden: Annotated[bool, Meta(description="whether nothing of it is to be shown")]


class ChannelBody(
    msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True, omit_defaults=True
):
    """What the channel is, and whether somebody publishes now; `paused` while its operator lets nothing through."""

    name: str
    title: str
    languages: tuple[str, ...]
    live: bool
    paused: bool = False


def line_body(line: Line) -> LineBody:
    """Return what readers get of a line, nothing of the text of a hidden one."""
    return LineBody(
        line=line.number,
        start_ms=line.start_ms,
        end_ms=line.end_ms,
        text="" if line.is_hidden else line.text,
        speaker=line.speaker,
        hidden=line.is_hidden,
    )


def line_event(line: Line, *, is_new: bool) -> bytes:
    """Write a line as an event; `is_new` to a reader that has no lines yet, for which nothing is a correction."""
    if not line.is_settled and not line.is_hidden:
        name = "partial"
    elif line.is_hidden or (line.recognized is not None and not is_new):
        name = "correction"
    else:
        name = "final"
    return _event(name, msgspec.json.encode(line_body(line)), line.change_id)


def channel_event(body: ChannelBody) -> bytes:
    """Write the first event of a connection, which also says when to come again."""
    return b"retry: %d\n" % RETRY_MS + _event("channel", msgspec.json.encode(body))


def end_event() -> bytes:
    """Write the last event: the channel was ended or deleted, and nothing follows."""
    return _event("end", b"{}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LineCue:
    """A caption of WebVTT: a line, or a part of a long one; `end_ms` is when it disappears."""

    id: str
    start_ms: int
    end_ms: int
    speaker: str
    text: str


def vtt(lines: Iterable[Line]) -> Iterator[str]:
    """Yield a WebVTT file of settled lines in order, piece by piece; speakers are voices, and captions may overlap."""
    yield "WEBVTT\n"
    for one in cues(lines):
        yield f"\n{written(one)}"


def cues(lines: Iterable[Line]) -> Iterator[LineCue]:
    """Yield the captions of lines; both are in the order of their starts."""
    waiting: list[tuple[int, int, LineCue]] = []
    count = 0
    for line in lines:
        while waiting and waiting[0][0] <= line.start_ms:
            yield heappop(waiting)[2]
        for one in cues_of(line):
            count += 1
            heappush(waiting, (one.start_ms, count, one))
    while waiting:
        yield heappop(waiting)[2]


def cues_of(line: Line) -> Iterator[LineCue]:
    """Yield a line as captions of two rows at most, one after the other; its time is shared out by characters."""
    text = _on_one_line(line.text)
    spoken_ms = max(line.end_ms - line.start_ms, 0)
    parts = _parts(text, max(1, min(-(-len(text) // CUE_CHARACTERS), spoken_ms // SHORTEST_MS)))
    taken, start_ms = 0, line.start_ms
    for number, part in enumerate(parts, start=1):
        taken += len(part) + 1
        end_ms = line.start_ms + spoken_ms * taken // (len(text) + 1)
        if number == len(parts):
            end_ms = max(line.end_ms, start_ms + SHORTEST_MS)
        cue_id = str(line.number) if number == 1 else f"{line.number}.{number}"
        yield LineCue(id=cue_id, start_ms=start_ms, end_ms=end_ms, speaker=line.speaker, text=part)
        start_ms = end_ms


def written(cue: LineCue) -> str:
    """Write a caption of WebVTT with its id."""
    text = _escaped(marked(cue.text, direction_of(cue.text)))
    voice = f"<v {_escaped(cue.speaker)}>" if cue.speaker else ""
    return f"{cue.id}\n{clock(cue.start_ms)} --> {clock(cue.end_ms)}\n{voice}{text}\n"


def _parts(text: str, count: int) -> list[str]:
    """Split a text between words into `count` parts of similar lengths, or fewer."""
    parts: list[str] = []
    words: list[str] = []
    length = 0
    for word in text.split(" "):
        if words and length + len(word) / 2 > (len(parts) + 1) * len(text) / count:
            parts.append(" ".join(words))
            words = []
        words.append(word)
        length += len(word) + 1
    return [*parts, " ".join(words)]


def plain(lines: Iterable[Line]) -> Iterator[str]:
    """Yield settled lines as text, one a line; a speaker is named where another one begins."""
    speaker = ""
    for line in lines:
        name = f"{line.speaker}: " if line.speaker and line.speaker != speaker else ""
        speaker = line.speaker
        yield marked(_on_one_line(f"{name}{line.text}"), direction_of(line.text)) + "\n"


def _event(name: str, data: bytes, event_id: int | None = None) -> bytes:
    head = b"" if event_id is None else b"id: %d\n" % event_id
    return b"%sevent: %s\ndata: %s\n\n" % (head, name.encode(), data)


def _escaped(text: str) -> str:
    """Escape a text for a cue, in which an empty line would end it."""
    return _on_one_line(text).translate(_ESCAPES)


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def clock(ms: int) -> str:
    """Write a time as WebVTT does."""
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}"
