"""Owns the metrics on a loopback port of their own, where nobody is asked for a token."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from web.rest.metrics import metrics_response

HOST = "127.0.0.1"
_STOP_SECONDS = 2  # a reader that takes nothing would hold up the stop
_MOST_CONNECTIONS = 32


class _Server(uvicorn.Server):
    """uvicorn that leaves the signals to the server beside it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def metrics_port(app: Starlette, listener: socket.socket) -> AsyncIterator[None]:
    """Serve the metrics of `app` on a socket that listens, which is closed in the end."""
    config = uvicorn.Config(
        _own_app(app),
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


def _own_app(app: Starlette) -> Starlette:
    async def metrics(_: Request) -> Response:
        if not hasattr(app.state, "services"):
            return Response("the server is starting\n", 503, media_type="text/plain")
        return await metrics_response(app.state.services)

    # A page must not read them through a name of its own that leads here.
    names = Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
    return Starlette(routes=[Route("/metrics", metrics)], middleware=[names])
