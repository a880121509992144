"""Routes of caption channels for who operates one: see how it is, change it, correct and hide its lines."""

from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from stream.channels.lines import Line
from stream.channels.writing import LineBody, line_body
from stream.errors import ClientError, Problem, quoted, shown
from stream.runtime.fairness import FairShare
from stream.vocabulary.training import clean
from web.channels.hub import ChannelHub
from web.clock import Clock
from web.rest.channels.access import OwnChannels, channel_name
from web.rest.channels.bodies import (
    EXAMPLE,
    HOUR_SECONDS,
    MOST_BYTES,
    NAME,
    Channel,
    Glossary,
    Languages,
    Public,
    RetentionHours,
    Title,
    channel_body,
    cleaned_phrases,
    shown_value,
)
from web.rest.channels.management import CHANNELS, SHOW
from web.rest.request.body import read_object
from web.rest.request.structs import converted
from web.routes.operations import JSON_TYPE, Answer, Media, Operation, json_content, route
from web.routes.schemas import in_path, in_query
from web.store.transcriptions import Correction, Transcriptions

_AFTER = "after"
_MOST_LINES = 500
_MOST_DIGITS = 15
_LONGEST_TEXT = 2000
_NUMBER = in_path("line", "the number of a line, as its events have it", {"type": "integer", "minimum": 1})


class ChannelChange(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """What is to change of a channel; what is left out stays as it is."""

    title: Annotated[Title | None, Meta(description="for the audience; empty for its name")] = None
    languages: Annotated[Languages | None, Meta(description="the languages that are spoken, the main one first")] = None
    public: Annotated[Public | None, Meta(description="whether anybody may read it")] = None
    retention_hours: Annotated[
        RetentionHours | None, Meta(description="how long text is kept after it was settled or corrected")
    ] = None
    glossary: Annotated[Glossary | None, Meta(description="phrases to listen for, in every stream of the channel")] = (
        None
    )
    paused: Annotated[
        bool | None, Meta(description="whether to leave out what is spoken from now on; open text is taken back")
    ] = None
    ended: Annotated[
        bool | None,
        Meta(description="whether to end it: its readers get `end`, and nobody publishes; false begins anew"),
    ] = None


class LineRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is to change of a line; what is left out stays as it is."""

    text: Annotated[
        Annotated[str, Meta(min_length=1, max_length=_LONGEST_TEXT)] | None,
        Meta(description="the text that readers see instead; what was recognized is kept beside it"),
    ] = None
    hidden: Annotated[bool | None, Meta(description="whether readers see nothing of it")] = None


class OperatorLine(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """A line as its operator sees it, with the text of hidden ones."""

    line: Annotated[int, Meta(description="the number of the line, from 1")]
    start_ms: Annotated[int, Meta(description="milliseconds from the first audio of the channel to its first word")]
    end_ms: Annotated[int, Meta(description="and to the end of its last word, or to what was recognized so far")]
    text: Annotated[str, Meta(description="as it is shown, or would be")]
    speaker: Annotated[str, Meta(description="the name of its speaker; empty if there is none")]
    hidden: Annotated[bool, Meta(description="whether readers see nothing of it")]
    settled: Annotated[bool, Meta(description="whether it changes no more by itself")]
    recognized: Annotated[str | None, Meta(description="the text before it was corrected; null if it never was")]


class OperatorLines(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Lines in the order of their last changes."""

    lines: Annotated[list[OperatorLine], Meta(description="the earliest change first")]
    next: Annotated[int, Meta(description="what `after` takes to get the changes after these")]


class PublisherBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """A session that publishes now."""

    transcription_id: Annotated[str, Meta(description="the id of its transcription")]
    speaker: Annotated[str, Meta(description="the name of its speaker; empty if there is none")]
    began_ms: Annotated[int, Meta(description="when its audio began, on the clock of the channel")]
    lag_ms: Annotated[int, Meta(description="how far its audio is behind that clock")]
    level_db: Annotated[
        float, Meta(description="the level of its newest audio, in decibels of full scale; -100 is none")
    ]


class ChannelState(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """How a channel is at this moment, at the process that answers."""

    publishers: Annotated[list[PublisherBody], Meta(description="the sessions that publish, by when they began")]
    readers: Annotated[int, Meta(description="the connections that read events")]
    clock_ms: Annotated[int, Meta(description="the time on the clock of the channel; 0 before its first audio")]


_LINE = {
    "line": 3,
    "startMs": 61_200,
    "endMs": 63_900,
    "text": "Welcome, everybody.",
    "speaker": "Ann",
    "hidden": False,
}
_OPERATOR_LINE = _LINE | {"settled": True, "recognized": "Welcome, every buddy."}
_PUBLISHER = {
    "transcriptionId": "0f2d4c9e-58a1-4a8e-9a2b-6f0c5f6d7e11",
    "speaker": "Ann",
    "beganMs": 0,
    "lagMs": 180,
    "levelDb": -23.5,
}
_CORRECTION = {"summary": "a name that was misheard", "value": {"text": "Welcome, everybody."}}
_CHANGES = {
    "pause": {"summary": "a break", "value": {"paused": True}},
    "glossary": {"summary": "a name that comes up", "value": {"glossary": ["Niyosha", "Yazd"]}},
    "end": {"summary": "the end of the event", "value": {"ended": True}},
}
_PROBLEMS = (
    *(Problem.INVALID_MESSAGE, Problem.INVALID_CONFIG, Problem.NOT_FOUND, Problem.TOO_LARGE),
    Problem.UNSUPPORTED_MEDIA,
)
CHANGE = Operation(
    method="PATCH",
    path=SHOW.path,
    id="changeChannel",
    tag=CHANNELS,
    summary="Change, pause or end a caption channel",
    description="A glossary is listened for from the next utterance of each open stream on.",
    parameters=(NAME,),
    body={JSON_TYPE: Media(ChannelChange, examples=_CHANGES)},
    answers={200: Answer(description="the channel as it is now", content=json_content(Channel, EXAMPLE))},
    problems=_PROBLEMS,
)
STATE = Operation(
    method="GET",
    path=f"{SHOW.path}/state",
    id="getChannelState",
    tag=CHANNELS,
    summary="Get who publishes to a channel now, how loud and how late, and how many read",
    parameters=(NAME,),
    answers={
        200: Answer(
            description="the state",
            content=json_content(ChannelState, {"publishers": [_PUBLISHER], "readers": 212, "clockMs": 64_020}),
        )
    },
    problems=(Problem.NOT_FOUND,),
)
LINES = Operation(
    method="GET",
    path=f"{SHOW.path}/lines",
    id="getChannelLines",
    tag=CHANNELS,
    summary="Get the lines of a channel with what was recognized, hidden ones included",
    parameters=(
        NAME,
        in_query(
            _AFTER,
            f"only lines that changed after this, the earliest change first; without it the newest {_MOST_LINES}",
            {"type": "integer", "minimum": 0},
        ),
    ),
    answers={
        200: Answer(
            description=f"{_MOST_LINES} lines at most",
            content=json_content(OperatorLines, {"lines": [_OPERATOR_LINE], "next": 1_795_000_000_123}),
        )
    },
    problems=(Problem.INVALID_CONFIG, Problem.NOT_FOUND),
)
CORRECT = Operation(
    method="PATCH",
    path=f"{SHOW.path}/lines/{{line}}",
    id="correctLine",
    tag=CHANNELS,
    summary="Correct or hide a settled line",
    description="Readers get a `correction`, and whoever comes later the new text only. The stored transcription of "
    "the line keeps both.",
    parameters=(NAME, _NUMBER),
    body={JSON_TYPE: Media(LineRequest, examples={"text": _CORRECTION})},
    answers={200: Answer(description="the line as it is now", content=json_content(LineBody, _LINE))},
    problems=_PROBLEMS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorRoutes:
    """The channels of a caller while they are published and read."""

    own: OwnChannels
    hub: ChannelHub
    transcriptions: Transcriptions
    fair_share: FairShare
    clock: Clock

    @route(CHANGE)
    async def change(self, request: Request) -> Response:
        """Change a channel for those who publish and read, and answer 200 with it."""
        owner = await self.own.owner(request)
        wanted = converted(await read_object(request, self.fair_share, MOST_BYTES), ChannelChange, shown_value)
        channel = await self.hub.change(channel_name(request), owner, self._columns(wanted, channel_name(request)))
        return _response(channel_body(channel))

    @route(STATE)
    async def state(self, request: Request) -> Response:
        """Answer 200 with who publishes and how many read."""
        channel = await self.own.get(request)
        async with self.hub.holding(channel.name) as live:
            publishers = [
                PublisherBody(
                    transcription_id=one.transcription_id,
                    speaker=one.speaker,
                    began_ms=one.began_ms,
                    lag_ms=one.lag_ms,
                    level_db=round(one.level_db, 1),
                )
                for one in sorted(live.publishers, key=lambda one: (one.began_ms, one.transcription_id))
            ]
            return _response(ChannelState(publishers=publishers, readers=len(live.readers), clock_ms=live.clock_ms()))

    @route(LINES)
    async def lines(self, request: Request) -> Response:
        """Answer 200 with lines that have changed."""
        channel = await self.own.get(request)
        text = request.query_params.get(_AFTER)
        if text is not None and not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
            raise ClientError(Problem.INVALID_CONFIG, f"{_AFTER} is {quoted(text)}; it must be what `next` was")
        async with self.hub.holding(channel.name) as live:
            changed = live.lines.after(0 if text is None else int(text))
            some = changed[-_MOST_LINES:] if text is None else changed[:_MOST_LINES]
            last = some[-1].change_id if some else max(int(text or 0), live.lines.last_change_id)
            return _response(OperatorLines(lines=[_operator_line(line) for line in some], next=last))

    @route(CORRECT)
    async def correct(self, request: Request) -> Response:
        """Change a settled line for all readers, and answer 200 with it."""
        channel = await self.own.get(request)
        wanted = converted(await read_object(request, self.fair_share, MOST_BYTES), LineRequest, shown_value)
        text = None if wanted.text is None else clean(wanted.text)
        if text == "":
            raise ClientError(Problem.INVALID_CONFIG, f"text is {shown(wanted.text)}; it must be 1 to 2000 characters")
        number = str(request.path_params["line"])
        async with self.hub.holding(channel.name) as live:
            line = None
            if number.isascii() and number.isdigit() and len(number) <= _MOST_DIGITS:
                line = live.correct(int(number), text=text, is_hidden=wanted.hidden)
            if line is None:
                raise ClientError(Problem.NOT_FOUND, f"there is no settled line {quoted(number)}, or not any more")
        transcription_id, utterance = line.utterance
        correction = Correction(line=line.number, text=line.text, recognized=line.recognized, hidden=line.is_hidden)
        await self.transcriptions.correct(transcription_id, channel.owner, utterance, correction)
        return _response(line_body(line))

    def _columns(self, wanted: ChannelChange, name: str) -> dict[str, object]:
        """Return the columns that change, with their values."""
        given: dict[str, object] = {
            "title": None if wanted.title is None else clean(wanted.title) or name,
            "languages": None if wanted.languages is None else list(dict.fromkeys(wanted.languages)),
            "is_public": wanted.public,
            "retention_seconds": None if wanted.retention_hours is None else wanted.retention_hours * HOUR_SECONDS,
            "glossary": None if wanted.glossary is None else list(cleaned_phrases(wanted.glossary)),
            "is_paused": wanted.paused,
        }
        columns = {column: value for column, value in given.items() if value is not None}
        if wanted.ended is not None:
            columns["ended_at"] = self.clock() if wanted.ended else None
        return columns


def _operator_line(line: Line) -> OperatorLine:
    return OperatorLine(
        line=line.number,
        start_ms=line.start_ms,
        end_ms=line.end_ms,
        text=line.text,
        speaker=line.speaker,
        hidden=line.is_hidden,
        settled=line.is_settled,
        recognized=line.recognized,
    )


def _response(body: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(body), media_type=JSON_TYPE)
