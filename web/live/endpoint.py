"""Owns one live WebSocket: the handshake, the messages in both directions, and how it closes."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, replace

import structlog
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.paths import LIVE_PATH
from stream.protocols.farsava.commands import parse_command
from stream.protocols.farsava.messages import SessionLimits
from stream.protocols.farsava.writer import MessageWriter
from stream.recognition.recognizer import RecognizerError
from stream.runtime.outbox import Outbox
from stream.runtime.runner import SessionRunner
from stream.session.events import EndCause, Finished, Settled
from web.auth.caller import Caller, Scope
from web.composition import Services
from web.errors import problem_response
from web.limits.capacity import refusal
from web.live.live_metrics import Watch
from web.live.recorder import LiveRecord
from web.settings.settings import Settings
from web.store.transcriptions import new_id

# Parameters of the handshake that are no keys of the configuration.
_CREDENTIALS = frozenset({"jwt"})
_SUBPROTOCOL = "farsava"
# So much more audio than time may pass in a connection.
_SPED_UP = 2
_OWNER_DIGITS = 16
# The longest stream that can be set is shorter.
_FURTHEST_END_SECONDS = 2 * 86_400.0
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Live:
    """The live endpoint, as a WebSocket and as the plain GET that tells why a handshake was refused."""

    services: Services

    async def websocket(self, websocket: WebSocket) -> None:
        """Serve one connection from handshake to close."""
        services = self.services
        outbox = Outbox()
        async with AsyncExitStack() as held:
            try:
                runner, caller = await self._admit(websocket, outbox, held)
                await held.enter_async_context(services.limits.stream(caller))
                await held.enter_async_context(self._place(runner, caller))
                await services.auth.use(caller)
            except ClientError as error:
                await websocket.send_denial_response(problem_response(error))
                return
            await self._serve(websocket, runner, caller, outbox)

    async def _serve(self, websocket: WebSocket, runner: SessionRunner, caller: Caller, outbox: Outbox) -> None:
        services = self.services
        await websocket.accept(_SUBPROTOCOL if _SUBPROTOCOL in websocket.scope["subprotocols"] else None)
        transcription_id = new_id()
        record = LiveRecord(services.transcriptions, services.storing, transcription_id, caller.owner)
        writer = MessageWriter(transcription_id, _limits(services.settings))
        with (
            services.sessions.holding(runner),
            _ending(runner, caller, services.clock()),
            services.metrics.watching(outbox),
        ):
            watch = Watch(services.metrics)
            limit = services.settings.send_limit_seconds
            await Connection(websocket, runner, outbox, writer, record, watch, limit).run()

    async def explain(self, request: Request) -> Response:
        """Answer what the handshake would have been answered; browsers hide that from a page."""
        try:
            async with AsyncExitStack() as held:
                runner, caller = await self._admit(request, Outbox(), held)
                await self.services.limits.check_stream(caller)
                await held.enter_async_context(self._place(runner, caller))
        except ClientError as error:
            return problem_response(error)
        return problem_response(ClientError(Problem.UPGRADE_REQUIRED, "this address speaks WebSocket only"))

    @asynccontextmanager
    async def _place(self, runner: SessionRunner, caller: Caller) -> AsyncIterator[None]:
        """Hold the session's place at the recognizer while the context lasts; raises ClientError."""
        async with AsyncExitStack() as stack:
            try:
                admitted = self.services.recognizer.admitted(runner.options, self._owner_name(caller))
                await stack.enter_async_context(admitted)
            except RecognizerError as error:
                _log.info("session_refused", error=str(error))
                raise refusal(error) from None
            yield

    def _owner_name(self, caller: Caller) -> str:
        """What the recognizer is told of an owner: the same at all gateways, and nothing that names anybody."""
        if not self.services.settings.is_keyed:
            return ""
        return hashlib.sha256(caller.owner.encode()).hexdigest()[:_OWNER_DIGITS]

    def turn_away(self, host: str) -> Response | None:
        """Return the answer to a handshake from an address whose last one was refused for coming too fast."""
        error = self.services.limits.still_refused(host)
        if error is None:
            return None
        response = problem_response(error)
        self.services.metrics.refused(error.problem.value.type, "websocket")
        self.services.metrics.answered(LIVE_PATH, "GET", response.status_code, 0.0)
        return response

    async def _admit(
        self, connection: HTTPConnection, outbox: Outbox, held: AsyncExitStack
    ) -> tuple[SessionRunner, Caller]:
        """Make all checks that need no slot; what the session leaves to do is done at the end of `held`."""
        services = self.services
        await services.limits.check_handshake(connection)
        caller = await services.auth.caller(connection, Scope.LIVE, uses=False)
        services.sessions.check_admission()
        await services.limits.check_minutes(caller)
        parameters = connection.query_params.multi_items()
        keys = (item for item in parameters if item[0] not in _CREDENTIALS)
        config = caller.configured(services.settings.session_config).with_query(keys)
        if not services.recognizer.is_ready:
            raise ClientError(Problem.OVERLOADED, "the recognizer is not ready; connect again in a few seconds")

        async def look_up(config: SessionConfig) -> SessionConfig:
            return await services.models.look_up(config, caller.owner)

        limits = services.settings.runner_limits
        # What a few bytes may unfold to has an end, too; whoever sends in real time never sees it.
        limits = replace(limits, audio=_SPED_UP * limits.stream)
        config = await look_up(config)
        meter = services.limits.live_meter(caller)
        held.push_async_callback(meter.settle)
        runner = SessionRunner(
            services.recognizer,
            config,
            outbox,
            limits,
            look_up=look_up,
            meter=meter.add,
            fair_share=services.turns,
            parse=parse_command,
        )
        return runner, caller


class Connection:
    """An accepted connection: what the client sends goes to the runner, what the runner tells goes out."""

    def __init__(  # noqa: PLR0917
        self,
        websocket: WebSocket,
        runner: SessionRunner,
        outbox: Outbox,
        writer: MessageWriter,
        record: LiveRecord,
        watch: Watch,
        send_limit_seconds: float,
    ) -> None:
        self._websocket = websocket
        self._runner = runner
        self._outbox = outbox
        self._writer = writer
        self._record = record
        self._watch = watch
        self._send_limit_seconds = send_limit_seconds
        self._has_audio = False
        self._is_gone = False
        self._is_slow = False

    async def run(self) -> None:
        """Run until everything is told and the socket is closed; what is logged meanwhile names the transcription."""
        with structlog.contextvars.bound_contextvars(transcription=self._writer.transcription_id):
            await self._run()

    async def _run(self) -> None:
        _log.info("session_opened")
        closing = _closing(Problem.INTERNAL)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._runner.run(self))
                recording = tasks.create_task(self._record.run())
                finished = await self._send_until_finished()
                recording.cancel()
            closing = _closing(Problem.SLOW_READER if self._is_slow else finished)
            _log.info("session_closed", cause=finished.cause.value, **asdict(finished.totals))
        except* Exception:  # the connection's last resort: whatever broke, the client is told and the server goes on
            _log.exception("session_broke")
            detail = f"the connection failed through a fault of the server; its id is {self._writer.transcription_id}"
            await self._send(self._writer.write_failure(Problem.INTERNAL, detail, self._runner.config))
        self._watch.close(closing[1])
        await self._close(*closing)

    async def receive(self) -> bytes | str | None:
        """Wait for the client's next message; None once it is gone."""
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            self._is_gone = True
            return None
        data: bytes | None = message.get("bytes")
        text: str | None = message.get("text")
        if data and not self._has_audio:
            self._has_audio = True
            config = self._runner.config
            if config.store:
                self._record.begin(whole_seconds=config.whole_seconds)
        return text if data is None else data

    async def _send_until_finished(self) -> Finished:
        while True:
            event = await self._outbox.get()
            self._watch.see(event)
            match event:
                case Settled():
                    self._record.add(event)
                case Finished():
                    await self._record.finish(event)
            await self._send(self._writer.write(event, self._runner.config))
            if isinstance(event, Finished):
                return event

    async def _send(self, text: str | None) -> None:
        """Send unless nobody takes it: what a lost client said, or a slow one, is finished all the same."""
        if text is None or self._is_gone or self._is_slow:
            return
        try:
            async with asyncio.timeout(self._send_limit_seconds):
                await self._websocket.send_text(text)
        except WebSocketDisconnect:
            self._is_gone = True
        except TimeoutError:
            self._is_slow = True
            _log.warning("session_cut", type=Problem.SLOW_READER.value.type)
            self._runner.end(EndCause.ERROR, ClientError(Problem.SLOW_READER, "the client takes no messages any more"))

    async def _close(self, code: int, reason: str) -> None:
        if self._is_gone:
            return
        with contextlib.suppress(WebSocketDisconnect, TimeoutError):
            async with asyncio.timeout(self._send_limit_seconds):
                await self._websocket.close(code, reason)


@contextlib.contextmanager
def _ending(runner: SessionRunner, caller: Caller, now: float) -> Iterator[None]:
    """Let a session that outlasts its token deliver what was said, and end."""
    # What lies further ahead than this, the limit of the stream comes before.
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


def _limits(settings: Settings) -> SessionLimits:
    limits = settings.runner_limits
    return SessionLimits(settings.max_message_bytes, 1000 * limits.pause, 1000 * limits.idle, 1000 * limits.stream)


def _closing(end: Finished | Problem) -> tuple[int, str]:
    """Close code and reason for the way in which a connection ended."""
    match end:
        case Problem(value=kind) | Finished(error=ClientError(problem=Problem(value=kind))):
            return kind.close_code, kind.type
        case Finished(cause=EndCause.SHUTDOWN):
            return _closing(Problem.SHUTTING_DOWN)
        case Finished(cause=cause):
            return 1000, cause.value
