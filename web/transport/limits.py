"""Owns how long a connection may be slow, in what it sends and in what it takes."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.responses import Response
from starlette.types import ASGIApp

from web.transport.request_gate import Turnstile
from web.transport.roster import Roster

# Everything before a request's body; each line of it ends where the WebSocket library would give up, at 8 KiB.
HEAD_BYTES = 32 * 1024
# What of a body has to arrive, and of an answer to be taken, for a connection to count as slow and not as stuck.
PROGRESS_BYTES = 4096


TurnAway = Callable[[str], Response | None]
"""Tells what a handshake from an address is answered without a closer look; None to have that look."""


def nobody(_: str) -> Response | None:
    """Look at all."""
    return None


@dataclass(frozen=True, slots=True)
class WireLimits:
    """Seconds: for a request's head, and for the next one; for progress of a body and of an answer.

    A peer that does not answer a ping, sent every `ping`, within `pong` is gone. `linger` is how long one that is
    told goodbye may take to hear it.
    """

    head: float = 10.0
    body: float = 30.0
    send: float = 30.0
    ping: float = 20.0
    pong: float = 20.0
    linger: float = 2.0


class WireConfig(uvicorn.Config):
    """uvicorn's configuration, with the limits that its own lacks."""

    def __init__(
        self, app: ASGIApp, wire: WireLimits, turn_away: TurnAway = nobody, *, roster: Roster, **options: Any
    ) -> None:
        super().__init__(app, ws_ping_interval=wire.ping, ws_ping_timeout=wire.pong, **options)
        self.wire = wire
        self.turn_away = turn_away
        self.turnstile = Turnstile()
        self.roster = roster


def wire_config(config: uvicorn.Config) -> WireConfig:
    """The configuration as what it is: the connections of this room run with no other."""
    assert isinstance(config, WireConfig)  # noqa: S101
    return config


class Timer:
    """One thing that will happen unless it is cancelled or set anew; nothing happens once it is cancelled."""

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
