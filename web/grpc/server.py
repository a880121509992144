"""The gRPC server of the gateway: Riva's recognition service and grpc.health.v1 on one port."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from stream.protocols.riva.protocol import SERVICE
from stream.recognition.recognizer import Recognizer
from web.grpc.calls import Calls
from web.live.endpoint import Live
from web.memory.budget import BodyBudgets
from web.observability.metrics import Metrics

# Beside the streams there may be as many calls that wait for their first message, or ask for languages and health.
_MORE_CALLS = 64
_HEALTH_SECONDS = 1.0
# A client may be slow to open its microphone.
FIRST_MESSAGE_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcOptions:
    """`address` is `host:port`; `key_and_certificate` are PEM texts, None for no TLS.

    `most_calls` are open at once; a message has `most_message_bytes` at most; a stop takes `stop_seconds` at most.
    With `shares_port` other processes may listen on the same port.
    """

    address: str
    key_and_certificate: tuple[bytes, bytes] | None
    most_calls: int
    stop_seconds: float
    shares_port: bool = False
    most_message_bytes: int = 16 << 20  # a recording of eight minutes in one Recognize


class ListenError(Exception):
    """The address cannot be listened on."""


@asynccontextmanager
async def grpc_server(options: GrpcOptions, live: Live, bodies: BodyBudgets, metrics: Metrics) -> AsyncIterator[int]:
    """Serve Riva's calls while the context lasts; yields the port. Raises ListenError.

    At the end open calls get what was said, for `stop_seconds` at most: their sessions have to be drained before.
    """
    calls = Calls(live=live, bodies=bodies, metrics=metrics, first_message_seconds=FIRST_MESSAGE_SECONDS)
    server = grpc.aio.server(
        options=_channel_options(options), maximum_concurrent_rpcs=options.most_calls + _MORE_CALLS
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, _handlers(calls)),))
    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = _bound(server, options)
    await server.start()
    watching = asyncio.create_task(_tell_health(servicer, live.admission.recognizer))
    try:
        yield port
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await server.stop(options.stop_seconds)
        await calls.wait_closed(options.stop_seconds)


def _handlers(calls: Calls) -> dict[str, Any]:
    """Return the handlers; without serializers they get and return the bytes of the messages."""
    return {
        "StreamingRecognize": grpc.stream_stream_rpc_method_handler(calls.stream),
        "Recognize": grpc.stream_stream_rpc_method_handler(calls.recognize),
        "GetRivaSpeechRecognitionConfig": grpc.unary_unary_rpc_method_handler(calls.describe),
    }


def _channel_options(options: GrpcOptions) -> list[tuple[str, int]]:
    return [
        ("grpc.so_reuseport", int(options.shares_port)),
        ("grpc.max_receive_message_length", options.most_message_bytes),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        # A client that vanished is noticed although it sends nothing.
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 20_000),
    ]


def _bound(server: grpc.aio.Server, options: GrpcOptions) -> int:
    try:
        if options.key_and_certificate is None:
            return server.add_insecure_port(options.address)
        return server.add_secure_port(options.address, grpc.ssl_server_credentials([options.key_and_certificate]))
    except RuntimeError:
        raise ListenError(options.address) from None


async def _tell_health(servicer: health.aio.HealthServicer, recognizer: Recognizer) -> None:
    """Keep the state of the service: it serves while the recognizer is ready."""
    statuses = health_pb2.HealthCheckResponse
    while True:
        status = statuses.SERVING if recognizer.is_ready else statuses.NOT_SERVING
        for name in ("", SERVICE):
            await servicer.set(name, status)
        await asyncio.sleep(_HEALTH_SECONDS)
