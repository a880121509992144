"""Time limits of connections, and uvicorn's configuration with them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.responses import Response
from starlette.types import ASGIApp

from web.transport.connection_table import ConnectionTable
from web.transport.request_gate import RequestGate

HEAD_BYTES = 32 * 1024
"""The most of a request before its body. A line of it may have 8 KiB, as in the `websockets` library."""
PROGRESS_BYTES = 4096
"""What has to arrive of a body, or leave of an answer, within the limit; a connection is stuck otherwise, not slow."""

EarlyAnswer = Callable[[str], Response | None]
"""Answers a handshake from an address without asking the application; None to ask it."""


def ask_application(_: str) -> Response | None:
    """Ask the application about every handshake."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class WireLimits:
    """The time limits of a connection."""

    head_seconds: float = 10.0
    """From the start of a connection, or the end of an answer, to the end of the next request's head."""
    body_seconds: float = 30.0
    """For each `PROGRESS_BYTES` of a request's body."""
    send_seconds: float
    """For each `PROGRESS_BYTES` of an answer that the peer is slow to read."""
    ping_seconds: float = 20.0
    """Between two pings of a WebSocket."""
    pong_seconds: float = 20.0
    """For the answer to a ping."""
    linger_seconds: float = 2.0
    """For the peer to close its side after ours was closed."""


class WireConfig(uvicorn.Config):
    """uvicorn's configuration with limits that it does not have itself."""

    def __init__(
        self,
        app: ASGIApp,
        wire: WireLimits,
        early_answer: EarlyAnswer = ask_application,
        *,
        connection_table: ConnectionTable,
        **options: Any,
    ) -> None:
        super().__init__(app, ws_ping_interval=wire.ping_seconds, ws_ping_timeout=wire.pong_seconds, **options)
        self.wire = wire
        self.early_answer = early_answer
        self.request_gate = RequestGate()
        self.connection_table = connection_table


def wire_config(config: uvicorn.Config) -> WireConfig:
    """Return the configuration with its limits; raises TypeError for one of uvicorn's own."""
    if not isinstance(config, WireConfig):
        raise TypeError(f"the configuration is a {type(config).__name__}; it must be a WireConfig")
    return config


class Timer:
    """A timer with one action at a time: setting it again, or cancelling it, replaces the earlier action."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._handle: asyncio.TimerHandle | None = None

    def set(self, seconds: float, action: Any, *arguments: Any) -> None:
        self.cancel()
        self._handle = self._loop.call_later(seconds, action, *arguments)

    def cancel(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
