"""Owns the running server: its socket, uvicorn around the application, the engine beside it, and a clean stop."""

import asyncio
import math
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address

import structlog
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.types import ASGIApp

from stream.recognition.recognizer import Recognizer
from stream.riva import RivaOptions
from stream.tls import PemError
from web.app import create_app
from web.auth.keys import KeysError, check_file
from web.clock import Clock, wall_clock
from web.composition import opened
from web.live.endpoint import Live
from web.observability.loop_watch import watched_loop
from web.process.descriptors import connections_within, raise_limit
from web.process.engine_process import Way, riva_or_engine
from web.process.metrics_server import HOST as METRICS_HOST
from web.process.metrics_server import metrics_port
from web.process.tls import ServerTls, server_tls
from web.settings.settings import Settings
from web.store.database.database import UnusableDatabaseError
from web.transport.http import HttpConnection
from web.transport.limits import EarlyAnswer, WireConfig, WireLimits, ask_application
from web.transport.roster import Roster
from web.transport.server import BACKLOG, GatewayServer
from web.transport.websocket import LiveConnection

# A stop waits for as long as a final may take, so long for the client to hear it, and then for files and the engine.
_TELL_SECONDS = 5.0
_CLOSE_SECONDS = 5.0
_READY_POLL_SECONDS = 0.02
_log = structlog.get_logger()


class StartError(Exception):
    """The server cannot start; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
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


def stop_seconds(settings: Settings) -> float:
    """How long a stop takes at most, whoever talks and whatever is stuck."""
    return settings.final_limit_seconds + _TELL_SECONDS + _CLOSE_SECONDS


@asynccontextmanager
async def running(
    settings: Settings,
    recognizer: Recognizer | RivaOptions | None = None,
    *,
    listener: socket.socket | None = None,
    wire: WireLimits | None = None,
    clock: Clock = wall_clock,
    watches_loop: bool = False,
) -> AsyncIterator[RunningServer]:
    """Run a server and wait for its recognizer; raises StartError. Leaving the context drains the server.

    `listener` is a bound socket, closed in the end; unless given, one is opened where the settings say. `wire` are the
    limits of a connection, those of the settings unless given; `clock` tells the time of day. A server whose loop
    is its own `watches_loop`.
    """
    async with AsyncExitStack() as stack:
        tls = _tls(settings, datetime.fromtimestamp(clock(), UTC))
        if listener is None:
            listener = _listen(settings)
        stack.callback(listener.close)
        await _check_database(settings)
        await _check_keys(settings)
        if recognizer is None:
            way = await stack.enter_async_context(riva_or_engine(settings))
        else:
            way = Way(recognizer)
        app = create_app(settings, way.recognizer, clock=clock)
        wire = wire or WireLimits(send_seconds=settings.send_limit_seconds)
        config = _uvicorn_config(app, settings, wire, tls, _early_answer(app))
        drain_seconds = settings.final_limit_seconds + _TELL_SECONDS
        server = GatewayServer(config, app.state.sessions, drain_seconds=drain_seconds)
        if settings.metrics_port is not None:
            await stack.enter_async_context(metrics_port(app, _listen_for_metrics(settings.metrics_port)))
        serving = asyncio.create_task(server.run_until_stopped(listener))

        def force() -> None:
            server.force()
            way.drop()

        try:
            is_ready = await _is_ready_within(
                way.ready_seconds,
                lambda: server.started and app.state.recognizer.is_ready,
                lambda: serving.done() or way.gave_up.is_set(),
            )
            if way.gave_up.is_set():
                raise StartError("the embedded engine cannot start; it says why above")
            if watches_loop:
                # What holds it up before holds up nobody.
                await stack.enter_async_context(watched_loop(app.state.metrics.loop_stall.set_function))
            yield RunningServer(_base_url(listener, tls), is_ready, serving, server.drain, force, tls)
        finally:
            server.drain()
            await _ended(serving, stop_seconds(settings))


async def _ended(serving: asyncio.Task[bool], seconds: float) -> None:
    """Wait for the end of a server, and leave one alone that does not come to it; raises what it raised."""
    await asyncio.wait([serving], timeout=seconds)
    if not serving.done():
        _log.error("stop_cut_off")
        serving.cancel()
    elif not serving.cancelled():
        serving.result()


async def _check_database(settings: Settings) -> None:
    """Say in words what the application, in the middle of its start, could only fail with."""
    try:
        async with opened(settings.database_url):
            pass
    except UnusableDatabaseError as error:
        raise StartError(str(error)) from None


async def _check_keys(settings: Settings) -> None:
    if settings.token_jwks is not None:
        try:
            await check_file(settings.token_jwks)
        except KeysError as error:
            raise StartError(f"NIYOSHA_TOKEN_JWKS is {settings.token_jwks!r}: {error}") from None


def _listen(settings: Settings) -> socket.socket:
    host, port = settings.host, settings.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with _told_why(f"cannot listen on {host} port {port}", "choose another port with --port"):
        return socket.create_server((host.strip("[]"), port), family=family, backlog=BACKLOG)


def _listen_for_metrics(port: int) -> socket.socket:
    with _told_why(f"cannot serve metrics on {METRICS_HOST} port {port}", "set NIYOSHA_METRICS_PORT to another one"):
        return socket.create_server((METRICS_HOST, port))


@contextmanager
def _told_why(problem: str, remedy: str) -> Iterator[None]:
    """Say in words why an address cannot be listened on."""
    try:
        yield
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise StartError(f"{problem}: {why}; stop what uses it, or {remedy}") from None


def _tls(settings: Settings, now: datetime) -> ServerTls | None:
    try:
        return server_tls(settings, now)
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
        roster=_roster(settings),
        http=HttpConnection,
        ws=LiveConnection,
        ws_max_size=settings.max_message_bytes,
        # PCM does not compress, and a compressor costs up to 90 KiB a connection.
        ws_per_message_deflate=False,
        ssl_context_factory=None if tls is None else lambda _config, _default: tls.context,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=[str(network) for network in settings.trusted_proxies],
        # A request that was taken before the stop gets its answer.
        timeout_graceful_shutdown=math.ceil(settings.final_limit_seconds),
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
    )


def _roster(settings: Settings) -> Roster:
    def is_proxy(host: str) -> bool:
        return any(ip_address(host) in network for network in settings.trusted_proxies)

    most = connections_within(raise_limit())
    return Roster(most=most, of_source=settings.connections_per_address, is_proxy=is_proxy)


def _early_answer(app: Starlette) -> EarlyAnswer:
    def early_answer(host: str) -> Response | None:
        live: Live = app.state.live  # there once the application has started
        return live.turn_away(host)

    return early_answer


async def _is_ready_within(seconds: float, is_ready: Callable[[], bool], is_over: Callable[[], bool]) -> bool:
    """Wait until sessions would be admitted; a server whose Riva is down is up all the same."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not is_ready():
        if is_over() or asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(_READY_POLL_SECONDS)
    return True


def _base_url(listener: socket.socket, tls: ServerTls | None) -> str:
    address = listener.getsockname()
    if isinstance(address, str):
        return f"unix:{address}"
    scheme = "http" if tls is None else "https"
    host, port = address[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
