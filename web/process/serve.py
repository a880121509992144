"""The running server: its socket, uvicorn around the application, the backend beside it, and a clean stop."""

import asyncio
import math
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING

import structlog
from starlette.types import ASGIApp

from stream.lazy_import import lazy_import
from stream.recognition.recognizer import Recognizer
from stream.tls import PemError
from stream.waiting import is_first
from web.auth.keys import KeysError, check_file
from web.backends.backend import Backend
from web.backends.registry import chosen_backend
from web.clock import Clock, wall_clock
from web.composition.gateway import Gateway, running_gateway
from web.composition.recordings import opened_database
from web.observability.loop_watch import watched_loop
from web.process.descriptors import connections_within, raise_limit
from web.process.metrics_server import HOST as METRICS_HOST
from web.process.metrics_server import metrics_port
from web.process.tls import ServerTls, server_tls
from web.process.wyoming_server import wyoming_server
from web.settings.settings import Settings
from web.settings.wyoming import WyomingSettings
from web.store.database.database import Database, UnusableDatabaseError
from web.transport.connection_table import ConnectionTable
from web.transport.http import HttpConnection
from web.transport.limits import EarlyAnswer, WireConfig, WireLimits, ask_application
from web.transport.server import BACKLOG, GatewayServer
from web.transport.websocket import LiveConnection

if TYPE_CHECKING:
    from web.grpc import server as grpc_service
else:
    grpc_service = lazy_import("web.grpc.server")

# A stop waits for as long as a final may take, then for clients to receive it, then for files and the backend to close.
_FAREWELL_SECONDS = 5.0
_CLOSE_SECONDS = 5.0
_log = structlog.get_logger()


class StartError(Exception):
    """The server cannot start; the text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningServer:
    """A server that listens at `url`; `is_ready` if the recognizer was.

    `drain` lets it end, `force` at once; `stopped` ends with it, and is false if it was stopped by force.
    """

    url: str
    is_ready: bool
    stopped: asyncio.Task[bool]
    drain: Callable[[], None]
    force: Callable[[], None]
    tls: ServerTls | None = None
    grpc_port: int | None = None


def stop_seconds(settings: Settings) -> float:
    """Return how long a stop takes at most, whoever talks and whatever is stuck."""
    return settings.session.final_limit_seconds + _FAREWELL_SECONDS + _CLOSE_SECONDS


@asynccontextmanager
async def running(
    settings: Settings,
    recognizer: Recognizer | None = None,
    *,
    listener: socket.socket | None = None,
    wyoming_listener: socket.socket | None = None,
    wire: WireLimits | None = None,
    clock: Clock = wall_clock,
    watches_loop: bool = False,
) -> AsyncIterator[RunningServer]:
    """Run a server and wait for its recognizer; raises StartError. Leaving the context drains the server.

    `recognizer` stands in for the one that the settings choose. `listener` is a bound socket, closed in the end; unless
    given, one is opened where the settings say, as for `wyoming_listener`, if they have a port for it. `wire` are the
    limits of a connection, those of the settings unless given; `clock` tells the time of day. A server whose loop is
    its own `watches_loop`.
    """
    async with AsyncExitStack() as stack:
        tls = _tls(settings, datetime.fromtimestamp(clock(), UTC))
        if listener is None:
            listener = _listen(settings)
        stack.callback(listener.close)
        database = await stack.enter_async_context(_database(settings))
        await _check_keys(settings)
        backend = Backend(recognizer=recognizer) if recognizer is not None else None
        if backend is None:
            backend = await stack.enter_async_context(chosen_backend(settings.backends).running())
        composed = running_gateway(settings, database, backend.recognizer, clock=clock)
        gateway = await stack.enter_async_context(composed)
        server = _server(gateway, settings, wire, tls)
        if settings.observability.metrics_port is not None:
            metrics_listener = _listen_for_metrics(settings.observability.metrics_port)
            await stack.enter_async_context(metrics_port(gateway.metrics_response, metrics_listener))
        grpc_port = await stack.enter_async_context(_grpc(gateway, settings, tls))
        wyoming_listener = wyoming_listener or _listen_for_wyoming(settings.wyoming)
        await stack.enter_async_context(wyoming_server(gateway.live, settings, wyoming_listener))
        serving = asyncio.create_task(server.run_until_stopped(listener))

        def force() -> None:
            server.force()
            backend.drop()

        try:
            is_ready = await _is_ready(server, backend, serving)
            if backend.gave_up.is_set():
                raise StartError(backend.failure)
            if watches_loop:
                # Stalls during the start hold up nobody and are not counted.
                await stack.enter_async_context(watched_loop(gateway.metrics.loop_stall.set_function))
            yield RunningServer(
                url=_base_url(listener, tls),
                is_ready=is_ready,
                stopped=serving,
                drain=server.drain,
                force=force,
                tls=tls,
                grpc_port=grpc_port,
            )
        finally:
            server.drain()
            await _wait_for_end(serving, stop_seconds(settings))


def _server(gateway: Gateway, settings: Settings, wire: WireLimits | None, tls: ServerTls | None) -> GatewayServer:
    wire = wire or WireLimits(send_seconds=settings.server.send_limit_seconds)
    config = _uvicorn_config(gateway.app, settings, wire, tls, gateway.live.early_answer)
    drain_seconds = settings.session.final_limit_seconds + _FAREWELL_SECONDS
    return GatewayServer(config, gateway.sessions, drain_seconds=drain_seconds)


@asynccontextmanager
async def _grpc(gateway: Gateway, settings: Settings, tls: ServerTls | None) -> AsyncIterator[int | None]:
    """Serve Riva's calls while the context lasts, if there is a port for them; raises StartError."""
    host, port = settings.server.host.strip("[]"), settings.server.grpc_port
    if port is None:
        yield None
        return
    options = grpc_service.GrpcOptions(
        address=f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        key_and_certificate=None if tls is None else (tls.key.read_bytes(), tls.certificate.read_bytes()),
        most_calls=settings.limits.streams,
        stop_seconds=settings.session.final_limit_seconds + _FAREWELL_SECONDS,
    )
    async with AsyncExitStack() as stack:
        try:
            bound = await stack.enter_async_context(
                grpc_service.grpc_server(options, gateway.live, gateway.bodies, gateway.metrics)
            )
        except grpc_service.ListenError:
            raise StartError(
                f"cannot listen on {options.address}, where NIYOSHA_GRPC_PORT is to be served; "
                "stop what uses it, or set another port"
            ) from None
        yield bound


async def _is_ready(server: GatewayServer, backend: Backend, serving: asyncio.Task[bool]) -> bool:
    """Wait until sessions would be admitted; one whose recognizer is down is up all the same."""

    async def admits() -> None:
        await server.listening.wait()
        await backend.recognizer.ready()

    return await is_first(admits(), backend.gave_up.wait(), asyncio.wait([serving]), seconds=backend.ready_seconds)


async def _wait_for_end(serving: asyncio.Task[bool], seconds: float) -> None:
    """Wait until the server has ended, and cancel it after `seconds`; raises what the server raised."""
    await asyncio.wait([serving], timeout=seconds)
    if not serving.done():
        _log.error("stop_cut_off")
        serving.cancel()
    elif not serving.cancelled():
        serving.result()


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Database]:
    """Open the database while the context lasts; raises StartError."""
    async with AsyncExitStack() as stack:
        try:
            database = await stack.enter_async_context(opened_database(settings.store))
        except UnusableDatabaseError as error:
            raise StartError(str(error)) from None
        yield database


async def _check_keys(settings: Settings) -> None:
    if settings.access.token_jwks is not None:
        try:
            await check_file(settings.access.token_jwks)
        except KeysError as error:
            raise StartError(f"NIYOSHA_TOKEN_JWKS is {settings.access.token_jwks!r}: {error}") from None


def _listen(settings: Settings) -> socket.socket:
    host, port = settings.server.host, settings.server.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with _start_errors(f"cannot listen on {host} port {port}", "choose another port with --port"):
        return socket.create_server((host.strip("[]"), port), family=family, backlog=BACKLOG)


def _listen_for_metrics(port: int) -> socket.socket:
    with _start_errors(
        f"cannot serve metrics on {METRICS_HOST} port {port}", "set NIYOSHA_METRICS_PORT to another one"
    ):
        return socket.create_server((METRICS_HOST, port))


def _listen_for_wyoming(wyoming: WyomingSettings) -> socket.socket | None:
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


def _tls(settings: Settings, now: datetime) -> ServerTls | None:
    try:
        return server_tls(settings.server, now)
    except PemError as error:
        raise StartError(f"TLS is not possible: {error}") from None


def _uvicorn_config(
    app: ASGIApp,
    settings: Settings,
    wire: WireLimits,
    tls: ServerTls | None = None,
    early_answer: EarlyAnswer = ask_application,
) -> WireConfig:
    return WireConfig(
        app,
        wire,
        early_answer,
        connection_table=_connection_table(settings),
        http=HttpConnection,
        ws=LiveConnection,
        ws_max_size=settings.server.max_message_bytes,
        # PCM does not compress, and a compressor costs up to 90 KiB a connection.
        ws_per_message_deflate=False,
        ssl_context_factory=None if tls is None else lambda _config, _default: tls.context,
        proxy_headers=bool(settings.server.trusted_proxies),
        forwarded_allow_ips=[str(network) for network in settings.server.trusted_proxies],
        # A request that was taken before the stop gets its answer.
        timeout_graceful_shutdown=math.ceil(settings.session.final_limit_seconds),
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
    )


def _connection_table(settings: Settings) -> ConnectionTable:
    def is_proxy(host: str) -> bool:
        return any(ip_address(host) in network for network in settings.server.trusted_proxies)

    most = connections_within(raise_limit())
    return ConnectionTable(most=most, of_source=settings.server.connections_per_address, is_proxy=is_proxy)


def _base_url(listener: socket.socket, tls: ServerTls | None) -> str:
    address = listener.getsockname()
    if isinstance(address, str):
        return f"unix:{address}"
    scheme = "http" if tls is None else "https"
    host, port = address[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
