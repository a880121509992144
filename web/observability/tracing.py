"""Owns the spans that are sent to a collector: of requests, of live connections, of the recognition of an utterance.

Off unless an endpoint is set; only then is OpenTelemetry loaded. Spans hold ids, routes and times, never what was said.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from importlib.metadata import version
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.types import Scope

from stream.recognition.tracing import TRACEPARENT

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

_EXPORT_SECONDS = 3.0
# The tasks of one recognition share it, attempt after attempt.
_utterance: ContextVar["asyncio.Task[object] | None"] = ContextVar("utterance", default=None)
_HEADERS = ("traceparent", "tracestate")

Attributes = dict[str, str | int | float]


class Tracing:
    """What begins and ends spans; does nothing until it runs with an endpoint."""

    def __init__(self, endpoint: str | None) -> None:
        self._endpoint = endpoint
        self._tracer: Tracer | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send spans while the context lasts, the last ones at its end."""
        if self._endpoint is None:
            yield
            return
        # 8 MB that a server without a collector has no use for.
        provider = await asyncio.to_thread(_provider, self._endpoint)
        self._tracer = provider.get_tracer("niyosha")
        try:
            yield
        finally:
            self._tracer = None
            await asyncio.to_thread(provider.shutdown)

    @contextmanager
    def exchange(self, scope: Scope, request_id: str) -> Iterator[Attributes]:
        """The span of a request or a connection, a part of the caller's trace if it tells one.

        What is put into the attributes meanwhile, the span has in the end.
        """
        attributes: Attributes = {}
        if self._tracer is None:
            yield attributes
            return
        from opentelemetry.trace import SpanKind, use_span  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        headers = Headers(scope=scope)
        told = {name: headers[name] for name in _HEADERS if name in headers}
        parent = TraceContextTextMapPropagator().extract(told)
        span = self._tracer.start_span(
            scope["type"], parent, kind=SpanKind.SERVER, attributes={"niyosha.request": request_id}
        )
        try:
            # Its own words of an exception would be in the span.
            with use_span(span, record_exception=False, set_status_on_exception=False):
                yield attributes
        finally:
            _name(span, attributes)
            span.end()

    def begin_recognition(self) -> None:
        """Begin the span of the recognition that this task does, unless it is an attempt after the first.

        It ends with the task; the recognizer is told of it.
        """
        task = asyncio.current_task()
        if self._tracer is None or task is None or _utterance.get() is task:
            return
        from opentelemetry.trace import set_span_in_context  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        span = self._tracer.start_span("utterance")
        task.add_done_callback(lambda _: span.end())
        _utterance.set(task)
        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier, set_span_in_context(span))
        TRACEPARENT.set(carrier.get("traceparent", ""))


def _name(span: "Span", attributes: Attributes) -> None:
    for name, value in attributes.items():
        span.set_attribute(name, value)
    if "http.route" in attributes:
        span.update_name(f"{attributes['http.request.method']} {attributes['http.route']}")


def _provider(endpoint: str) -> "TracerProvider":
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    resource = Resource.create({"service.name": "niyosha", "service.version": version("niyosha")})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint, timeout=_EXPORT_SECONDS)))
    return provider
