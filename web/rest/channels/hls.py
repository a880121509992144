"""Routes of caption channels for players of HLS: a playlist, and its segments of WebVTT."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from stream.channels.hls import SEGMENT_MS
from stream.errors import ClientError, Problem, quoted
from stream.runtime.fairness import FairShare
from web.rest.channels.access import READERS, ReadableChannels
from web.rest.channels.bodies import NAME
from web.rest.channels.management import CHANNELS, SHOW
from web.rest.response.transcription import joined_in_turns
from web.routes.operations import Answer, Media, Operation, route
from web.routes.schemas import in_path

_PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
_NO_STORE = {"Cache-Control": "no-store"}
_MOST_DIGITS = 12
PLAYLIST = Operation(
    method="GET",
    path=f"{SHOW.path}/captions.m3u8",
    id="readChannelAsHls",
    tag=CHANNELS,
    summary="Get the settled lines of a channel as a playlist for HLS",
    description=f"A media playlist with segments of WebVTT of {SEGMENT_MS // 1000} s on the clock of the channel, for "
    "the last hour; it ends when the channel is ended. Name it as the subtitles of a stream: `#EXT-X-MEDIA:"
    "TYPE=SUBTITLES`. A `jwt` in the query is in the addresses of the segments, too. " + READERS,
    parameters=(NAME,),
    answers={200: Answer(description="the playlist as it is now", content={_PLAYLIST_TYPE: Media(str)})},
    problems=(Problem.NOT_FOUND,),
)
SEGMENT = Operation(
    method="GET",
    path=f"{SHOW.path}/segments/{{segment}}.vtt",
    id="readChannelSegment",
    tag=CHANNELS,
    summary="Get a segment of the playlist, as WebVTT",
    description=READERS,
    parameters=(NAME, in_path("segment", "the number of the segment", {"type": "integer", "minimum": 0})),
    answers={200: Answer(description="the captions that are shown during it", content={"text/vtt": Media(str)})},
    problems=(Problem.NOT_FOUND,),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelHlsRoutes:
    """Channels as subtitles of live streams."""

    readable: ReadableChannels
    fair_share: FairShare

    @route(PLAYLIST)
    async def playlist(self, request: Request) -> Response:
        """Answer 200 with the playlist as it is now."""
        token = request.query_params.get("jwt")
        async with self.readable.holding(request) as live:
            pieces = live.playlist("" if token is None else urlencode({"jwt": token}))
            return await self._file(pieces, _PLAYLIST_TYPE)

    @route(SEGMENT)
    async def segment(self, request: Request) -> Response:
        """Answer 200 with a segment that is complete."""
        text = str(request.path_params["segment"])
        is_number = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
        async with self.readable.holding(request) as live:
            pieces = live.segment(int(text)) if is_number else None
            if pieces is None:
                raise ClientError(Problem.NOT_FOUND, f"there is no segment {quoted(text)}, or not yet")
            return await self._file(pieces, "text/vtt")

    async def _file(self, pieces: Iterator[str], media_type: str) -> Response:
        body = await joined_in_turns((piece.encode() for piece in pieces), self.fair_share)
        return Response(body, headers=_NO_STORE, media_type=media_type)
