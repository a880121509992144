"""Routes of caption channels for who runs them: make, list, show, delete; correct and hide lines."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from stream.channels.writing import LineBody, line_body
from stream.errors import ClientError, Problem, quoted, shown
from stream.runtime.fairness import FairShare
from stream.vocabulary.training import clean
from web.auth.authenticator import Authenticator
from web.auth.caller import Scope
from web.channels.hub import ChannelHub, UnknownChannelError
from web.clock import Clock
from web.live.publishing import NAME_PATTERN, NAME_RULE
from web.rest.request.body import read_object
from web.rest.request.structs import MISSING, converted
from web.rest.response.fields import Timestamp, timestamp
from web.routes.operations import JSON_TYPE, Answer, Media, Operation, Tag, json_content, route
from web.routes.schemas import in_path
from web.store.channels import Channel as StoredChannel
from web.store.channels import Channels

CHANNELS = Tag("channels", "live captions for an audience: who runs them, publishes and reads")
PATH = "/v1/channels"
_MOST_BYTES = 1 << 16
_HOUR_SECONDS = 3600.0
_MOST_HOURS = 8760.0
_MOST_PHRASES, _LONGEST_PHRASE = 100, 100
_MOST_LANGUAGES = 8
_LONGEST_TEXT = 2000
_LANGUAGE_PATTERN = r"^[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}(?!\n)$"

Phrase = Annotated[str, Meta(min_length=1, max_length=_LONGEST_PHRASE)]
Language = Annotated[
    str, Meta(pattern=_LANGUAGE_PATTERN, extra={"allowed": "the code of a language, such as fa or en-US"})
]
NAME = in_path("name", "the name of the channel", {"type": "string", "pattern": NAME_PATTERN})
_NUMBER = in_path("line", "the number of a line, as its events have it", {"type": "integer", "minimum": 1})


class ChannelRequest(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """What a channel is."""

    name: Annotated[
        str,
        Meta(
            pattern=NAME_PATTERN,
            description=f"names it in addresses: {NAME_RULE}; unique on the server",
            extra={"allowed": NAME_RULE},
        ),
    ]
    title: Annotated[
        str,
        Meta(
            max_length=255,
            description="for the audience; without one it is called by its name",
            extra={"allowed": "at most 255 characters"},
        ),
    ] = ""
    languages: Annotated[
        list[Language],
        Meta(
            max_length=_MOST_LANGUAGES,
            description="the languages that are spoken, the main one first",
            extra={"allowed": f"a list of at most {_MOST_LANGUAGES} codes of languages"},
        ),
    ] = []
    public: Annotated[
        bool, Meta(description="whether anybody may read it; else a token of its owner with the scope `watch` may")
    ] = False
    retention_hours: Annotated[
        float, Meta(ge=0.1, le=_MOST_HOURS, description="how long text is kept after it was settled or corrected")
    ] = 24.0
    glossary: Annotated[
        list[Phrase],
        Meta(
            max_length=_MOST_PHRASES,
            description="phrases to listen for, in every stream of the channel",
            extra={"allowed": f"a list of at most {_MOST_PHRASES} phrases of 1 to {_LONGEST_PHRASE} characters"},
        ),
    ] = []


class Channel(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """A caption channel."""

    name: Annotated[str, Meta(description="what `channel` in the query of a live connection takes")]
    title: Annotated[str, Meta(description="for the audience")]
    languages: Annotated[list[str], Meta(description="the languages that are spoken, the main one first")]
    public: Annotated[bool, Meta(description="whether anybody may read it")]
    retention_hours: Annotated[float, Meta(description="how long text is kept after it was settled or corrected")]
    glossary: Annotated[list[str], Meta(description="phrases to listen for, in every stream of the channel")]
    created_at: Timestamp
    began_at: Annotated[
        Timestamp | None, Meta(description="when the clock of its lines began, with the first audio; null before")
    ]


class LineRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is to change of a line; what is left out stays as it is."""

    text: Annotated[
        Annotated[str, Meta(min_length=1, max_length=_LONGEST_TEXT)] | None,
        Meta(description="the text that readers see instead; what was recognized is kept beside it"),
    ] = None
    hidden: Annotated[bool | None, Meta(description="whether readers see nothing of it")] = None


_EXAMPLE = {
    "name": "main-stage",
    "title": "Main stage",
    "languages": ["fa"],
    "public": True,
    "retentionHours": 24.0,
    "glossary": ["Niyosha"],
    "createdAt": "2026-11-22T06:45:23.294Z",
    "beganAt": None,
}
_LINE = {
    "line": 3,
    "startMs": 61_200,
    "endMs": 63_900,
    "text": "Welcome, everybody.",
    "speaker": "Ann",
    "hidden": False,
}
_REQUEST = {"summary": "an event", "value": {"name": "main-stage", "title": "Main stage", "public": True}}
_CORRECTION = {"summary": "a name that was misheard", "value": {"text": "Welcome, everybody."}}
INDEX = Operation(
    method="GET",
    path=PATH,
    id="listChannels",
    tag=CHANNELS,
    summary="List the caller's caption channels, newest first",
    answers={200: Answer(description="all of them", content=json_content(list[Channel], [_EXAMPLE]))},
)
CREATE = Operation(
    method="POST",
    path=PATH,
    id="createChannel",
    tag=CHANNELS,
    summary="Make a caption channel",
    description="Live connections of the same owner publish to it with `channel=NAME` in their query and the scope "
    "`publish` in their token; `/watch/NAME` is its page for the audience.",
    body={JSON_TYPE: Media(ChannelRequest, examples={"event": _REQUEST})},
    answers={201: Answer(description="it is there", content=json_content(Channel, _EXAMPLE))},
    problems=(
        *(Problem.INVALID_MESSAGE, Problem.INVALID_CONFIG, Problem.CONFLICT, Problem.TOO_LARGE),
        *(Problem.UNSUPPORTED_MEDIA, Problem.RATE_LIMITED),
    ),
)
SHOW = Operation(
    method="GET",
    path=f"{PATH}/{{name}}",
    id="getChannel",
    tag=CHANNELS,
    summary="Get a caption channel",
    parameters=(NAME,),
    answers={200: Answer(description="the channel", content=json_content(Channel, _EXAMPLE))},
    problems=(Problem.NOT_FOUND,),
)
REMOVE = Operation(
    method="DELETE",
    path=SHOW.path,
    id="deleteChannel",
    tag=CHANNELS,
    summary="Delete a caption channel with its text",
    description="Its readers get the event `end`. Sessions that publish to it go on without readers.",
    parameters=(NAME,),
    answers={204: Answer(description="it is gone")},
    problems=(Problem.NOT_FOUND,),
)
CORRECT = Operation(
    method="PATCH",
    path=f"{SHOW.path}/lines/{{line}}",
    id="correctLine",
    tag=CHANNELS,
    summary="Correct or hide a settled line",
    description="Readers get a `correction`, and whoever comes later the new text only.",
    parameters=(NAME, _NUMBER),
    body={JSON_TYPE: Media(LineRequest, examples={"text": _CORRECTION})},
    answers={200: Answer(description="the line as it is now", content=json_content(LineBody, _LINE))},
    problems=(
        *(Problem.INVALID_MESSAGE, Problem.INVALID_CONFIG, Problem.NOT_FOUND, Problem.TOO_LARGE),
        Problem.UNSUPPORTED_MEDIA,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRoutes:
    """The channels of a caller, `channels_per_owner` at most."""

    auth: Authenticator
    hub: ChannelHub
    channels: Channels
    fair_share: FairShare
    clock: Clock
    channels_per_owner: int

    @route(INDEX)
    async def index(self, request: Request) -> Response:
        """Answer 200 with the caller's channels, the newest first."""
        owner = (await self.auth.caller(request, Scope.CHANNELS)).owner
        return _response([_body(channel) for channel in await self.channels.all(owner)])

    @route(CREATE)
    async def create(self, request: Request) -> Response:
        """Answer 201 with a new channel."""
        owner = (await self.auth.caller(request, Scope.CHANNELS)).owner
        wanted = converted(await read_object(request, self.fair_share, _MOST_BYTES), ChannelRequest, _shown)
        channel = StoredChannel(
            name=wanted.name,
            owner=owner,
            title=clean(wanted.title) or wanted.name,
            languages=tuple(dict.fromkeys(wanted.languages)),
            is_public=wanted.public,
            retention_seconds=wanted.retention_hours * _HOUR_SECONDS,
            glossary=_phrases(wanted.glossary),
            created_at=self.clock(),
        )
        await self.channels.create(channel, most=self.channels_per_owner)
        response = _response(_body(channel), 201)
        response.headers["Location"] = f"{PATH}/{channel.name}"
        return response

    @route(SHOW)
    async def show(self, request: Request) -> Response:
        """Answer 200 with a channel of the caller's."""
        return _response(_body(await self._own(request)))

    @route(REMOVE)
    async def remove(self, request: Request) -> Response:
        """Delete a channel of the caller's and answer 204."""
        owner = (await self.auth.caller(request, Scope.CHANNELS)).owner
        await self.hub.delete(str(request.path_params["name"]), owner)
        return Response(status_code=204)

    @route(CORRECT)
    async def correct(self, request: Request) -> Response:
        """Change a settled line for all readers, and answer 200 with it."""
        channel = await self._own(request)
        wanted = converted(await read_object(request, self.fair_share, _MOST_BYTES), LineRequest, _shown)
        text = None if wanted.text is None else clean(wanted.text)
        if text == "":
            raise ClientError(Problem.INVALID_CONFIG, f"text is {shown(wanted.text)}; it must be 1 to 2000 characters")
        number = str(request.path_params["line"])
        async with self.hub.holding(channel.name) as live:
            line = None
            if number.isascii() and number.isdigit() and len(number) < 16:
                line = live.correct(int(number), text=text, is_hidden=wanted.hidden)
            if line is None:
                raise ClientError(Problem.NOT_FOUND, f"there is no settled line {quoted(number)}, or not any more")
            return Response(msgspec.json.encode(line_body(line)), media_type=JSON_TYPE)

    async def _own(self, request: Request) -> StoredChannel:
        owner = (await self.auth.caller(request, Scope.CHANNELS)).owner
        name = str(request.path_params["name"])
        channel = await self.channels.get(name)
        if channel is None or channel.owner != owner:
            raise UnknownChannelError(name)
        return channel


def _shown(value: object) -> str:
    return "missing" if value is MISSING else shown(value)


def _phrases(given: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(phrase for text in given if (phrase := clean(text))))


def _body(channel: StoredChannel) -> Channel:
    return Channel(
        name=channel.name,
        title=channel.title,
        languages=list(channel.languages),
        public=channel.is_public,
        retention_hours=channel.retention_seconds / _HOUR_SECONDS,
        glossary=list(channel.glossary),
        created_at=timestamp(channel.created_at),
        began_at=None if channel.began_at is None else timestamp(channel.began_at),
    )


def _response(body: Channel | list[Channel], status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type=JSON_TYPE)
