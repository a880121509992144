"""The pages for people: dictation, captions, commands."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from web.rest.channels.management import CHANNELS
from web.routes.operations import SERVER, Answer, Media, Operation, route
from web.routes.schemas import in_path

STATIC = Path(__file__).parents[1] / "static"
# After an upgrade old and new modules must not mix; a page of another site must not frame this one's microphone.
PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    # Modules are fetched by CORS, which tells who may; nothing here is for other pages' <script>, <img> or frames.
    "Cross-Origin-Resource-Policy": "same-origin",
}
PAGE = {200: Answer(description="the page", content={"text/html": Media(str)})}
DICTATION = Operation(
    method="GET",
    path="/",
    id="openDictation",
    tag=SERVER,
    summary="Open the page that writes down what a microphone hears",
    answers=PAGE,
    asks_for_token=False,
)
CAPTIONS = Operation(
    method="GET",
    path="/captions",
    id="openCaptions",
    tag=SERVER,
    summary="Open the page that shows it large, in two lines",
    answers=PAGE,
    asks_for_token=False,
)
COMMANDS = Operation(
    method="GET",
    path="/commands",
    id="openCommands",
    tag=SERVER,
    summary="Open the page that finds spoken phrases",
    answers=PAGE,
    asks_for_token=False,
)

# The page itself says that there is no such channel.
_NAME = in_path("name", "the name of the channel", {"type": "string"})
WATCH = Operation(
    method="GET",
    path="/watch/{name}",
    id="openWatch",
    tag=CHANNELS,
    summary="Open the page of a caption channel for its audience",
    description="It reads the channel with the token that is its parameter `jwt`, if there is one.",
    parameters=(_NAME,),
    answers=PAGE,
    asks_for_token=False,
)
OPERATE = Operation(
    method="GET",
    path="/channels/{name}",
    id="openOperator",
    tag=CHANNELS,
    summary="Open the page of a caption channel for its operator",
    description="It asks for a token with the scope `channels` where the server has a key, or takes its `jwt`.",
    parameters=(_NAME,),
    answers=PAGE,
    asks_for_token=False,
)


class PageRoutes:
    """The pages; what they load is below `/static`."""

    @route(DICTATION)
    async def dictation(self, _: Request) -> Response:
        """Answer 200 with the page of dictation."""
        return _page("dictation")

    @route(CAPTIONS)
    async def captions(self, _: Request) -> Response:
        """Answer 200 with the page of captions."""
        return _page("captions")

    @route(COMMANDS)
    async def commands(self, _: Request) -> Response:
        """Answer 200 with the page of commands."""
        return _page("commands")

    @route(WATCH)
    async def watch(self, _: Request) -> Response:
        """Answer 200 with the page of a channel, which finds out whether there is one."""
        return _page("watch")

    @route(OPERATE)
    async def operate(self, _: Request) -> Response:
        """Answer 200 with the operator's page of a channel, which finds out whether there is one."""
        return _page("operator")


def _page(name: str) -> Response:
    return FileResponse(STATIC / "page" / name / f"{name}.html", headers=PAGE_HEADERS)
