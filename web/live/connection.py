"""An accepted live connection: messages of the client to the session, messages of the session to the client."""

import asyncio
import contextlib
from dataclasses import asdict, dataclass, field

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from stream.errors import ClientError, Problem
from stream.protocols.farsava.writer import MessageWriter
from stream.runtime.outbox import Outbox
from stream.runtime.runner import SessionRunner
from stream.session.events import EndCause, Finished, Settled
from stream.timers import MovingTimeout
from web.live.live_metrics import LiveMetrics
from web.live.recorder import LiveRecord

_log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class Connection:
    """Moves messages between a WebSocket and the runner of its session."""

    websocket: WebSocket
    runner: SessionRunner
    outbox: Outbox
    writer: MessageWriter
    record: LiveRecord
    metrics: LiveMetrics
    send_limit_seconds: float
    _has_audio: bool = field(default=False, init=False)
    _is_gone: bool = field(default=False, init=False)
    _is_slow: bool = field(default=False, init=False)
    _finished: Finished | None = field(default=None, init=False)

    async def run(self) -> None:
        """Run until every message is sent and the socket is closed; lines logged meanwhile name the transcription."""
        with structlog.contextvars.bound_contextvars(transcription=self.writer.transcription_id):
            await self._run()

    async def _run(self) -> None:
        _log.info("session_opened")
        closing = _closing(Problem.INTERNAL)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.runner.run(self))
                recording = tasks.create_task(self.record.run())
                finished = await self._send_until_finished()
                recording.cancel()
            closing = _closing(Problem.SLOW_READER if self._is_slow else finished)
            _log.info("session_closed", cause=finished.cause.value, **asdict(finished.totals))
        except* Exception:  # the last resort: whatever broke, the client gets an error and the server goes on
            _log.exception("session_broke")
            detail = f"the connection failed through a fault of the server; its id is {self.writer.transcription_id}"
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.send_limit_seconds):
                    await self._send(self.writer.write_failure(Problem.INTERNAL, detail, self.runner.config))
        self.metrics.close(closing[1])
        await self._close(*closing)

    async def receive(self) -> bytes | str | None:
        """Wait for the client's next message; None once it is gone."""
        message = await self.websocket.receive()
        if message["type"] == "websocket.disconnect":
            self._is_gone = True
            return None
        data: bytes | None = message.get("bytes")
        text: str | None = message.get("text")
        if data and not self._has_audio:
            self._has_audio = True
            config = self.runner.config
            if config.store:
                self.record.begin(whole_seconds=config.whole_seconds)
        return text if data is None else data

    async def _send_until_finished(self) -> Finished:
        while self._finished is None:
            try:
                async with MovingTimeout() as limit:
                    while self._finished is None:
                        await self._send_next(limit)
            except TimeoutError:
                self._cut()
        return self._finished

    async def _send_next(self, limit: MovingTimeout) -> None:
        """Send the message of the next event; raises TimeoutError if the client does not take it in time."""
        event = await self.outbox.get()
        text = self.writer.write(event, self.runner.config)
        self.metrics.count(event, is_sent=text is not None)
        match event:
            case Settled():
                self.record.add(event)
            case Finished():
                await self.record.finish(event)
                self._finished = event
        limit.move(asyncio.get_running_loop().time() + self.send_limit_seconds)
        await self._send(text)
        limit.move(None)

    async def _send(self, text: str | None) -> None:
        """Send unless the client is gone or too slow; its session is finished all the same."""
        if text is None or self._is_gone or self._is_slow:
            return
        try:
            await self.websocket.send_text(text)
        except WebSocketDisconnect:
            self._is_gone = True

    def _cut(self) -> None:
        """Send no more to a client that takes nothing, and end its session."""
        self._is_slow = True
        _log.warning("session_cut", type=Problem.SLOW_READER.value.type)
        self.runner.end(EndCause.ERROR, ClientError(Problem.SLOW_READER, "the client takes no messages any more"))

    async def _close(self, code: int, reason: str) -> None:
        if self._is_gone:
            return
        with contextlib.suppress(WebSocketDisconnect, TimeoutError):
            async with asyncio.timeout(self.send_limit_seconds):
                await self.websocket.close(code, reason)


def _closing(end: Finished | Problem) -> tuple[int, str]:
    """Return the close code and the reason for how a connection ended."""
    match end:
        case Problem(value=kind) | Finished(error=ClientError(problem=Problem(value=kind))):
            return kind.close_code, kind.type
        case Finished(cause=EndCause.SHUTDOWN):
            return _closing(Problem.SHUTTING_DOWN)
        case Finished(cause=cause):
            return 1000, cause.value
