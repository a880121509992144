"""Write the lines of a channel for readers: as server-sent events, WebVTT and plain text."""

from collections.abc import Iterable, Iterator
from typing import Annotated

import msgspec
from msgspec import Meta

from stream.channels.lines import Line

RETRY_MS = 2000
"""After so long a reader that lost its connection opens the next one."""
HEARTBEAT = b": \n\n"
"""A comment, which keeps proxies from closing a quiet connection."""
# A caption that is shown for less cannot be read.
_SHORTEST_MS = 1000
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class LineBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """A line of the channel, which replaces the one with its number; times are on the channel's clock."""

    line: Annotated[int, Meta(description="the number of the line, from 1")]
    start_ms: Annotated[int, Meta(description="milliseconds from the first audio of the channel to its first word")]
    end_ms: Annotated[int, Meta(description="and to the end of its last word, or to what was recognized so far")]
    text: Annotated[str, Meta(description="empty if it is hidden")]
    speaker: Annotated[str, Meta(description="the name of its speaker; empty if there is none")]
    hidden: Annotated[bool, Meta(description="whether nothing of it is to be shown")]


class ChannelBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """What the channel is, and whether somebody publishes now; unsettled text that came before it is void."""

    name: str
    title: str
    languages: tuple[str, ...]
    live: bool


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
    """Write the last event: the channel was deleted, and nothing follows."""
    return _event("end", b"{}")


def vtt(lines: Iterable[Line]) -> Iterator[str]:
    """Yield a WebVTT file of settled lines, piece by piece; speakers are voices, and captions may overlap."""
    yield "WEBVTT\n"
    for line in lines:
        yield f"\n{line.number}\n{cue(line)}"


def cue(line: Line) -> str:
    """Write one caption of WebVTT, without its id."""
    voice = f"<v {_escaped(line.speaker)}>" if line.speaker else ""
    end_ms = max(line.end_ms, line.start_ms + _SHORTEST_MS)
    return f"{_clock(line.start_ms)} --> {_clock(end_ms)}\n{voice}{_escaped(line.text)}\n"


def plain(lines: Iterable[Line]) -> Iterator[str]:
    """Yield settled lines as text, one a line; a speaker is named where another one begins."""
    speaker = ""
    for line in lines:
        name = f"{line.speaker}: " if line.speaker and line.speaker != speaker else ""
        speaker = line.speaker
        yield _on_one_line(f"{name}{line.text}") + "\n"


def _event(name: str, data: bytes, event_id: int | None = None) -> bytes:
    head = b"" if event_id is None else b"id: %d\n" % event_id
    return b"%sevent: %s\ndata: %s\n\n" % (head, name.encode(), data)


def _escaped(text: str) -> str:
    """Escape a text for a cue, in which an empty line would end it."""
    return _on_one_line(text).translate(_ESCAPES)


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def _clock(ms: int) -> str:
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}"
