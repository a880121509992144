"""Owns uvicorn's server: how it listens, and how it stops, after what was said is delivered or at once."""

import asyncio
import logging
import math
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from web.live.registry import Sessions
from web.transport.http import HttpConnection
from web.transport.limits import WireConfig
from web.transport.websocket import LiveConnection

BACKLOG = 512
_FORCED_SECONDS = 1.0
_LEAST_SECONDS = 1


class GatewayServer(uvicorn.Server):
    """uvicorn that lets open sessions deliver what was said before it goes; a second signal goes at once."""

    def __init__(self, config: WireConfig, sessions: Sessions, *, drain_seconds: float) -> None:
        super().__init__(config)
        self._wire = config.wire
        self._sessions = sessions
        self._drain_seconds = drain_seconds
        self._stop_at: float | None = None
        self._drain_until: float | None = None
        self._is_told = False

    async def run_until_stopped(self, listener: socket.socket) -> bool:
        """Serve until something stops it; False if that was by force."""
        await self.serve(sockets=[listener])
        return not self.force_exit

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=[])
        context = self.config.ssl
        # uvicorn would give a TLS handshake a minute.
        head, linger = (None, None) if context is None else (self._wire.head, self._wire.linger)
        for listener in sockets or ():
            server = await asyncio.get_running_loop().create_server(
                lambda: HttpConnection(self.config, self.server_state, self.lifespan.state),
                sock=listener,
                ssl=context,
                backlog=BACKLOG,
                ssl_handshake_timeout=head,
                ssl_shutdown_timeout=linger,
            )
            self.servers.append(server)

    # --- the end ---

    def drain(self) -> None:
        """Stop taking sessions, let the open ones and the requests end, then exit, after `drain_seconds` at most."""
        if self._drain_until is None:
            self._stop_at = self._drain_until = asyncio.get_running_loop().time() + self._drain_seconds
        self._sessions.drain()

    def force(self) -> None:
        """Exit without waiting for anything."""
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # that requests are cancelled is meant
        self._sessions.is_draining = True
        self.should_exit = self.force_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to whoever runs the server."""
        yield

    async def on_tick(self, counter: int) -> bool:
        if self._drain_until is not None:
            self.should_exit = self.should_exit or self._is_drained(self._drain_until)
        return await super().on_tick(counter)

    def _is_drained(self, until: float) -> bool:
        now = asyncio.get_running_loop().time()
        if not len(self._sessions) and not self._is_told:
            # Clients still have to read what was sent last, which a connection that is reset might lose.
            self._is_told = True
            self._drain_until = min(until, now + self._wire.linger)
        is_anybody_there = any(isinstance(one, LiveConnection) for one in self.server_state.connections)
        return now >= until or (self._is_told and not is_anybody_there)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._stop_at is not None:
            # Requests that were taken before the stop get their answers within the same limit.
            left_seconds = self._stop_at - asyncio.get_running_loop().time()
            self.config.timeout_graceful_shutdown = max(_LEAST_SECONDS, math.ceil(left_seconds))
        await super().shutdown(sockets)
        if self.force_exit:
            tasks = list(self.server_state.tasks)
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=_FORCED_SECONDS)
            for connection in list(self.server_state.connections):
                connection.transport.abort()
            await self.lifespan.shutdown()
