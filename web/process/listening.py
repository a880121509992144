"""What a server needs before it serves: its sockets, TLS, database and keys; each error says what to do."""

import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime

from stream.tls import PemError
from web.auth.keys import KeysError, check_file
from web.clock import Clock
from web.composition.recordings import opened_database
from web.process.metrics_server import HOST as METRICS_HOST
from web.process.tls import ServerTls, server_tls
from web.settings.settings import Settings
from web.settings.wyoming import WyomingSettings
from web.store.database.database import Database, UnusableDatabaseError
from web.transport.server import BACKLOG

ALL_ADDRESSES = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  compared, not listened on
"""The addresses that stand for all of a machine, and the one of each where it is reached by itself."""


class StartError(Exception):
    """The server cannot start; the text says why and what to do."""


def listen(settings: Settings) -> socket.socket:
    """Open the socket that the settings name; raises StartError."""
    host, port = settings.server.host, settings.server.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with _start_errors(f"cannot listen on {host} port {port}", "choose another port with --port"):
        return socket.create_server((host.strip("[]"), port), family=family, backlog=BACKLOG)


def listen_for_metrics(port: int) -> socket.socket:
    """Open the loopback socket of the metrics; raises StartError."""
    with _start_errors(
        f"cannot serve metrics on {METRICS_HOST} port {port}", "set NIYOSHA_METRICS_PORT to another one"
    ):
        return socket.create_server((METRICS_HOST, port))


def listen_for_wyoming(wyoming: WyomingSettings) -> socket.socket | None:
    """Open the socket of the Wyoming protocol, None where there is no port for it; raises StartError."""
    host, port = wyoming.host, wyoming.port
    if port is None:
        return None
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with _start_errors(f"cannot serve Wyoming on {host} port {port}", "set NIYOSHA_WYOMING_PORT to another one"):
        return socket.create_server((host.strip("[]"), port), family=family)


@contextmanager
def _start_errors(problem: str, remedy: str) -> Iterator[None]:
    """Say in words why an address cannot be listened on."""
    try:
        yield
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise StartError(f"{problem}: {why}; stop what uses it, or {remedy}") from None


def tls_of(settings: Settings, clock: Clock) -> ServerTls | None:
    """Read the certificate, or make one; None for plain HTTP. Raises StartError. `clock` tells the time of day."""
    try:
        return server_tls(settings.server, datetime.fromtimestamp(clock(), UTC))
    except PemError as error:
        raise StartError(f"TLS is not possible: {error}") from None


@asynccontextmanager
async def usable_database(settings: Settings) -> AsyncIterator[Database]:
    """Open the database while the context lasts; raises StartError."""
    async with AsyncExitStack() as stack:
        try:
            database = await stack.enter_async_context(opened_database(settings.store))
        except UnusableDatabaseError as error:
            raise StartError(str(error)) from None
        yield database


async def check_keys(settings: Settings) -> None:
    """Raise StartError if the keys of tokens cannot be read."""
    if settings.access.token_jwks is not None:
        try:
            await check_file(settings.access.token_jwks)
        except KeysError as error:
            raise StartError(f"NIYOSHA_TOKEN_JWKS is {settings.access.token_jwks!r}: {error}") from None


def base_url(listener: socket.socket, tls: ServerTls | None) -> str:
    """Return where a socket is reached on this machine."""
    address = listener.getsockname()
    if isinstance(address, str):
        return f"unix:{address}"
    scheme = "http" if tls is None else "https"
    host, port = address[:2]
    # Not every program connects to the address that stands for all of them.
    host = ALL_ADDRESSES.get(host, host)
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
