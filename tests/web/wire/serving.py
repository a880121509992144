"""Any application served as the gateway is: its protocols, its limits, its way to stop."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from web.connections.limits import TurnAway, WireLimits, nobody
from web.connections.server import GatewayServer
from web.serve import _uvicorn_config
from web.sessions import Sessions
from web.settings import Settings
from web.tls import server_tls


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
async def serving(
    app: Starlette,
    settings: Settings | None = None,
    wire: WireLimits | None = None,
    turn_away: TurnAway = nobody,
) -> AsyncIterator[tuple[GatewayServer, int]]:
    """Serve it on a port of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    settings = settings or Settings(port=0)
    config = _uvicorn_config(app, settings, wire or WireLimits(), server_tls(settings, datetime.now(UTC)), turn_away)
    server = GatewayServer(config, Sessions(), drain_seconds=5, handles_signals=False)
    running = asyncio.create_task(server.run_until_stopped(listener))
    try:
        async with asyncio.timeout(10):
            while not server.started:
                await asyncio.sleep(0.01)
        yield server, listener.getsockname()[1]
    finally:
        server.drain()
        async with asyncio.timeout(30):
            await running
