"""Metrics on a loopback port of their own, where no token is asked for."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Metrics = Callable[[], Awaitable[Response]]
"""Answers with all metrics as they are now."""

HOST = "127.0.0.1"
_STOP_SECONDS = 2  # a reader that takes nothing would hold up the stop
_MOST_CONNECTIONS = 32


class _Server(uvicorn.Server):
    """uvicorn that leaves the signals to the server beside it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def metrics_port(metrics: Metrics, listener: socket.socket) -> AsyncIterator[None]:
    """Serve what `metrics` answers on a socket that listens, which is closed in the end."""
    config = uvicorn.Config(
        _own_app(metrics),
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving
        listener.close()


def _own_app(metrics: Metrics) -> Starlette:
    async def answer(_: Request) -> Response:
        return await metrics()

    # A page must not read them through a name of its own that leads here.
    names = Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
    return Starlette(routes=[Route("/metrics", answer)], middleware=[names])
