"""uvicorn's server with two ways to stop: drain, which delivers every final, and force."""

import asyncio
import logging
import math
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import uvicorn

from web.live.registry import Sessions
from web.transport.accepting import ConnectionCounts, SharedAcceptor
from web.transport.http import HttpConnection
from web.transport.limits import WireConfig
from web.transport.websocket import LiveConnection

BACKLOG = 512
_FORCED_SECONDS = 1.0
_LEAST_SECONDS = 1


class GatewayServer(uvicorn.Server):
    """A uvicorn server whose open sessions end with their finals before it stops, unless it is forced."""

    def __init__(
        self, config: WireConfig, sessions: Sessions, *, drain_seconds: float, counts: ConnectionCounts | None = None
    ) -> None:
        """With `counts` the socket is shared with the other workers of a server."""
        super().__init__(config)
        self._counts = counts
        self._acceptors: list[SharedAcceptor] = []
        self.listening = asyncio.Event()
        self._wire = config.wire
        self._sessions = sessions
        self._drain_seconds = drain_seconds
        self._stop_at: float | None = None
        self._drain_until: float | None = None
        self._is_delivered = False

    async def run_until_stopped(self, listener: socket.socket) -> bool:
        """Serve until the server is stopped; return False if that was by force."""
        await self.serve(sockets=[listener])
        return not self.force_exit

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=[])
        for listener in sockets or ():
            self.servers.append(await self._server(listener))
        self.listening.set()

    async def _server(self, listener: socket.socket) -> asyncio.Server:
        """Accept connections on a socket."""
        loop, context = asyncio.get_running_loop(), self.config.ssl
        # asyncio's own limit for a TLS handshake is a minute.
        head, linger = (None, None) if context is None else (self._wire.head_seconds, self._wire.linger_seconds)
        tls: dict[str, Any] = {"ssl": context, "ssl_handshake_timeout": head, "ssl_shutdown_timeout": linger}

        def connection() -> HttpConnection:
            return HttpConnection(self.config, self.server_state, self.lifespan.state)

        if self._counts is None:
            return await loop.create_server(connection, sock=listener, backlog=BACKLOG, **tls)
        acceptor = SharedAcceptor(
            listener, self._counts, lambda accepted: loop.connect_accepted_socket(connection, accepted, **tls)
        )
        self._acceptors.append(acceptor)
        return cast(asyncio.Server, acceptor)  # uvicorn closes it, and waits for that

    # --- stopping ---

    def drain(self) -> None:
        """Accept no more sessions, let the open ones and the requests end, then stop, after `drain_seconds` at most."""
        if self._drain_until is None:
            self._stop_at = self._drain_until = asyncio.get_running_loop().time() + self._drain_seconds
            for acceptor in self._acceptors:
                acceptor.drain()
        self._sessions.drain()

    def force(self) -> None:
        """Stop without waiting for anything."""
        # uvicorn would log an error for each request that is cancelled here.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self._sessions.is_draining = True
        self.should_exit = self.force_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the process, which handles them itself."""
        yield

    async def on_tick(self, counter: int) -> bool:
        if self._drain_until is not None:
            self.should_exit = self.should_exit or self._is_drained(self._drain_until)
        return await super().on_tick(counter)

    def _is_drained(self, until: float) -> bool:
        now = asyncio.get_running_loop().time()
        if not len(self._sessions) and not self._is_delivered:
            # The clients still have to read what was sent last; they would lose it if their connections were reset now.
            self._is_delivered = True
            self._drain_until = min(until, now + self._wire.linger_seconds)
        is_any_connected = any(isinstance(one, LiveConnection) for one in self.server_state.connections)
        return now >= until or (self._is_delivered and not is_any_connected)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._stop_at is not None:
            # Requests that began before the stop are answered within the same limit.
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
