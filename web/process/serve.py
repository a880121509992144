"""The running server: its socket, uvicorn around the application, the backend beside it, and a clean stop."""

import asyncio
import math
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address

import structlog
from starlette.types import ASGIApp

from stream.recognition.recognizer import Recognizer
from stream.waiting import is_first
from web.backends.backend import Backend, Host
from web.backends.registry import chosen_backend
from web.clock import Clock, wall_clock
from web.composition.gateway import Gateway, running_gateway
from web.observability.loop_watch import watched_loop
from web.process.descriptors import connections_within, raise_limit
from web.process.grpc_port import grpc_port_of
from web.process.listening import (
    StartError,
    base_url,
    check_keys,
    listen,
    listen_for_metrics,
    listen_for_wyoming,
    tls_of,
    usable_database,
)
from web.process.metrics_server import metrics_port
from web.process.tls import ServerTls
from web.process.wyoming_server import wyoming_server
from web.settings.settings import Settings
from web.transport.accepting import ConnectionCounts
from web.transport.connection_table import ConnectionTable
from web.transport.http import HttpConnection
from web.transport.limits import EarlyAnswer, WireConfig, WireLimits, ask_application
from web.transport.server import GatewayServer
from web.transport.websocket import LiveConnection
from web.workers.seat import Seat

# A stop waits for as long as a final may take, then for clients to receive it, then for files and the backend to close.
_FAREWELL_SECONDS = 5.0
_CLOSE_SECONDS = 5.0
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerParts:
    """What a server that is one of several workers has of the others: a seat, their backend, their connections."""

    seat: Seat
    host: Host
    counts: ConnectionCounts
    grpc_port: int | None
    watch: Callable[[Gateway], AbstractAsyncContextManager[None]]
    """Lets the parent read the metrics of this worker while the context lasts."""


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
    return _drain_seconds(settings) + _CLOSE_SECONDS


def _drain_seconds(settings: Settings) -> float:
    return settings.session.final_limit_seconds + _FAREWELL_SECONDS


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
    worker: WorkerParts | None = None,
) -> AsyncIterator[RunningServer]:
    """Run a server and wait for its recognizer; raises StartError. Leaving the context drains the server.

    `recognizer` stands in for the one that the settings choose. `listener` is a bound socket, closed in the end; unless
    given, one is opened where the settings say, as for `wyoming_listener`, if they have a port for it. `wire` are the
    limits of a connection, those of the settings unless given; `clock` tells the time of day. A server whose loop is
    its own `watches_loop`. One of several workers is given what it has of the others; their parent serves the metrics.
    """
    async with AsyncExitStack() as stack:
        tls = tls_of(settings, clock)
        if listener is None:
            listener = listen(settings)
        stack.callback(listener.close)
        database = await stack.enter_async_context(usable_database(settings))
        await check_keys(settings)
        backend = Backend(recognizer=recognizer) if recognizer is not None else None
        if backend is None:
            backend = await stack.enter_async_context(_backend(settings, worker))
        seat = None if worker is None else worker.seat
        composed = running_gateway(settings, database, backend.recognizer, clock=clock, seat=seat)
        gateway = await stack.enter_async_context(composed)
        server = _server(gateway, settings, wire, tls, worker)
        if worker is not None:
            await stack.enter_async_context(worker.watch(gateway))
        else:
            wyoming_listener = wyoming_listener or listen_for_wyoming(settings.wyoming)
            await stack.enter_async_context(_metrics_port(gateway, settings))
        shared_port = None if worker is None else worker.grpc_port
        calls = grpc_port_of(gateway, settings, tls, shared_port=shared_port, stop_seconds=_drain_seconds(settings))
        grpc_port = await stack.enter_async_context(calls)
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
                url=base_url(listener, tls),
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


def _backend(settings: Settings, worker: WorkerParts | None) -> AbstractAsyncContextManager[Backend]:
    chosen = chosen_backend(settings.backends)
    return chosen.running() if worker is None else chosen.joined(worker.host, worker.seat.share)


def _server(
    gateway: Gateway, settings: Settings, wire: WireLimits | None, tls: ServerTls | None, worker: WorkerParts | None
) -> GatewayServer:
    wire = wire or WireLimits(send_seconds=settings.server.send_limit_seconds)
    config = _uvicorn_config(gateway.app, settings, wire, tls, gateway.live.early_answer, worker=worker)
    counts = None if worker is None else worker.counts
    return GatewayServer(config, gateway.sessions, drain_seconds=_drain_seconds(settings), counts=counts)


@asynccontextmanager
async def _metrics_port(gateway: Gateway, settings: Settings) -> AsyncIterator[None]:
    """Serve the metrics of this process while the context lasts, if there is a port for them; raises StartError."""
    async with AsyncExitStack() as stack:
        if settings.observability.metrics_port is not None:
            listener = listen_for_metrics(settings.observability.metrics_port)
            await stack.enter_async_context(metrics_port(gateway.own_metrics.response, listener))
        yield


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


def _uvicorn_config(
    app: ASGIApp,
    settings: Settings,
    wire: WireLimits,
    tls: ServerTls | None = None,
    early_answer: EarlyAnswer = ask_application,
    *,
    worker: WorkerParts | None = None,
) -> WireConfig:
    return WireConfig(
        app,
        wire,
        early_answer,
        connection_table=_connection_table(settings, worker),
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


def _connection_table(settings: Settings, worker: WorkerParts | None) -> ConnectionTable:
    def is_proxy(host: str) -> bool:
        return any(ip_address(host) in network for network in settings.server.trusted_proxies)

    most, of_source = connections_within(raise_limit()), settings.server.connections_per_address
    if worker is None:
        return ConnectionTable(most=most, of_source=of_source, is_proxy=is_proxy)
    # The connections of an address are spread as all are, so that a worker gets about its share of them.
    of_source = worker.seat.share.limit(of_source)
    return ConnectionTable(most=most, of_source=of_source, is_proxy=is_proxy, on_change=worker.counts.publish)
