"""The current trace as a W3C `traceparent`, which is sent to the recognizer; "" for none."""

from contextvars import ContextVar

TRACEPARENT: ContextVar[str] = ContextVar("traceparent", default="")
