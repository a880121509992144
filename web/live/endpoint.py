"""The live endpoint: a WebSocket, and the plain GET that answers why a handshake was refused."""

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
from stream.protocols.farsava.messages import SessionLimits
from stream.protocols.farsava.writer import MessageWriter
from stream.runtime.outbox import Outbox
from stream.runtime.runner import SessionRunner
from stream.session.events import EndCause
from web.auth.caller import Caller
from web.clock import Clock
from web.errors import problem_response
from web.live.admission import Admission
from web.live.connection import Connection
from web.live.live_metrics import LiveMetrics
from web.live.recorder import LiveRecord
from web.observability.metrics import Metrics
from web.routes.configuration import configuration_query
from web.routes.operations import BUSY, Operation, Tag, route, socket_route
from web.store.retried_writes import RetriedWrites
from web.store.transcriptions import Transcriptions, new_id

_SUBPROTOCOL = "farsava"
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
    parameters=configuration_query(),
    answers={},
    problems=(Problem.INVALID_CONFIG, Problem.NOT_FOUND, *BUSY, Problem.RATE_LIMITED, Problem.UPGRADE_REQUIRED),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Serves live connections; `session_limits` are the limits that clients are sent."""

    admission: Admission
    transcriptions: Transcriptions
    retried_writes: RetriedWrites
    metrics: Metrics
    clock: Clock
    session_limits: SessionLimits
    send_limit_seconds: float

    @socket_route(LIVE_PATH)
    async def websocket(self, websocket: WebSocket) -> None:
        """Serve one connection from handshake to close."""
        admission, outbox = self.admission, Outbox()
        async with AsyncExitStack() as held:
            try:
                runner, caller = await admission.admit(websocket, outbox, held)
                await held.enter_async_context(admission.limits.stream(caller))
                await held.enter_async_context(admission.place(runner, caller))
                await admission.auth.use(caller)
            except ClientError as error:
                await websocket.send_denial_response(problem_response(error))
                return
            await self._serve(websocket, runner, caller, outbox)

    async def _serve(self, websocket: WebSocket, runner: SessionRunner, caller: Caller, outbox: Outbox) -> None:
        await websocket.accept(_SUBPROTOCOL if _SUBPROTOCOL in websocket.scope["subprotocols"] else None)
        transcription_id = new_id()
        with (
            self.admission.sessions.holding(runner),
            _ending(runner, caller, self.clock()),
            self.metrics.watching(outbox),
        ):
            connection = Connection(
                websocket=websocket,
                runner=runner,
                outbox=outbox,
                writer=MessageWriter(transcription_id, self.session_limits),
                record=LiveRecord(self.transcriptions, self.retried_writes, transcription_id, caller.owner),
                metrics=LiveMetrics(self.metrics),
                send_limit_seconds=self.send_limit_seconds,
            )
            await connection.run()

    @route(EXPLAIN)
    async def explain(self, request: Request) -> Response:
        """Answer what the handshake would have been answered; browsers hide that from a page."""
        try:
            async with AsyncExitStack() as held:
                runner, caller = await self.admission.admit(request, Outbox(), held)
                await self.admission.limits.check_stream(caller)
                await held.enter_async_context(self.admission.place(runner, caller))
        except ClientError as error:
            return problem_response(error)
        return problem_response(upgrade_required())

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
