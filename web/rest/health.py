"""Health routes: the reference's health check, and the probes of orchestrators."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from stream.errors import ClientError, Problem
from stream.paths import HEALTH_PATH
from stream.recognition.recognizer import Capacity, Recognizer, RecognizerError
from web.auth.caller import Caller
from web.limits.capacity import full
from web.limits.limits import Limits
from web.live.registry import Sessions
from web.routes.operations import BUSY, JSON_TYPE, SERVER, Answer, Operation, json_content, route
from web.store.database.database import Database
from web.store.database.unavailable import DatabaseUnavailableError, UnavailableReason

# The version of the reference that this server follows, not its own.
_API_VERSION = "1.0.7"
# An orchestrator probes every few seconds and waits one or two.
_DATABASE_SECONDS = 1.0
_CAPACITY_SECONDS = 1.0
# A caller with no open stream who may have one.
_ANYBODY = Caller(owner="", streams=1)


class Health(msgspec.Struct, frozen=True):
    """The state of the service; `status` is `Running`, `Warnings` or `Critical`."""

    status: Annotated[Literal["Running", "Warnings", "Critical"], Meta(description="the state")]
    message: Annotated[str, Meta(description="the state in words")]
    version: Annotated[str, Meta(description="of the API reference that this server follows")]


class Liveness(msgspec.Struct, frozen=True):
    """The state of the process; `status` is `live` or `ready`."""

    status: Annotated[Literal["live", "ready"], Meta(description="the state")]


HEALTHCHECK = Operation(
    method="GET",
    path=HEALTH_PATH,
    id="checkHealth",
    tag=SERVER,
    summary="Tell whether the recognizer is ready",
    answers={
        200: Answer(
            description="the state, whatever it is",
            content=json_content(Health, {"status": "Running", "message": "OK.", "version": _API_VERSION}),
        )
    },
    asks_for_token=False,
)
LIVEZ = Operation(
    method="GET",
    path="/livez",
    id="checkLive",
    tag=SERVER,
    summary="Tell that the process works",
    answers={200: Answer(description="it does", content=json_content(Liveness, {"status": "live"}))},
    asks_for_token=False,
)
READYZ = Operation(
    method="GET",
    path="/readyz",
    id="checkReady",
    tag=SERVER,
    summary="Tell whether a new stream would be admitted",
    description="503 while the recognizer or the database is down and while the server stops; `detail` says which.",
    answers={200: Answer(description="it would", content=json_content(Liveness, {"status": "ready"}))},
    problems=BUSY,
    asks_for_token=False,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthRoutes:
    """Whether the process works, and whether it would admit a new stream."""

    sessions: Sessions
    recognizer: Recognizer
    limits: Limits
    database: Database
    has_started: Callable[[], bool] | None = None
    """Whether all workers of this server have started; None where it is one process."""

    @route(HEALTHCHECK)
    async def healthcheck(self, _: Request) -> Response:
        """Answer 200 in every state, which is in the body."""
        if self.recognizer.is_ready:
            health = Health("Running", "OK.", _API_VERSION)
        else:
            health = Health("Critical", "The recognizer is not ready.", _API_VERSION)
        return _json(health)

    @route(LIVEZ)
    async def livez(self, _: Request) -> Response:
        """Answer 200 while the process works."""
        return _json(Liveness("live"))

    @route(READYZ)
    async def readyz(self, _: Request) -> Response:
        """Answer 200 when a new stream would be admitted, else 503 and why not."""
        await self.check_admission(await self.capacity_in_time())
        fault = await self.database_fault()
        if fault is not None:
            raise ClientError(Problem.OVERLOADED, fault.value)
        return _json(Liveness("ready"))

    async def check_admission(self, capacity: Capacity | None) -> None:
        """Raise ClientError unless a new stream would be admitted."""
        self.sessions.check_admission()
        if self.has_started is not None and not self.has_started():
            raise ClientError(Problem.OVERLOADED, "the server is starting")
        if not self.recognizer.is_ready:
            raise ClientError(Problem.OVERLOADED, "the recognizer is not ready")
        await self.limits.check_stream(_ANYBODY)
        if capacity is not None and capacity.free == 0:
            raise full()

    async def capacity_in_time(self) -> Capacity | None:
        """Return the capacity of the recognizer, None if it does not answer in time, as when it is busy."""
        try:
            async with asyncio.timeout(_CAPACITY_SECONDS):
                return await self.recognizer.capacity()
        except (RecognizerError, TimeoutError):
            return None

    async def database_fault(self) -> UnavailableReason | None:
        """Return why the database cannot be used now, None where it can; waits at most a second."""
        try:
            async with asyncio.timeout(_DATABASE_SECONDS):
                await self.database.check()
        except DatabaseUnavailableError as error:
            return error.reason
        except TimeoutError:
            return UnavailableReason.SILENT
        return None


def _json(body: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(body), media_type=JSON_TYPE, headers={"Cache-Control": "no-store"})
