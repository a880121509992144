"""`GET /metrics`: the metrics of this server, for Prometheus."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from stream.errors import ClientError, Problem
from stream.recognition.recognizer import Capacity, Recognizer, ServerStatus
from web.auth.authenticator import Authenticator
from web.auth.caller import Scope
from web.jobs.steps import Steps
from web.limits.store import StoreUnavailableError
from web.observability.merging import Merge
from web.observability.metrics import Metrics
from web.rest.health import HealthRoutes
from web.routes.operations import SERVER, Answer, Media, Operation, route
from web.store.database.unavailable import DatabaseUnavailableError
from web.store.recordings import Recordings

_TEXT_TYPE = "text/plain; version=0.0.4"
# Prometheus gives up after ten.
_COUNT_SECONDS = 2.0
METRICS = Operation(
    method="GET",
    path="/metrics",
    id="getMetrics",
    tag=SERVER,
    summary="Get the numbers of this server, for Prometheus",
    description="Where tokens are asked for, one with the scope `metrics`.",
    answers={200: Answer(description="Prometheus' text format", content={"text/plain": Media(str)})},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsRoutes:
    """All metrics of this process; the gauges are updated when they are read.

    One of several workers answers with those of all, which `collect` returns as text.
    """

    auth: Authenticator
    health: HealthRoutes
    recognizer: Recognizer
    recordings: Recordings
    steps: Steps
    numbers: Metrics
    collect: Callable[[], Awaitable[bytes]] | None = None

    @route(METRICS)
    async def metrics(self, request: Request) -> Response:
        """Answer all metrics; a keyed server requires the scope `metrics`."""
        await self.auth.caller(request, Scope.METRICS)
        if self.collect is None:
            return await self.response()
        try:
            return metrics_response(await self.collect())
        except StoreUnavailableError:
            raise ClientError(Problem.OVERLOADED, "the workers of this server cannot be asked now") from None

    async def response(self) -> Response:
        """Update the gauges and write all metrics of this process."""
        await self.look()
        return metrics_response(self.numbers.text())

    async def look(self) -> None:
        """Set the gauges that are not updated by events."""
        numbers = self.numbers
        numbers.recognizer_ready.set(self.recognizer.is_ready)
        numbers.segments_in_work.set(self.steps.segments_in_work)
        is_up = await self.health.database_fault() is None
        capacity = await self.health.capacity_in_time()
        numbers.ready.set(is_up and await self._is_admitting(capacity))
        numbers.database_up.set(is_up)
        if is_up:
            try:
                async with asyncio.timeout(_COUNT_SECONDS):
                    numbers.segments_waiting.set(await self.recordings.waiting())
            except (DatabaseUnavailableError, TimeoutError):
                numbers.database_up.set(0)
        _show_servers(numbers, self.recognizer.servers)
        _show_places(numbers, capacity or Capacity())

    async def _is_admitting(self, capacity: Capacity | None) -> bool:
        try:
            await self.health.check_admission(capacity)
        except ClientError:
            return False
        return True


def metrics_response(text: bytes) -> Response:
    """Return the response with metrics as text."""
    return Response(text, media_type=_TEXT_TYPE, headers={"Cache-Control": "no-store"})


def _show_places(numbers: Metrics, capacity: Capacity) -> None:
    numbers.places.set(math.nan if capacity.places is None else capacity.places)
    numbers.places_free.set(math.nan if capacity.free is None else capacity.free)
    numbers.places_taken.set(capacity.taken)
    numbers.decodes_waiting.set(capacity.waiting)
    numbers.merge_places(Merge.MAX if capacity.is_of_all else Merge.SUM)


def _show_servers(numbers: Metrics, servers: Sequence[ServerStatus]) -> None:
    for server in servers:
        numbers.server_up.labels(server.name).set(server.is_up)
        numbers.server_usable.labels(server.name).set(server.is_usable)
        numbers.server_streams.labels(server.name).set(server.streams)
