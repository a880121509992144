"""Owns one live WebSocket: the handshake, the messages in both directions, and how it closes."""

import asyncio
import contextlib
import uuid
from dataclasses import asdict, dataclass

import structlog
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from stream.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.events import EndCause, Finished
from stream.outbox import Outbox
from stream.recognizer import Recognizer
from stream.runner import SessionRunner
from stream.wire import SessionLimits
from stream.writer import MessageWriter
from web.auth import check_caller
from web.responses import problem_response
from web.sessions import Sessions
from web.settings import Settings

# Parameters of the handshake that are no keys of the configuration.
_CREDENTIALS = frozenset({"jwt"})
_SUBPROTOCOL = "farsava"
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Live:
    """The live endpoint, as a WebSocket and as the plain GET that tells why a handshake was refused."""

    settings: Settings
    recognizer: Recognizer
    sessions: Sessions

    async def websocket(self, websocket: WebSocket) -> None:
        """Serve one connection from handshake to close."""
        outbox = Outbox()
        try:
            runner = self._admit(websocket, outbox)
        except ClientError as error:
            await websocket.send_denial_response(problem_response(error))
            return
        await websocket.accept(_SUBPROTOCOL if _SUBPROTOCOL in websocket.scope["subprotocols"] else None)
        with self.sessions.holding(runner):
            await Connection(websocket, runner, outbox, self.settings).run()

    async def explain(self, request: Request) -> Response:
        """Answer what the handshake would have been answered; browsers hide that from a page."""
        try:
            self._admit(request, Outbox())
        except ClientError as error:
            return problem_response(error)
        return problem_response(ClientError(Problem.UPGRADE_REQUIRED, "this address speaks WebSocket only"))

    def _admit(self, connection: HTTPConnection, outbox: Outbox) -> SessionRunner:
        check_caller(connection)
        self.sessions.check_admission()
        config = self._config(connection)
        if not self.recognizer.is_ready:
            raise ClientError(Problem.OVERLOADED, "the recognizer is not ready; connect again in a few seconds")
        return SessionRunner(self.recognizer, config, outbox, self.settings.runner_limits)

    def _config(self, connection: HTTPConnection) -> SessionConfig:
        parameters = connection.query_params.multi_items()
        return self.settings.session_config.with_query(item for item in parameters if item[0] not in _CREDENTIALS)


class Connection:
    """An accepted connection: what the client sends goes to the runner, what the runner tells goes out."""

    def __init__(self, websocket: WebSocket, runner: SessionRunner, outbox: Outbox, settings: Settings) -> None:
        self._websocket = websocket
        self._runner = runner
        self._outbox = outbox
        self._send_limit_seconds = settings.send_limit_seconds
        self._is_gone = False
        self._writer = MessageWriter(str(uuid.uuid4()), _limits(settings))

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
                finished = await self._send_until_finished()
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
        return text if data is None else data

    async def _send_until_finished(self) -> Finished:
        while True:
            event = await self._outbox.get()
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
