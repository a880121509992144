"""Owns the health routes: the reference's health check."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

# The version of the reference that this server follows, not its own.
_API_VERSION = "1.0.7"


class Health(msgspec.Struct, frozen=True):
    """The state of the service; `status` is `Running`, `Warnings` or `Critical`."""

    status: str
    message: str
    version: str


async def healthcheck(request: Request) -> Response:
    """Answer 200 in every state; the body tells which."""
    if request.app.state.recognizer.is_ready:
        health = Health("Running", "OK.", _API_VERSION)
    else:
        health = Health("Critical", "The recognizer is not ready.", _API_VERSION)
    return Response(msgspec.json.encode(health), media_type="application/json")
