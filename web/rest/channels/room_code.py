"""The code of a channel's page for the room: a QR code that phones read."""

import asyncio
from functools import lru_cache
from io import BytesIO
from urllib.parse import urlencode

import segno
from starlette.requests import Request
from starlette.responses import Response

from stream.errors import ClientError, Problem
from web.rest.channels.access import channel_name
from web.rest.channels.bodies import NAME
from web.rest.channels.management import CHANNELS
from web.routes.operations import Answer, Media, Operation, route

# A code of so many characters is still read from a screen; it takes some 50 ms to make.
_MOST_CHARACTERS = 1000
_QUIET_MODULES = 4
_KEPT = 64
_HEADERS = {"Cache-Control": "private, max-age=3600", "X-Content-Type-Options": "nosniff"}
CODE = Operation(
    method="GET",
    path="/watch/{name}/qr.svg",
    id="getRoomCode",
    tag=CHANNELS,
    summary="Get the address of a channel's page for its audience as a QR code",
    description="The address is the one by which the server was asked; a `jwt` in the query is in it, too.",
    parameters=(NAME,),
    answers={200: Answer(description="the code, black on white", content={"image/svg+xml": Media(str)})},
    problems=(Problem.INVALID_CONFIG,),
    asks_for_token=False,
)


class RoomCodeRoutes:
    """Codes of the pages of channels; whether there is a channel, its page finds out."""

    @route(CODE)
    async def code(self, request: Request) -> Response:
        """Answer 200 with the code as SVG."""
        address = str(
            request.url.replace(path=f"{request.scope.get('root_path', '')}/watch/{channel_name(request)}", query="")
        )
        token = request.query_params.get("jwt")
        if token is not None:
            address += "?" + urlencode({"jwt": token})
        if len(address) > _MOST_CHARACTERS:
            detail = f"the address has {len(address)} characters; a code has at most {_MOST_CHARACTERS}"
            raise ClientError(Problem.INVALID_CONFIG, detail)
        return Response(await asyncio.to_thread(_svg, address), headers=_HEADERS, media_type="image/svg+xml")


@lru_cache(_KEPT)
def _svg(address: str) -> bytes:
    """Draw the code of an address."""
    drawing = BytesIO()
    code = segno.make(address, error="m", micro=False)
    code.save(drawing, kind="svg", border=_QUIET_MODULES, dark="black", light="white", omitsize=True)
    return drawing.getvalue()
