"""Health routes: the reference's health check, and the probes of orchestrators."""

import asyncio
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from stream.errors import ClientError, Problem
from stream.recognition.recognizer import Capacity, RecognizerError
from web.auth.caller import Caller
from web.composition import Services
from web.limits.capacity import full
from web.store.database.away import Absence, DatabaseAwayError

# The version of the reference that this server follows, not its own.
_API_VERSION = "1.0.7"
# An orchestrator asks every few seconds and waits one or two.
_DATABASE_SECONDS = 1.0
_CAPACITY_SECONDS = 1.0
# Nobody's name: has no stream open, and may have one.
_ANYBODY = Caller(owner="", streams=1)


class Health(msgspec.Struct, frozen=True):
    """The state of the service; `status` is `Running`, `Warnings` or `Critical`."""

    status: Annotated[Literal["Running", "Warnings", "Critical"], Meta(description="the state")]
    message: Annotated[str, Meta(description="the state in words")]
    version: Annotated[str, Meta(description="of the API reference that this server follows")]


class Liveness(msgspec.Struct, frozen=True):
    """The state of the process; `status` is `live` or `ready`."""

    status: Annotated[Literal["live", "ready"], Meta(description="the state")]


async def healthcheck(request: Request) -> Response:
    """Answer 200 in every state; the body tells which."""
    if request.app.state.recognizer.is_ready:
        health = Health("Running", "OK.", _API_VERSION)
    else:
        health = Health("Critical", "The recognizer is not ready.", _API_VERSION)
    return _json(health)


async def livez(_: Request) -> Response:
    """Answer 200 while the process works."""
    return _json(Liveness("live"))


async def readyz(request: Request) -> Response:
    """Answer 200 when a new stream would be admitted, else 503 and why not."""
    services: Services = request.app.state.services
    await check_admission(services, await capacity_in_time(services))
    fault = await database_fault(services)
    if fault is not None:
        raise ClientError(Problem.OVERLOADED, fault.value)
    return _json(Liveness("ready"))


async def check_admission(services: Services, capacity: Capacity | None) -> None:
    """Raise ClientError unless a new stream would be admitted."""
    services.sessions.check_admission()
    if not services.recognizer.is_ready:
        raise ClientError(Problem.OVERLOADED, "the recognizer is not ready")
    await services.limits.check_stream(_ANYBODY)
    if capacity is not None and capacity.free == 0:
        raise full()


async def capacity_in_time(services: Services) -> Capacity | None:
    """Return the places of the recognizer, None where it does not say in time: it may be busy."""
    try:
        async with asyncio.timeout(_CAPACITY_SECONDS):
            return await services.recognizer.capacity()
    except (RecognizerError, TimeoutError):
        return None


async def database_fault(services: Services) -> Absence | None:
    """Why the database cannot be used now, as far as can be told in a second; None where it can."""
    try:
        async with asyncio.timeout(_DATABASE_SECONDS):
            await services.database.check()
    except DatabaseAwayError as away:
        return away.absence
    except TimeoutError:
        return Absence.SILENT
    return None


def _json(body: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(body), media_type="application/json", headers={"Cache-Control": "no-store"})
