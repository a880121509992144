"""Routes of caption channels for who runs them: make, list, show, delete."""

from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from stream.errors import Problem
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
    ChannelRequest,
    channel_body,
    cleaned_phrases,
    shown_value,
)
from web.rest.request.body import read_object
from web.rest.request.structs import converted
from web.routes.operations import JSON_TYPE, Answer, Media, Operation, Tag, json_content, route
from web.store.channels import Channel as StoredChannel
from web.store.channels import Channels

CHANNELS = Tag("channels", "live captions for an audience: who runs them, publishes and reads")
PATH = "/v1/channels"
_REQUEST = {"summary": "an event", "value": {"name": "main-stage", "title": "Main stage", "public": True}}
INDEX = Operation(
    method="GET",
    path=PATH,
    id="listChannels",
    tag=CHANNELS,
    summary="List the caller's caption channels, newest first",
    answers={200: Answer(description="all of them", content=json_content(list[Channel], [EXAMPLE]))},
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
    answers={201: Answer(description="it is there", content=json_content(Channel, EXAMPLE))},
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
    answers={200: Answer(description="the channel", content=json_content(Channel, EXAMPLE))},
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRoutes:
    """The channels of a caller, `channels_per_owner` at most."""

    own: OwnChannels
    hub: ChannelHub
    channels: Channels
    fair_share: FairShare
    clock: Clock
    channels_per_owner: int

    @route(INDEX)
    async def index(self, request: Request) -> Response:
        """Answer 200 with the caller's channels, the newest first."""
        owner = await self.own.owner(request)
        return _response([channel_body(channel) for channel in await self.channels.all(owner)])

    @route(CREATE)
    async def create(self, request: Request) -> Response:
        """Answer 201 with a new channel."""
        owner = await self.own.owner(request)
        wanted = converted(await read_object(request, self.fair_share, MOST_BYTES), ChannelRequest, shown_value)
        channel = StoredChannel(
            name=wanted.name,
            owner=owner,
            title=clean(wanted.title) or wanted.name,
            languages=tuple(dict.fromkeys(wanted.languages)),
            is_public=wanted.public,
            retention_seconds=wanted.retention_hours * HOUR_SECONDS,
            glossary=cleaned_phrases(wanted.glossary),
            created_at=self.clock(),
        )
        await self.channels.create(channel, most=self.channels_per_owner)
        response = _response(channel_body(channel), 201)
        response.headers["Location"] = f"{PATH}/{channel.name}"
        return response

    @route(SHOW)
    async def show(self, request: Request) -> Response:
        """Answer 200 with a channel of the caller's."""
        return _response(channel_body(await self.own.get(request)))

    @route(REMOVE)
    async def remove(self, request: Request) -> Response:
        """Delete a channel of the caller's and answer 204."""
        owner = await self.own.owner(request)
        await self.hub.delete(channel_name(request), owner)
        return Response(status_code=204)


def _response(body: Channel | list[Channel], status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type=JSON_TYPE)
