"""Owns one live WebSocket: the handshake, the messages in both directions, and how it closes."""

import asyncio
import contextlib
from dataclasses import asdict, dataclass

import structlog
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from stream.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.events import EndCause, Finished, Settled
from stream.outbox import Outbox
from stream.runner import SessionRunner
from stream.wire import SessionLimits
from stream.writer import MessageWriter
from web.auth.caller import Caller, Scope
from web.record import LiveRecord
from web.responses import problem_response
from web.services import Services
from web.settings import Settings
from web.store.transcriptions import new_id

# Parameters of the handshake that are no keys of the configuration.
_CREDENTIALS = frozenset({"jwt"})
_SUBPROTOCOL = "farsava"
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Live:
    """The live endpoint, as a WebSocket and as the plain GET that tells why a handshake was refused."""

    services: Services

    async def websocket(self, websocket: WebSocket) -> None:
        """Serve one connection from handshake to close."""
        outbox = Outbox()
        try:
            runner, caller = await self._admit(websocket, outbox)
        except ClientError as error:
            await websocket.send_denial_response(problem_response(error))
            return
        await websocket.accept(_SUBPROTOCOL if _SUBPROTOCOL in websocket.scope["subprotocols"] else None)
        services = self.services
        transcription_id = new_id()
        record = LiveRecord(services.transcriptions, transcription_id, caller.owner)
        writer = MessageWriter(transcription_id, _limits(services.settings))
        with services.sessions.holding(runner):
            await Connection(websocket, runner, outbox, writer, record, services.settings.send_limit_seconds).run()

    async def explain(self, request: Request) -> Response:
        """Answer what the handshake would have been answered; browsers hide that from a page."""
        try:
            await self._admit(request, Outbox())
        except ClientError as error:
            return problem_response(error)
        return problem_response(ClientError(Problem.UPGRADE_REQUIRED, "this address speaks WebSocket only"))

    async def _admit(self, connection: HTTPConnection, outbox: Outbox) -> tuple[SessionRunner, Caller]:
        services = self.services
        caller = await services.auth.caller(connection, Scope.LIVE)
        services.sessions.check_admission()
        parameters = connection.query_params.multi_items()
        keys = (item for item in parameters if item[0] not in _CREDENTIALS)
        config = services.settings.session_config.with_query(keys)
        if not services.recognizer.is_ready:
            raise ClientError(Problem.OVERLOADED, "the recognizer is not ready; connect again in a few seconds")

        async def look_up(config: SessionConfig) -> SessionConfig:
            return await services.models.look_up(config, caller.owner)

        limits = services.settings.runner_limits
        config = await look_up(config)
        return SessionRunner(services.recognizer, config, outbox, limits, look_up=look_up), caller


class Connection:
    """An accepted connection: what the client sends goes to the runner, what the runner tells goes out."""

    def __init__(  # noqa: PLR0913, PLR0917
        self,
        websocket: WebSocket,
        runner: SessionRunner,
        outbox: Outbox,
        writer: MessageWriter,
        record: LiveRecord,
        send_limit_seconds: float,
    ) -> None:
        self._websocket = websocket
        self._runner = runner
        self._outbox = outbox
        self._writer = writer
        self._record = record
        self._send_limit_seconds = send_limit_seconds
        self._has_audio = False
        self._is_gone = False

    async def run(self) -> None:
        """Run until everything is told and the socket is closed; what is logged meanwhile names the transcription."""
        with structlog.contextvars.bound_contextvars(transcription=self._writer.transcription_id):
            await self._run()

    async def _run(self) -> None:
        _log.info("session_opened")
        closing = Problem.INTERNAL.value.close_code, "internal"
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._runner.run(self))
                recording = tasks.create_task(self._record.run())
                finished = await self._send_until_finished()
                recording.cancel()
            closing = _closing(finished)
            _log.info("session_closed", cause=finished.cause.value, **asdict(finished.totals))
        except* _SlowReaderError:
            closing = Problem.SLOW_READER.value.close_code, Problem.SLOW_READER.value.type
            _log.warning("session_cut", type=closing[1])
        except* Exception:  # the connection's last resort: whatever broke, the client is told and the server goes on
            _log.exception("session_broke")
            detail = f"the connection failed through a fault of the server; its id is {self._writer.transcription_id}"
            with contextlib.suppress(_SlowReaderError):
                await self._send(self._writer.write_failure(Problem.INTERNAL, detail, self._runner.config))
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
            match event:
                case Settled():
                    self._record.add(event)
                case Finished():
                    await self._record.finish(event)
            await self._send(self._writer.write(event, self._runner.config))
            if isinstance(event, Finished):
                return event

    async def _send(self, text: str | None) -> None:
        """Send unless there is nobody to send to: what a lost client said is finished all the same."""
        if text is None or self._is_gone:
            return
        try:
            async with asyncio.timeout(self._send_limit_seconds):
                await self._websocket.send_text(text)
        except WebSocketDisconnect:
            self._is_gone = True
        except TimeoutError:
            raise _SlowReaderError from None

    async def _close(self, code: int, reason: str) -> None:
        if self._is_gone:
            return
        with contextlib.suppress(WebSocketDisconnect, TimeoutError):
            async with asyncio.timeout(self._send_limit_seconds):
                await self._websocket.close(code, reason)


class _SlowReaderError(Exception):
    """The client takes no more messages."""


def _limits(settings: Settings) -> SessionLimits:
    limits = settings.runner_limits
    return SessionLimits(settings.max_message_bytes, 1000 * limits.pause, 1000 * limits.idle, 1000 * limits.stream)


def _closing(finished: Finished) -> tuple[int, str]:
    """Close code and reason for the way in which a session ended."""
    if finished.error is not None:
        kind = finished.error.problem.value
        return kind.close_code, kind.type
    if finished.cause is EndCause.SHUTDOWN:
        return Problem.SHUTTING_DOWN.value.close_code, Problem.SHUTTING_DOWN.value.type
    return 1000, finished.cause.value
