"""Small Riva servers whose answers the tests choose, with whatever TLS, health and limits they want.

On the virtual clock they are in memory, see tests/support/memory_grpc.py.
"""

import asyncio
import contextlib
import math
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import trustme
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from riva.client.proto import riva_asr_pb2 as pb
from riva.client.proto import riva_asr_pb2_grpc

from stream.riva import RivaOptions, RivaRecognizer, TlsOptions
from stream.session.events import Hypothesis, RecognitionOptions
from stream.waiting import Changes
from tests.support.memory_grpc import MemoryServer, is_in_memory, open_here

OPTIONS = RecognitionOptions("en-US")
SECOND = bytes(32000)
Context = grpc.aio.ServicerContext[Any, Any]


def row(language: str = "en-US", mode: str = "online", name: str = "", **abilities: str) -> dict[str, str]:
    return {"name": name, "type": mode, "language_code": language, **abilities}


@dataclass
class ScriptedRiva(riva_asr_pb2_grpc.RivaSpeechRecognitionServicer):  # type: ignore[misc]
    """Says how many seconds it heard with each message; `fault` happens after two seconds.

    `refusal` meets every stream at once, `config_fault` the question for the models. One that `is_quiet` says nothing
    before it hears something.
    """

    fault: grpc.StatusCode | None = None
    refusal: grpc.StatusCode | None = None
    refusal_metadata: tuple[tuple[str, str], ...] = ()
    config_fault: grpc.StatusCode | None = None
    is_quiet: bool = False
    rows: Sequence[dict[str, str]] = field(default_factory=lambda: [row()])
    opened: list[pb.StreamingRecognitionConfig] = field(default_factory=list)
    metadata: list[dict[str, Any]] = field(default_factory=list)
    peers: list[str] = field(default_factory=list)
    discoveries: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    # While cleared, questions for the models stay unanswered.
    answers: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.answers.set()

    async def GetRivaSpeechRecognitionConfig(  # noqa: N802
        self, _request: pb.RivaSpeechRecognitionConfigRequest, context: Context
    ) -> pb.RivaSpeechRecognitionConfigResponse:
        self._saw(context)
        self.discoveries += 1
        await self.answers.wait()
        if self.config_fault is not None:
            await context.abort(self.config_fault, "as the script says")
        rows = [
            pb.RivaSpeechRecognitionConfigResponse.Config(
                model_name=parameters["name"], parameters={k: v for k, v in parameters.items() if k != "name"}
            )
            for parameters in self.rows
        ]
        return pb.RivaSpeechRecognitionConfigResponse(model_config=rows)

    async def StreamingRecognize(  # noqa: N802
        self, requests: AsyncIterator[pb.StreamingRecognizeRequest], context: Context
    ) -> AsyncIterator[pb.StreamingRecognizeResponse]:
        self._saw(context)
        self.peers.append(context.peer())
        asyncio.current_task().add_done_callback(lambda _: self.ended.set())  # type: ignore[union-attr]
        if self.refusal is not None:
            await context.abort(self.refusal, "as the script says", self.refusal_metadata)
        heard_bytes = seconds = 0
        async for request in requests:
            if request.HasField("streaming_config"):
                self.opened.append(request.streaming_config)
                if not self.is_quiet:
                    yield pb.StreamingRecognizeResponse()
                continue
            heard_bytes += len(request.audio_content)
            seconds = heard_bytes // len(SECOND)
            if seconds == 2 and self.fault is grpc.StatusCode.OK:
                return
            if seconds == 2 and self.fault is not None:
                await context.abort(self.fault, "as the script says")
            yield _response(seconds, is_final=False)
        # The final counts to the last sample, as servers do: speech of which it does not speak is asked for again.
        yield _response(seconds, is_final=True, processed=heard_bytes / len(SECOND))

    def _saw(self, context: Context) -> None:
        self.metadata.append(_metadata(context))


def _response(seconds: int, *, is_final: bool, processed: float | None = None) -> pb.StreamingRecognizeResponse:
    alternative = pb.SpeechRecognitionAlternative(transcript=" ".join(f"s{n}" for n in range(seconds)))
    heard = seconds if processed is None else processed
    result = pb.StreamingRecognitionResult(alternatives=[alternative], is_final=is_final, audio_processed=heard)
    return pb.StreamingRecognizeResponse(results=[result])


class ScriptedHealth(health.aio.HealthServicer):  # type: ignore[misc]
    """gRPC's own health service; it remembers the metadata of each question, and `fault` meets all of them.

    While `answers` is cleared, they stay unanswered.
    """

    def __init__(self) -> None:
        super().__init__()
        self.metadata: list[dict[str, Any]] = []
        self.fault: grpc.StatusCode | None = None
        self.answers = asyncio.Event()
        self.answers.set()

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Context) -> Any:  # noqa: N802
        self.metadata.append(_metadata(context))
        await self.answers.wait()
        if self.fault is not None:
            await context.abort(self.fault, "as the script says")
        return await super().Check(request, context)


def _metadata(context: Context) -> dict[str, Any]:
    return {str(key): value for key, value in context.invocation_metadata() or ()}


@dataclass
class Served:
    """A server that runs, and the means to spoil it."""

    address: str
    server: grpc.aio.Server | MemoryServer
    health: ScriptedHealth

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    async def say(self, *, is_serving: bool) -> None:
        states = health_pb2.HealthCheckResponse
        await self.health.set("", states.SERVING if is_serving else states.NOT_SERVING)

    async def stop(self) -> None:
        await self.server.stop(None)

    def lose_connections(self) -> None:
        """Let the connections that there are lead nowhere; only in memory."""
        assert isinstance(self.server, MemoryServer)
        self.server.lose_connections()


@asynccontextmanager
async def serving(
    riva: ScriptedRiva | None,
    *,
    port: int = 0,
    path: str | None = None,
    has_health_service: bool = True,
    credentials: grpc.ServerCredentials | None = None,
    most_streams: int | None = None,
) -> AsyncIterator[Served]:
    """Run a server on loopback, or at the Unix socket `path`; without `riva` it is some other gRPC server."""
    server = _server(most_streams)
    health_servicer = ScriptedHealth()
    if riva is not None:
        riva_asr_pb2_grpc.add_RivaSpeechRecognitionServicer_to_server(riva, server)
    if has_health_service:
        health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    if isinstance(server, MemoryServer):
        address = server.address
    else:
        place = f"127.0.0.1:{port}" if path is None else f"unix:{path}"
        bound = server.add_secure_port(place, credentials) if credentials else server.add_insecure_port(place)
        address = f"127.0.0.1:{bound}"
    served = Served(address, server, health_servicer)
    await served.say(is_serving=True)
    await server.start()
    try:
        yield served
    finally:
        await served.stop()


def _server(most_streams: int | None) -> grpc.aio.Server | MemoryServer:
    if is_in_memory():
        return MemoryServer(most_streams=math.inf if most_streams is None else most_streams)
    options: list[tuple[str, int]] = [("grpc.so_reuseport", 0)]
    if most_streams is not None:
        options.append(("grpc.max_concurrent_streams", most_streams))
    return grpc.aio.server(options=options)


@asynccontextmanager
async def recognizing(*addresses: str, changes: Changes | None = None, **options: Any) -> AsyncIterator[RivaRecognizer]:
    recognizer = RivaRecognizer(RivaOptions(uris=addresses, **options), open_here, changes=changes)
    try:
        yield recognizer
    finally:
        await recognizer.close()


async def converse(recognizer: RivaRecognizer, seconds: int = 1) -> list[Hypothesis]:
    """Recognize so many seconds; what only acknowledges is left out."""
    stream = await recognizer.open(OPTIONS)
    try:
        for _ in range(seconds):
            await stream.send(SECOND)
        await stream.finish()
        return [answer async for answer in stream.hypotheses() if isinstance(answer, Hypothesis)]
    finally:
        await stream.abandon()


Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(connected: Connected, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A port where `connected` deals with each connection, which is closed after it or at the end."""
    writers: list[asyncio.StreamWriter] = []
    tasks: list[asyncio.Task[None] | None] = []

    async def deal_with(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        tasks.append(asyncio.current_task())
        with contextlib.suppress(OSError):
            await connected(reader, writer)
        writer.close()

    server = await asyncio.start_server(deal_with, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await asyncio.gather(*(task for task in tasks if task is not None))
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)


async def bridge(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, swallows: Callable[[], bool] = lambda: False
) -> None:
    """Lead a connection on to another port; what comes while it `swallows` is lost in silence."""
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)

    async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                if not swallows():
                    sink.write(data)
        sink.close()

    await asyncio.gather(carry(reader, far_writer), carry(far_reader, writer))
    with contextlib.suppress(OSError):
        await far_writer.wait_closed()


def server_credentials(ca: trustme.CA, *names: str, client_ca: trustme.CA | None = None) -> grpc.ServerCredentials:
    """Credentials for a server of these names; with `client_ca` its clients need a certificate from it."""
    certificate = ca.issue_cert(*names or ("localhost", "127.0.0.1"))
    return grpc.ssl_server_credentials(
        [(certificate.private_key_pem.bytes(), b"".join(pem.bytes() for pem in certificate.cert_chain_pems))],
        root_certificates=None if client_ca is None else client_ca.cert_pem.bytes(),
        require_client_auth=client_ca is not None,
    )


def client_tls(ca: trustme.CA, client: trustme.LeafCert | None = None, server_name: str | None = None) -> TlsOptions:
    return TlsOptions(
        ca=ca.cert_pem.bytes(),
        certificate=None if client is None else client.cert_chain_pems[0].bytes(),
        key=None if client is None else client.private_key_pem.bytes(),
        server_name=server_name,
    )
