"""Logs, metrics, traces, and the watch on the event loop."""
