"""The OpenTelemetry part of tracing, imported only where spans are exported: 8 MB that other servers do not need."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Tracer, set_span_in_context, use_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_EXPORT_SECONDS = 3.0

Attributes = dict[str, str | int | float]


def provider(endpoint: str) -> TracerProvider:
    """Export spans by OTLP over gRPC."""
    resource = Resource.create({"service.name": "niyosha", "service.version": version("niyosha")})
    made = TracerProvider(resource=resource, shutdown_on_exit=False)
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint, timeout=_EXPORT_SECONDS)))
    return made


@contextmanager
def server_span(
    tracer: Tracer, name: str, trace_headers: Mapping[str, str], request_id: str, attributes: Attributes
) -> Iterator[None]:
    """Record the span of a request or a connection, with the attributes as they are at its end."""
    parent = TraceContextTextMapPropagator().extract(trace_headers)
    span = tracer.start_span(name, parent, kind=SpanKind.SERVER, attributes={"niyosha.request": request_id})
    try:
        # The message of an exception, which may hold a transcript, would be in the span.
        with use_span(span, record_exception=False, set_status_on_exception=False):
            yield
    finally:
        for key, value in attributes.items():
            span.set_attribute(key, value)
        if "http.route" in attributes:
            span.update_name(f"{attributes['http.request.method']} {attributes['http.route']}")
        span.end()


def traceparent(span: Span) -> str:
    """Return the W3C `traceparent` header that makes a span the parent of another service's spans."""
    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier, set_span_in_context(span))
    return carrier.get("traceparent", "")
