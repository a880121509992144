"""Owns the connection to a Riva server: its address and how the channel behaves."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import grpc

# A lost server is looked for soon and then at most so rarely; gRPC's own default waits up to two minutes.
_FIRST_RECONNECT_MS = 50
_LAST_RECONNECT_MS = 2_000


@dataclass(frozen=True, slots=True)
class RivaOptions:
    """Where the server is: `host:port`, `unix:/path` or anything else that gRPC resolves.

    `keepalive_seconds` 0 sends none, because unknown servers close connections that ping them often.
    `models` names the server's own model for an `asrModel`; without one the server chooses.
    """

    uri: str
    keepalive_seconds: float = 0.0
    most_phrases: int = 500
    models: Mapping[str, str] = field(default_factory=dict)


def open_channel(options: RivaOptions) -> grpc.aio.Channel:
    """Open a channel; must be called inside the event loop that uses it."""
    arguments: list[tuple[str, int]] = [
        ("grpc.enable_http_proxy", 0),
        ("grpc.initial_reconnect_backoff_ms", _FIRST_RECONNECT_MS),
        ("grpc.min_reconnect_backoff_ms", _FIRST_RECONNECT_MS),
        ("grpc.max_reconnect_backoff_ms", _LAST_RECONNECT_MS),
    ]
    if options.keepalive_seconds:
        arguments += [
            ("grpc.keepalive_time_ms", int(options.keepalive_seconds * 1000)),
            ("grpc.keepalive_permit_without_calls", 1),
        ]
    return grpc.aio.insecure_channel(options.uri, options=arguments)
