"""Any application, served with the gateway's protocols, limits and stop."""

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from stream.waiting import first_of
from tests.support.loops.virtual_time import VirtualTimeLoop
from tests.support.processes import STUCK_SECONDS
from web.live.registry import Sessions
from web.process.serve import _uvicorn_config
from web.process.tls import server_tls
from web.settings.settings import Settings
from web.transport.limits import EarlyAnswer, WireLimits, ask_application
from web.transport.server import GatewayServer


async def echo(websocket: WebSocket) -> None:
    """Send every message back as it came."""
    await websocket.accept()
    try:
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            await websocket.send({**message, "type": "websocket.send"})
    except WebSocketDisconnect:
        return


def echoing() -> Starlette:
    return Starlette(routes=[WebSocketRoute("/echo", echo)])


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[socket.socket, int | str]]:
    """A listener on loopback and its port; on the virtual clock a Unix socket and its path.

    What is sent over a Unix socket is there at once, so that no timer can overtake it.
    """
    if not isinstance(asyncio.get_running_loop(), VirtualTimeLoop):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            yield listener, listener.getsockname()[1]
        return
    # Not pytest's own directory: a socket's path is short.
    with tempfile.TemporaryDirectory(prefix="niyosha-") as folder, socket.socket(socket.AF_UNIX) as listener:
        path = f"{folder}/socket"
        listener.bind(path)
        yield listener, path


@asynccontextmanager
async def serving(
    app: Starlette,
    settings: Settings | None = None,
    wire: WireLimits | None = None,
    early_answer: EarlyAnswer = ask_application,
    *,
    sessions: Sessions | None = None,
    drain_seconds: float = 5.0,
) -> AsyncIterator[tuple[GatewayServer, int | str]]:
    """Serve it where `listening` says; the server and the place come back."""
    settings = settings or Settings(port=0)
    config = _uvicorn_config(
        app,
        settings,
        wire or WireLimits(send_seconds=30.0),
        server_tls(settings.server, datetime.now(UTC)),
        early_answer,
    )
    # `or` would take a new one for one that is empty now.
    sessions = Sessions() if sessions is None else sessions
    server = GatewayServer(config, sessions, drain_seconds=drain_seconds)
    async with listening() as (listener, place):
        running = asyncio.create_task(server.run_until_stopped(listener))
        try:
            assert await first_of(server.listening.wait(), asyncio.wait([running]), seconds=STUCK_SECONDS)
            yield server, place
        finally:
            server.drain()
            async with asyncio.timeout(STUCK_SECONDS):
                await running
