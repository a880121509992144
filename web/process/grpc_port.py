"""The port for clients of Riva, as the settings have it: of one process, or shared by workers."""

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from stream.lazy_import import lazy_import
from web.composition.gateway import Gateway
from web.process.listening import StartError
from web.process.tls import ServerTls
from web.settings.settings import Settings

if TYPE_CHECKING:
    from web.grpc import server as grpc_service
else:
    grpc_service = lazy_import("web.grpc.server")


@asynccontextmanager
async def grpc_port_of(
    gateway: Gateway, settings: Settings, tls: ServerTls | None, *, shared_port: int | None, stop_seconds: float
) -> AsyncIterator[int | None]:
    """Serve Riva's calls while the context lasts, if there is a port for them; raises StartError.

    A stop takes `stop_seconds` at most. Workers all listen at a `shared_port`, among which the system spreads
    connections: gRPC takes no socket that is open.
    """
    if settings.server.grpc_port is None:
        yield None
        return
    options = grpc_service.GrpcOptions(
        address=_address(settings, shared_port or settings.server.grpc_port),
        key_and_certificate=None if tls is None else (tls.key.read_bytes(), tls.certificate.read_bytes()),
        most_calls=settings.limits.streams,
        stop_seconds=stop_seconds,
        shares_port=shared_port is not None,
    )
    async with AsyncExitStack() as stack:
        try:
            bound = await stack.enter_async_context(
                grpc_service.grpc_server(options, gateway.live, gateway.bodies, gateway.metrics)
            )
        except grpc_service.ListenError:
            raise _in_use(options.address) from None
        yield bound


@contextmanager
def reserved_grpc_port(settings: Settings) -> Iterator[int | None]:
    """Keep the port for workers while the context lasts, without listening; None for no port. Raises StartError."""
    port = settings.server.grpc_port
    if port is None:
        yield None
        return
    host = settings.server.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as reserved:
        try:
            if port:
                # Once it may be shared, nobody would notice another server there.
                with socket.create_server((host, port), family=family):
                    pass
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            reserved.bind((host, port))
        except OSError:
            raise _in_use(_address(settings, port)) from None
        yield int(reserved.getsockname()[1])


def _address(settings: Settings, port: int) -> str:
    host = settings.server.host.strip("[]")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _in_use(address: str) -> StartError:
    return StartError(
        f"cannot listen on {address}, where NIYOSHA_GRPC_PORT is to be served; stop what uses it, or set another port"
    )
