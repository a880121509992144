"""Owns `GET /metrics`: the numbers of this process, for Prometheus."""

import asyncio
import math

from starlette.requests import Request
from starlette.responses import Response

from stream.errors import ClientError
from stream.recognition.recognizer import Capacity
from stream.riva import RivaRecognizer
from web.auth.caller import Scope
from web.composition import Services
from web.observability.metrics import Metrics
from web.rest.health import capacity_in_time, check_admission, database_fault
from web.store.database.away import DatabaseAwayError

_TEXT_TYPE = "text/plain; version=0.0.4"
# Prometheus gives up after ten.
_COUNT_SECONDS = 2.0


async def metrics(request: Request) -> Response:
    """Answer everything that is counted; where tokens are asked for, to those with the scope `metrics`."""
    services: Services = request.app.state.services
    await services.auth.caller(request, Scope.METRICS)
    return await metrics_response(services)


async def metrics_response(services: Services) -> Response:
    """The numbers as they are now."""
    await _look(services)
    return Response(services.metrics.text(), media_type=_TEXT_TYPE, headers={"Cache-Control": "no-store"})


async def _look(services: Services) -> None:
    """Find out what nobody counts as it happens."""
    numbers = services.metrics
    numbers.recognizer_ready.set(services.recognizer.is_ready)
    numbers.segments_in_work.set(services.steps.segments_in_work)
    is_up = await database_fault(services) is None
    capacity = await capacity_in_time(services)
    numbers.ready.set(is_up and await _is_admitting(services, capacity))
    numbers.database_up.set(is_up)
    if is_up:
        try:
            async with asyncio.timeout(_COUNT_SECONDS):
                numbers.segments_waiting.set(await services.recordings.waiting())
        except (DatabaseAwayError, TimeoutError):
            numbers.database_up.set(0)
    _look_at_servers(services)
    _show_places(numbers, capacity or Capacity())


def _show_places(numbers: Metrics, capacity: Capacity) -> None:
    numbers.places.set(math.nan if capacity.places is None else capacity.places)
    numbers.places_free.set(math.nan if capacity.free is None else capacity.free)
    numbers.places_taken.set(capacity.taken)
    numbers.decodes_waiting.set(capacity.waiting)


async def _is_admitting(services: Services, capacity: Capacity | None) -> bool:
    try:
        await check_admission(services, capacity)
    except ClientError:
        return False
    return True


def _look_at_servers(services: Services) -> None:
    recognizer = services.recognizer.inner
    if isinstance(recognizer, RivaRecognizer):
        for server in recognizer.servers:
            # The embedded engine listens at a new path with each start.
            name = "embedded" if server.uri.startswith("unix:") else server.uri
            services.metrics.server_up.labels(name).set(server.is_open)
            services.metrics.server_usable.labels(name).set(server.is_usable)
            services.metrics.server_streams.labels(name).set(server.streams)
