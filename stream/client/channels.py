"""The client of caption channels: make, correct and delete them over REST, and read their lines as they are spoken.

A live connection publishes to a channel with `config={"channel": "main-stage"}`.

async with rest_client("http://127.0.0.1:8000") as rest:
    async for event in read_channel(rest, "main-stage"):
        if isinstance(event, Line) and event.is_settled:
            print(event.text)
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from urllib.parse import quote

import httpx
import httpx_sse
import msgspec

from stream.backoff import Backoff
from stream.client.errors import AnswerError, LiveError, RefusedError, UnreachableError
from stream.client.http import BUSY
from stream.client.rest import RestClient

_PATH = "/v1/channels"


class Channel(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A caption channel; `began_at` is the time of day of its first audio, None before."""

    name: str
    title: str
    languages: list[str] = []
    public: bool = False
    retention_hours: float
    glossary: list[str] = []
    created_at: str
    began_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """A connection begins: drop the unsettled lines that were read before, the open ones follow again."""

    title: str
    languages: tuple[str, ...]
    is_live: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Publishing:
    """Whether somebody publishes now; sent when that changes."""

    is_live: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line, which replaces the one with its number; show nothing of a hidden one.

    Times are milliseconds on the clock of the channel, which begins with its first audio.
    """

    number: int
    start_ms: int
    end_ms: int
    text: str
    speaker: str
    is_settled: bool
    is_hidden: bool


@dataclass(frozen=True, slots=True)
class Deleted:
    """The channel was deleted; nothing follows."""


ChannelEvent = Connected | Publishing | Line | Deleted


class _ChannelBody(msgspec.Struct, frozen=True):
    title: str
    live: bool
    languages: tuple[str, ...] = ()


class _LineBody(msgspec.Struct, frozen=True, rename="camel"):
    line: int
    start_ms: int
    end_ms: int
    text: str
    speaker: str = ""
    hidden: bool = False


async def create_channel(
    rest: RestClient,
    name: str,
    *,
    title: str = "",
    languages: Sequence[str] = (),
    is_public: bool = False,
    retention_hours: float = 24.0,
    glossary: Sequence[str] = (),
) -> Channel:
    """Make a channel. Raises LiveError; RefusedError with the status 409 if the name is taken."""
    wanted = {
        "name": name,
        "title": title,
        "languages": list(languages),
        "public": is_public,
        "retentionHours": retention_hours,
        "glossary": list(glossary),
    }
    return rest.read(await rest.ask("POST", _PATH, json=wanted), Channel)


async def list_channels(rest: RestClient) -> list[Channel]:
    """Return the caller's channels, newest first."""
    return rest.read(await rest.ask("GET", _PATH), list[Channel])


async def delete_channel(rest: RestClient, name: str) -> None:
    """Delete a channel with its text; its readers end."""
    await rest.ask("DELETE", _path(name))


async def correct_line(
    rest: RestClient, name: str, number: int, *, text: str | None = None, is_hidden: bool | None = None
) -> None:
    """Change the text of a settled line, or whether it is hidden, for all readers."""
    change = {key: value for key, value in (("text", text), ("hidden", is_hidden)) if value is not None}
    await rest.ask("PATCH", f"{_path(name)}/lines/{number}", json=change)


async def read_channel(rest: RestClient, name: str, *, after: str | None = None) -> AsyncGenerator[ChannelEvent, None]:
    """Yield what the readers of a channel get, from its first line on, or after the event id `after`.

    A lost connection is opened again and goes on after the last event; as many tries in a row may fail as those of a
    request. Raises RefusedError, UnreachableError or AnswerError. Leave early only inside `contextlib.aclosing`.
    """
    place = _Place(after=after)
    backoff = Backoff(rest.waits.retry_seconds, rest.waits.longest_retry_seconds)
    failures = 0
    while True:
        try:
            async with aclosing(_connection(rest, name, place)) as events:
                async for event in events:
                    failures = 0
                    yield event
                    if isinstance(event, Deleted):
                        return
            delay_seconds = place.retry_seconds
        except _InterruptedError as interrupted:
            failures += 1
            if failures >= rest.waits.tries:
                raise interrupted.reason from interrupted
            delay_seconds = backoff.delay_seconds(failures - 1)
        await asyncio.sleep(delay_seconds)


@dataclass(slots=True)
class _Place:
    """Where a reader is: the id of its last event, and when the server wants it to connect again."""

    after: str | None
    retry_seconds: float = 1.0


class _InterruptedError(Exception):
    """A connection failed in a way that passes; `reason` is the error if it does not."""

    def __init__(self, reason: LiveError) -> None:
        super().__init__(str(reason))
        self.reason = reason


async def _connection(rest: RestClient, name: str, place: _Place) -> AsyncGenerator[ChannelEvent, None]:
    """Yield the events of one connection, and keep `place`; raises _InterruptedError, RefusedError or AnswerError."""
    is_first = True
    try:
        async with rest.events(f"{_path(name)}/events", place.after) as source:
            async for sent in source.aiter_sse():
                if sent.retry is not None:
                    place.retry_seconds = sent.retry / 1000
                event = _event(rest, sent, is_first=is_first)
                place.after = sent.id or place.after
                is_first = False
                if event is not None:
                    yield event
    except RefusedError as refused:
        if refused.status not in BUSY:
            raise
        raise _InterruptedError(refused) from refused
    except httpx_sse.SSEError as other:
        raise AnswerError(rest.url, b"", str(other)) from other
    except (httpx.TransportError, ssl.SSLError) as broken:
        reason = f"the connection broke off ({str(broken) or type(broken).__name__})"
        raise _InterruptedError(UnreachableError(rest.url, reason)) from broken


def _event(rest: RestClient, sent: httpx_sse.ServerSentEvent, *, is_first: bool) -> ChannelEvent | None:
    """Read an event; None for one of a newer server."""
    try:
        match sent.event:
            case "channel":
                body = msgspec.json.decode(sent.data, type=_ChannelBody)
                if not is_first:
                    return Publishing(is_live=body.live)
                return Connected(title=body.title, languages=body.languages, is_live=body.live)
            case "partial" | "final" | "correction":
                line = msgspec.json.decode(sent.data, type=_LineBody)
                return Line(
                    number=line.line,
                    start_ms=line.start_ms,
                    end_ms=line.end_ms,
                    text=line.text,
                    speaker=line.speaker,
                    is_settled=sent.event != "partial",
                    is_hidden=line.hidden,
                )
            case "end":
                return Deleted()
            case _:
                return None
    except msgspec.DecodeError as invalid:
        raise AnswerError(rest.url, sent.data.encode(), str(invalid)) from invalid


def _path(name: str) -> str:
    return f"{_PATH}/{quote(name, safe='')}"
