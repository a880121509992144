"""Run the engine's gRPC server: its address, models, health service and shutdown."""

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from riva.client.proto import riva_asr_pb2, riva_asr_pb2_grpc

from stream.engine.model.allocator import share_one_arena
from stream.engine.model.devices import Device
from stream.engine.model.models import load_models
from stream.engine.scheduling.scheduler import Scheduler
from stream.engine.server.admission import Admission, default_places
from stream.engine.server.servicer import RecognitionServicer, add_places_to_server
from stream.engine.server.tls import TlsOptions, server_credentials

_SERVICE = riva_asr_pb2.DESCRIPTOR.services_by_name["RivaSpeechRecognition"].full_name

# gRPC refuses calls above this limit whoever makes them, so it is far more than admitted sessions need. Each stream may
# hold an utterance of 24 s, 768 kB: 512 calls bound the memory at 400 MB above the model, and the queue of the
# scheduler, which holds at most one job of each kind for a stream.
_LEAST_CALLS = 512
_CALLS_PER_SESSION = 8
_LARGEST_MESSAGE_BYTES = 32 << 20  # a file of 17 minutes in one Recognize
_GRPC_OPTIONS = (
    ("grpc.so_reuseport", 0),  # a second engine on the same port is a mistake, not a second worker
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),  # our client pings every 20 s
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.max_receive_message_length", _LARGEST_MESSAGE_BYTES),
)
_GRACE_SECONDS = 5.0
STOP_SECONDS = 10.0
"""How long a stop may take: open calls are cancelled before that, and a decode ends in a few seconds."""
_STDIN = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """The options of the server.

    `listen` is `host:port` (port 0 for any) or `unix:/path`; `models` as for `load_models`, none for the bundled one.
    `workers` is how many decodes run at once, None for one on each core. `sessions` is how many sessions may talk at
    once if their work is plain, None for ten for each worker. Models run on `device`. Without `tls` nothing is
    encrypted.
    """

    listen: str = "127.0.0.1:0"
    models: tuple[str, ...] = ()
    workers: int | None = None
    sessions: int | None = None
    device: Device = Device.AUTO
    tls: TlsOptions = field(default_factory=TlsOptions)


class EngineServer:
    """A gRPC server with Riva's speech recognition and grpc.health.v1; use it from one event loop."""

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self._workers = options.workers or os.cpu_count() or 1
        most_sessions = options.sessions or default_places(self._workers, are_streaming=True)
        most_calls = max(_LEAST_CALLS, _CALLS_PER_SESSION * most_sessions)
        self._server = grpc.aio.server(options=_GRPC_OPTIONS, maximum_concurrent_rpcs=most_calls)
        self._health = health.aio.HealthServicer()
        self._scheduler: Scheduler | None = None

    async def start(self) -> str:
        """Bind, load the models, warm them up and serve; return the bound address.

        Raises TlsError when the files for TLS cannot be used, RuntimeError when the address cannot be bound,
        ModelError when a model cannot be used.
        """
        listen = self._options.listen
        credentials = server_credentials(self._options.tls)
        if credentials is None:
            port = self._server.add_insecure_port(listen)
        else:
            port = self._server.add_secure_port(listen, credentials)
        models = await asyncio.to_thread(load_models, self._options.models, self._workers, self._options.device)
        self._scheduler = Scheduler(self._workers)
        sessions = self._options.sessions or default_places(self._workers, are_streaming=models.are_streaming)
        admission = Admission(sessions, self._workers, has_partials=not models.are_streaming)
        servicer = RecognitionServicer(models, self._scheduler, admission)
        riva_asr_pb2_grpc.add_RivaSpeechRecognitionServicer_to_server(servicer, self._server)
        add_places_to_server(servicer, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        for service in ("", _SERVICE):
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
        await self._server.start()
        return listen if listen.startswith("unix:") else f"{listen.rpartition(':')[0]}:{port}"

    @property
    def is_stuck(self) -> bool:
        """Whether a decode will never end, so that its worker is lost although the server answers."""
        return self._scheduler is not None and self._scheduler.is_stuck

    async def stop(self, grace_seconds: float) -> None:
        """Report NOT_SERVING, refuse new calls, and cancel open ones after `grace_seconds`."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace_seconds)
        if self._scheduler:
            await self._scheduler.close()


@dataclass(frozen=True, slots=True)
class Beats:
    """A heartbeat for a supervisor: `beat` is called every `seconds` from the start on while the server works."""

    seconds: float
    beat: Callable[[], None]


async def run(
    options: EngineOptions,
    *,
    exit_with_stdin: bool,
    ready: Callable[[str], None],
    beats: Beats | None = None,
    ended: asyncio.Event | None = None,
) -> None:
    """Serve until `ended` is set, by default by SIGTERM or SIGINT, or until stdin closes if asked.

    `ready` is called with the bound address. The stdin of a supervised engine is a pipe from its parent, which closes
    whenever the parent ends.
    """
    share_one_arena()
    loop = asyncio.get_running_loop()
    if ended is None:
        ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
    end = ended.set

    def read_stdin() -> None:
        if not os.read(_STDIN, 4096):
            loop.remove_reader(_STDIN)
            end()

    if exit_with_stdin:
        loop.add_reader(_STDIN, read_stdin)
    server = EngineServer(options)
    beating = asyncio.create_task(_beat(server, beats)) if beats else None
    try:
        ready(await server.start())
        await ended.wait()
    finally:
        await server.stop(_GRACE_SECONDS)
        if beating is not None:
            beating.cancel()


async def _beat(server: EngineServer, beats: Beats) -> None:
    while True:
        if not server.is_stuck:
            beats.beat()
        await asyncio.sleep(beats.seconds)
