"""Owns the running server: its socket, uvicorn around the application, the engine beside it, and a clean stop."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from stream.recognizer import Recognizer
from web.app import create_app
from web.engine_child import Way, riva_or_engine
from web.services import opened
from web.sessions import Sessions
from web.settings import Settings
from web.store.database import UnusableDatabaseError

# Longer than a final may take, so that a stop cuts nobody off.
_DRAIN_SECONDS = 30.0
_READY_POLL_SECONDS = 0.02
_BACKLOG = 512


class StartError(Exception):
    """The server cannot start; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that listens at `url`; `is_ready` if the recognizer was, `stopped` ends with it."""

    url: str
    is_ready: bool
    stopped: asyncio.Task[None]


class GatewayServer(uvicorn.Server):
    """uvicorn that lets open sessions deliver what was said before it goes; a second signal goes at once."""

    def __init__(self, config: uvicorn.Config, sessions: Sessions, *, handles_signals: bool) -> None:
        super().__init__(config)
        self._sessions = sessions
        self._handles_signals = handles_signals
        self._drain_until: float | None = None

    def drain(self) -> None:
        """Stop taking sessions, let the open ones end, then exit."""
        self._drain_until = asyncio.get_running_loop().time() + _DRAIN_SECONDS
        self._sessions.drain()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if not self._handles_signals:
            yield
            return
        with super().capture_signals():
            yield
            # A drained server ends with exit code 0, not by the signal that asked for it.
            self._captured_signals.clear()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._sessions.is_draining:
            super().handle_exit(sig, frame)
        else:
            # A signal handler may run between any two steps of a task; the loop drains at its next tick.
            self._sessions.is_draining = True

    async def on_tick(self, counter: int) -> bool:
        if self._sessions.is_draining and self._drain_until is None:
            self.drain()
        if self._drain_until is not None:
            is_late = asyncio.get_running_loop().time() >= self._drain_until
            self.should_exit = self.should_exit or is_late or not len(self._sessions)
        return await super().on_tick(counter)


@asynccontextmanager
async def running(
    settings: Settings, recognizer: Recognizer | None = None, *, handles_signals: bool = False
) -> AsyncIterator[RunningServer]:
    """Run a server and wait for its recognizer; raises StartError. Leaving the context drains the server."""
    async with AsyncExitStack() as stack:
        listener = _listen(settings)
        stack.callback(listener.close)
        await _check_database(settings)
        if recognizer is None:
            way = await stack.enter_async_context(riva_or_engine(settings))
        else:
            way = Way(recognizer)
        app = create_app(settings, way.recognizer)
        server = GatewayServer(_uvicorn_config(app, settings), app.state.sessions, handles_signals=handles_signals)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            is_ready = await _is_ready_within(
                way.ready_seconds,
                lambda: server.started and app.state.recognizer.is_ready,
                lambda: serving.done() or way.gave_up.is_set(),
            )
            if way.gave_up.is_set():
                raise StartError("the embedded engine cannot start; it says why above")
            yield RunningServer(_base_url(listener), is_ready, serving)
        finally:
            server.drain()
            await serving


async def _check_database(settings: Settings) -> None:
    """Say in words what the application, in the middle of its start, could only fail with."""
    try:
        async with opened(settings.database_url):
            pass
    except UnusableDatabaseError as error:
        raise StartError(str(error)) from None


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host.strip("[]"), settings.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise StartError(
            f"cannot listen on {settings.host} port {settings.port}: {os.strerror(error.errno or 0)}; "
            "stop what uses it, or choose another port with --port"
        ) from None


def _uvicorn_config(app: Starlette, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        ws="websockets-sansio",
        ws_max_size=settings.max_message_bytes,
        # PCM does not compress, and a compressor costs up to 90 KiB a connection.
        ws_per_message_deflate=False,
        # While audio waits for the recognizer the socket is not read, and no pong is seen.
        ws_ping_timeout=settings.final_limit_seconds + settings.send_limit_seconds,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
    )


async def _is_ready_within(seconds: float, is_ready: Callable[[], bool], is_over: Callable[[], bool]) -> bool:
    """Wait until sessions would be admitted; a server whose Riva is down is up all the same."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not is_ready():
        if is_over() or asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(_READY_POLL_SECONDS)
    return True


def _base_url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
