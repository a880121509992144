"""Owns the trace that the work in hand belongs to, as it is told to a recognizer: W3C's traceparent, "" for none."""

from contextvars import ContextVar

TRACEPARENT: ContextVar[str] = ContextVar("traceparent", default="")
