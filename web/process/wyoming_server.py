"""Wyoming's port, as the settings have it."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from web.auth.caller import LOCAL_OWNER
from web.live.endpoint import Live
from web.settings.settings import Settings
from web.transport.connection_table import ConnectionTable
from web.transport.wyoming import MOST_CONNECTIONS, PortLimits, WyomingPort, wyoming_port


@asynccontextmanager
async def wyoming_server(live: Live, settings: Settings, listener: socket.socket | None) -> AsyncIterator[None]:
    """Serve Wyoming on a socket that listens, which is closed in the end, while the context lasts; None for no port."""
    if listener is None:
        yield
        return
    port = WyomingPort(
        live=live,
        owner=settings.wyoming.owner or LOCAL_OWNER,
        limits=PortLimits(idle_seconds=settings.session.idle_limit_seconds),
        table=ConnectionTable(most=MOST_CONNECTIONS, of_source=MOST_CONNECTIONS),
    )
    async with wyoming_port(port, listener):
        yield
