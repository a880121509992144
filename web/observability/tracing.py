"""Trace requests, live connections and the recognition of utterances with OpenTelemetry.

Off unless an endpoint is set. Spans hold ids, routes and times, no transcripts.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.types import Scope

from stream.lazy_import import lazy_import
from stream.recognition.tracing import TRACEPARENT

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

    from web.observability import spans
else:
    spans = lazy_import("web.observability.spans")

# The recognition whose span has begun; all tasks of one recognition share it, attempt after attempt.
_utterance: ContextVar["asyncio.Task[object] | None"] = ContextVar("utterance", default=None)
_HEADERS = ("traceparent", "tracestate")

Attributes = dict[str, str | int | float]


class Tracing:
    """Begins and ends spans; does nothing until it runs with an endpoint."""

    def __init__(self, endpoint: str | None) -> None:
        self._endpoint = endpoint
        self._tracer: Tracer | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Export spans while the context lasts, the last ones at its end."""
        if self._endpoint is None:
            yield
            return
        # In a thread: importing OpenTelemetry, and sending the last spans, would stall the event loop.
        endpoint = self._endpoint
        provider = await asyncio.to_thread(lambda: spans.provider(endpoint))
        self._tracer = provider.get_tracer("niyosha")
        try:
            yield
        finally:
            self._tracer = None
            await asyncio.to_thread(provider.shutdown)

    @contextmanager
    def exchange(self, scope: Scope, request_id: str) -> Iterator[Attributes]:
        """Record the span of a request or a connection, as a part of the caller's trace if the headers name one.

        The span gets the attributes that are set until it ends.
        """
        attributes: Attributes = {}
        if self._tracer is None:
            yield attributes
            return
        headers = Headers(scope=scope)
        trace_headers = {name: headers[name] for name in _HEADERS if name in headers}
        with spans.server_span(self._tracer, scope["type"], trace_headers, request_id, attributes):
            yield attributes

    def begin_recognition(self) -> None:
        """Begin the span of the recognition that this task performs, unless this is not its first attempt.

        The span ends with the task; the recognizer gets its id.
        """
        task = asyncio.current_task()
        if self._tracer is None or task is None or _utterance.get() is task:
            return
        span = self._tracer.start_span("utterance")
        task.add_done_callback(lambda _: span.end())
        _utterance.set(task)
        TRACEPARENT.set(spans.traceparent(span))
