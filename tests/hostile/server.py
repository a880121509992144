"""Serve a hostile Riva on loopback, in this process or, with `python -m tests.hostile.server`, in its own.

As a process it prints `127.0.0.1:port`, then with `--report` a line of JSON for every call that has ended. It exits
when its stdin closes. On the virtual clock it is in memory, see tests/support/memory_grpc.py. See
tests/hostile/riva/riva.py for the tools around it.
"""

import argparse
import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from riva.client.proto import riva_asr_pb2

from tests.hostile.riva.call import Behaviour
from tests.hostile.riva.faults import faults, loads
from tests.hostile.riva.record import CallRecord
from tests.hostile.riva.riva import HostileRiva
from tests.support.memory_grpc import MemoryServer, is_in_memory
from tests.support.ports import unused_port

_SERVICE = riva_asr_pb2.DESCRIPTOR.services_by_name["RivaSpeechRecognition"].full_name
_HOST = "127.0.0.1"
_OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
)


def _handler(riva: HostileRiva) -> grpc.GenericRpcHandler:
    """Return the handlers of the generated code, for a servicer that may also write raw bytes."""
    return grpc.method_handlers_generic_handler(
        _SERVICE,
        {
            "StreamingRecognize": grpc.stream_stream_rpc_method_handler(
                riva.StreamingRecognize, riva_asr_pb2.StreamingRecognizeRequest.FromString, _serialized
            ),
            "GetRivaSpeechRecognitionConfig": grpc.unary_unary_rpc_method_handler(
                riva.GetRivaSpeechRecognitionConfig,
                riva_asr_pb2.RivaSpeechRecognitionConfigRequest.FromString,
                _serialized,
            ),
        },
    )


def _serialized(message: Message | bytes) -> bytes:
    return message if isinstance(message, bytes) else message.SerializeToString()


class ReservedPort:
    """Reserves a loopback port while nothing listens on it; connections are refused meanwhile."""

    def __init__(self, port: int = 0) -> None:
        self.number = port or unused_port()
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((_HOST, self.number))

    def close(self) -> None:
        self._socket.close()


class RunningRiva:
    """A hostile Riva on a loopback port that stays the same from one start to the next."""

    def __init__(self, riva: HostileRiva, port: int, options: Sequence[tuple[str, int]]) -> None:
        self.riva = riva
        self.port = port
        self._options = (*_OPTIONS, *options)
        self._server: grpc.aio.Server | MemoryServer | None = None
        self._health = health.aio.HealthServicer()

    @property
    def address(self) -> str:
        return f"{_HOST}:{self.port}"

    async def start(self) -> None:
        server = MemoryServer(self.address) if is_in_memory() else grpc.aio.server(options=self._options)
        self._server = server
        self._health = health.aio.HealthServicer()
        server.add_generic_rpc_handlers((_handler(self.riva),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        await self.set_serving(True)
        if not isinstance(server, MemoryServer):
            server.add_insecure_port(self.address)
        await server.start()

    async def kill(self, grace_seconds: float = 0) -> None:
        """Cut off open calls after the grace period, and refuse connections."""
        if self._server:
            await self._server.stop(grace_seconds)
            self._server = None

    async def restart(self) -> None:
        """Start again on the same port, after a kill if it runs."""
        await self.kill()
        await self.start()

    async def set_serving(self, is_serving: bool) -> None:
        """Set the status in grpc.health.v1, overall and of the service."""
        statuses = health_pb2.HealthCheckResponse
        for service in ("", _SERVICE):
            await self._health.set(service, statuses.SERVING if is_serving else statuses.NOT_SERVING)


@asynccontextmanager
async def running(
    riva: HostileRiva, port: int = 0, options: Sequence[tuple[str, int]] = ()
) -> AsyncIterator[RunningRiva]:
    """Serve on loopback until the block ends; `options` are those of a grpc server."""
    reserved = ReservedPort(port)
    server = RunningRiva(riva, reserved.number, options)
    try:
        await server.start()
        yield server
    finally:
        await server.kill()
        reserved.close()


async def _closed_stdin() -> None:
    """Wait until stdin ends, whatever comes before."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    descriptor = 0

    def read() -> None:
        if not os.read(descriptor, 4096):
            loop.remove_reader(descriptor)
            ended.set()

    loop.add_reader(descriptor, read)
    await ended.wait()


async def serve(arguments: argparse.Namespace) -> None:
    script = loads(arguments.script) + faults(arguments.seed, arguments.faults)

    def report(record: CallRecord) -> None:
        print(json.dumps(record.plain()), flush=True)

    riva = HostileRiva(
        script,
        otherwise=loads(arguments.otherwise)[0],
        behaviour=Behaviour(languages=tuple(arguments.language or ["en-US"]), interim_ms=arguments.interim_ms),
        abilities=dict(ability.split("=", 1) for ability in arguments.ability),
        ended=report if arguments.report else None,
    )
    async with running(riva, arguments.port) as server:
        print(server.address, flush=True)
        await _closed_stdin()


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m tests.hostile.server", description=__doc__)
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--language", action="append", help="may be given again; en-US without")
    options.add_argument("--ability", action="append", default=[], metavar="NAME=VALUE")
    options.add_argument("--interim-ms", type=int, default=250)
    options.add_argument("--script", default="[]", help="as tests.hostile.riva.faults.dumps writes it")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--faults", type=int, default=0, help="so many random entries after the script")
    options.add_argument("--otherwise", default="[[]]", help="the entry after the last, as a script of one")
    options.add_argument("--report", action="store_true")
    return options


if __name__ == "__main__":
    asyncio.run(serve(parser().parse_args()))
