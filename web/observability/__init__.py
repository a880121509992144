"""Logs, metrics, traces, and the event loop monitor."""
