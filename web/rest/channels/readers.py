"""Routes of caption channels for readers: server-sent events, WebVTT, plain text."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from stream.channels.writing import plain, vtt
from stream.errors import Problem
from stream.runtime.fairness import FairShare
from web.channels.reader import Reader
from web.rest.channels.access import READERS, ReadableChannels
from web.rest.channels.bodies import NAME
from web.rest.channels.management import CHANNELS, SHOW
from web.rest.openai.event_stream import EVENT_STREAM_HEADERS, EVENT_STREAM_TYPE
from web.rest.response.transcription import joined_in_turns
from web.routes.operations import Answer, Media, Operation, route
from web.routes.schemas import in_query
from web.routes.streaming import DETACH, Detach

_LAST_EVENT = "lastEventId"
_MOST_DIGITS = 15
_NO_STORE = {"Cache-Control": "no-store"}


class ChannelEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A server-sent event of a channel, by its fields."""

    event: Annotated[
        Literal["channel", "partial", "final", "correction", "end"], Meta(description="what became of the line")
    ]
    data: Annotated[str, Meta(description="JSON: the channel, or a line of it; an empty object at the end")]
    id: Annotated[str, Meta(description="what `Last-Event-ID` takes; only of lines")] | msgspec.UnsetType = (
        msgspec.UNSET
    )
    retry: (
        Annotated[int, Meta(description="milliseconds after which to connect again; of the first event")]
        | msgspec.UnsetType
    ) = msgspec.UNSET


EVENTS = Operation(
    method="GET",
    path=f"{SHOW.path}/events",
    id="readChannel",
    tag=CHANNELS,
    summary="Read the lines of a channel as they are spoken, as server-sent events",
    description="First `channel`, then `partial`, `final` and `correction`, each with a line that replaces the one "
    "with its number, and `end` when the channel is deleted. On a new connection a reader drops its unsettled lines "
    f"and gets the open ones again; with `Last-Event-ID`, nothing else twice and nothing not at all. {READERS}",
    parameters=(
        NAME,
        in_query(
            _LAST_EVENT,
            "the id of the last event that the reader has, where it cannot send `Last-Event-ID`",
            {"type": "string", "pattern": rf"^\d{{1,{_MOST_DIGITS}}}$"},
        ),
    ),
    answers={200: Answer(description="events until one side closes", content={EVENT_STREAM_TYPE: Media(ChannelEvent)})},
    problems=(Problem.NOT_FOUND,),
)
VTT = Operation(
    method="GET",
    path=f"{SHOW.path}/captions.vtt",
    id="readChannelAsVtt",
    tag=CHANNELS,
    summary="Get the settled lines of a channel so far as WebVTT, with speakers as voices",
    description=f"The file grows with each settled line. {READERS}",
    parameters=(NAME,),
    answers={200: Answer(description="the lines so far", content={"text/vtt": Media(str)})},
    problems=(Problem.NOT_FOUND,),
)
TEXT = Operation(
    method="GET",
    path=f"{SHOW.path}/captions.txt",
    id="readChannelAsText",
    tag=CHANNELS,
    summary="Get the settled lines of a channel so far as text",
    description=READERS,
    parameters=(NAME,),
    answers={200: Answer(description="the lines so far", content={"text/plain": Media(str)})},
    problems=(Problem.NOT_FOUND,),
)
SHORT_VTT = Operation(
    method="GET",
    path=f"{SHOW.path}.vtt",
    id="getChannelVtt",
    tag=CHANNELS,
    summary="Get the settled lines of a channel so far as WebVTT, at a short address",
    description=READERS,
    parameters=(NAME,),
    answers=VTT.answers,
    problems=(Problem.NOT_FOUND,),
)
SHORT_TEXT = Operation(
    method="GET",
    path=f"{SHOW.path}.txt",
    id="getChannelText",
    tag=CHANNELS,
    summary="Get the settled lines of a channel so far as text, at a short address",
    description=READERS,
    parameters=(NAME,),
    answers=TEXT.answers,
    problems=(Problem.NOT_FOUND,),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelReaderRoutes:
    """The lines of channels, for any number of readers."""

    readable: ReadableChannels
    fair_share: FairShare

    @route(EVENTS)
    async def events(self, request: Request) -> Response:
        """Answer 200 with events, from the first line or from where the reader was."""
        async with self.readable.holding(request) as live:
            return ChannelResponse(Reader(live, last_event_id(request)))

    @route(VTT)
    @route(SHORT_VTT)
    async def vtt(self, request: Request) -> Response:
        """Answer 200 with the settled lines as WebVTT."""
        async with self.readable.holding(request) as live:
            return await self._file(vtt(live.lines.spoken()), "text/vtt")

    @route(TEXT)
    @route(SHORT_TEXT)
    async def text(self, request: Request) -> Response:
        """Answer 200 with the settled lines as text."""
        async with self.readable.holding(request) as live:
            return await self._file(plain(live.lines.spoken()), "text/plain")

    async def _file(self, pieces: Iterable[str], media_type: str) -> Response:
        body = await joined_in_turns(_encoded(pieces), self.fair_share)
        return Response(body, headers=_NO_STORE, media_type=media_type)


class ChannelResponse(Response):
    """Sends the head of an answer that a reader goes on with, without a task of its own."""

    media_type = EVENT_STREAM_TYPE

    def __init__(self, reader: Reader) -> None:
        self.status_code = 200
        self.background = None
        self.body = b""
        self.init_headers(EVENT_STREAM_HEADERS)
        del self.headers["Content-Length"]
        self._reader = reader

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            if scope["method"] == "HEAD":
                await send({"type": "http.response.body", "body": b""})
                self._reader.closed()
                return
            detach: Detach = scope["extensions"][DETACH]
            self._reader.begin(detach(self._reader))
        except BaseException:
            self._reader.closed()
            raise


def last_event_id(request: Request) -> int:
    """Return the id of the last event that a reader has, 0 for none or for an id that is not of this server."""
    text = request.headers.get("last-event-id") or request.query_params.get(_LAST_EVENT, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else 0


def _encoded(pieces: Iterable[str]) -> Iterator[bytes]:
    return (piece.encode() for piece in pieces)
