"""The live endpoints: the WebSockets of all protocols, and the plain GET that answers why a handshake was refused."""

import asyncio
import contextlib
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from stream.errors import ClientError, Problem
from stream.paths import LIVE_PATH
from stream.protocols.protocol import ClientProtocol
from stream.runtime.runner import SessionRunner
from stream.session.events import EndCause
from web.auth.caller import Caller
from web.errors import problem_response
from web.live.admission import Admission, Admitted, handshake_of
from web.live.connection import Connection
from web.live.live_metrics import LiveMetrics
from web.live.publishing import publishing_query
from web.live.resuming import resuming_query
from web.live.wire import WebSocketWire, Wire
from web.observability.metrics import Metrics
from web.routes.configuration import configuration_query
from web.routes.operations import BUSY, Operation, SocketEndpoint, Tag, route

# Later ends are left to the time limit of a stream, which is shorter whatever is set.
_FURTHEST_END_SECONDS = 2 * 86_400.0
EXPLAIN = Operation(
    method="GET",
    path=LIVE_PATH,
    id="explainLive",
    tag=Tag("live", "what a browser hides of a refused WebSocket"),
    summary="Ask why a WebSocket handshake would be refused",
    description="Live recognition is a WebSocket at this address, which `/asyncapi.json` describes. A plain GET makes "
    "the same checks and answers what a browser hides from its page; 426 when all is well.",
    parameters=(*configuration_query(), *publishing_query(), *resuming_query()),
    answers={},
    problems=(
        *(Problem.INVALID_CONFIG, Problem.NOT_FOUND, Problem.CONFLICT, *BUSY, Problem.RATE_LIMITED),
        Problem.UPGRADE_REQUIRED,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Serves the live connections of every protocol, each at its own path."""

    protocols: tuple[ClientProtocol, ...]
    admission: Admission
    metrics: Metrics
    send_limit_seconds: float

    def socket_endpoints(self) -> dict[str, SocketEndpoint]:
        """Return what serves the WebSockets of each path."""
        return {protocol.path: self._endpoint(protocol) for protocol in self.protocols}

    def _endpoint(self, protocol: ClientProtocol) -> SocketEndpoint:
        async def endpoint(websocket: WebSocket) -> None:
            await self._accept(protocol, websocket)

        return endpoint

    async def _accept(self, protocol: ClientProtocol, websocket: WebSocket) -> None:
        """Serve one connection from handshake to close."""
        async with AsyncExitStack() as held:
            try:
                session = await self.admission.admit(protocol, websocket, held)
                await self.admission.take_places(session, held)
            except ClientError as error:
                await websocket.send_denial_response(_refused(protocol, error))
                return
            await websocket.accept(protocol.subprotocol(handshake_of(websocket)))
            await self.serve(WebSocketWire(websocket), session)

    async def serve(self, wire: Wire, session: Admitted) -> None:
        """Serve an admitted session until its wire is closed."""
        with (
            self.admission.sessions.holding(session.runner),
            _ending(session.runner, session.caller, self.admission.clock()),
            self.metrics.watching(session.outbox),
        ):
            connection = Connection(
                wire=wire,
                session=session,
                metrics=LiveMetrics(self.metrics, session.protocol.name),
                send_limit_seconds=self.send_limit_seconds,
            )
            await connection.run()

    @route(EXPLAIN)
    async def explain(self, request: Request) -> Response:
        """Answer what the handshake of this path would have been answered; browsers hide that from a page."""
        protocol = next(one for one in self.protocols if one.path == request.url.path)
        try:
            async with AsyncExitStack() as held:
                session = await self.admission.admit(protocol, request, held, takes=False)
                await self.admission.limits.check_stream(session.caller)
                await held.enter_async_context(self.admission.place(session))
        except ClientError as error:
            return _refused(protocol, error)
        return _refused(protocol, upgrade_required())

    def early_answer(self, host: str) -> Response | None:
        """Return the answer to a handshake from an address whose last one was refused for coming too fast."""
        error = self.admission.limits.still_refused(host)
        if error is None:
            return None
        response = problem_response(error)
        self.metrics.refused(error.problem.value.type, "websocket")
        self.metrics.answered(LIVE_PATH, "GET", response.status_code, 0.0)
        return response


def upgrade_required() -> ClientError:
    """Return the error for a plain GET of the live address whose handshake would be accepted."""
    return ClientError(Problem.UPGRADE_REQUIRED, "this address speaks WebSocket only")


def _refused(protocol: ClientProtocol, error: ClientError) -> Response:
    """Return the answer to a refused handshake, in the protocol's shape."""
    response = problem_response(error, protocol.refusal(error))
    response.headers.update(protocol.refusal_headers(error))
    return response


@contextlib.contextmanager
def _ending(runner: SessionRunner, caller: Caller, now: float) -> Iterator[None]:
    """Let a session that outlasts its token deliver what was said, and end."""
    left = _FURTHEST_END_SECONDS if caller.ends_at is None else caller.ends_at - now
    if left >= _FURTHEST_END_SECONDS:
        yield
        return
    expired = ClientError(Problem.UNAUTHENTICATED, "the token has expired; connect again with a new one")
    end = asyncio.get_running_loop().call_later(max(0.0, left), runner.end, EndCause.ERROR, expired)
    try:
        yield
    finally:
        end.cancel()
