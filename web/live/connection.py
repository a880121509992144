"""An accepted live connection: messages of the client to the session, events of the session to the client."""

import asyncio
import contextlib
from dataclasses import asdict, dataclass, field

import structlog

from stream.errors import ClientError, Problem
from stream.protocols.protocol import Message, cause
from stream.session.commands import Reply
from stream.session.events import ClientEvent, EndCause, Finished, Ready, Settled, Unsettled
from stream.timers import MovingTimeout
from web.live.admission import Admitted
from web.live.live_metrics import LiveMetrics
from web.live.wire import Wire, WireLostError

# To write so many settled utterances once more takes some 4 ms; those of four hours take 0.2 s.
_MOST_IN_LOOP = 100
_log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class Connection:
    """Moves messages between a client's wire and the runner of its session."""

    wire: Wire
    session: Admitted
    metrics: LiveMetrics
    send_limit_seconds: float
    _is_gone: bool = field(default=False, init=False)
    _is_slow: bool = field(default=False, init=False)
    _delivered_samples: int = field(default=0, init=False)
    _finished: Finished | None = field(default=None, init=False)

    async def run(self) -> None:
        """Run until every message is sent and the wire is closed; lines logged meanwhile name the transcription."""
        session = self.session
        with structlog.contextvars.bound_contextvars(
            transcription=session.transcription_id, protocol=session.protocol.name
        ):
            await self._run()

    async def _run(self) -> None:
        _log.info("session_opened")
        session = self.session
        end: Finished | Problem = Problem.INTERNAL
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(session.runner.run(self))
                recording = tasks.create_task(session.record.run())
                finished = await self._send_until_finished()
                recording.cancel()
            end = Problem.SLOW_READER if self._is_slow else finished
            _log.info("session_closed", cause=finished.cause.value, **asdict(finished.totals))
        except* Exception:  # the last resort: whatever broke, the client gets an error and the server goes on
            _log.exception("session_broke")
            await self._send_failure()
        self.metrics.close(cause(end))
        await self._close(*session.adapter.closing(end))

    async def _send_failure(self) -> None:
        session = self.session
        detail = f"the connection failed through a fault of the server; its id is {session.transcription_id}"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.send_limit_seconds):
                await self._send(session.adapter.write_failure(Problem.INTERNAL, detail, session.runner.config))

    async def receive(self) -> Message | None:
        """Wait for the client's next message; None once it is gone."""
        message = await self.wire.receive()
        if message is None:
            self._is_gone = True
        return message

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
        session = self.session
        event = await session.outbox.get()
        if not isinstance(event, Reply):
            event = await self._stored(event)
        messages = await self._written(event)
        self.metrics.count(event, is_sent=bool(messages))
        if isinstance(event, Finished):
            is_delivered = not (self._is_gone or self._is_slow)
            await session.record.finish(event, None if is_delivered else self._delivered_samples)
            self._finished = event
        limit.move(asyncio.get_running_loop().time() + self.send_limit_seconds)
        await self._send(messages)
        limit.move(None)
        if isinstance(event, Ready | Settled | Unsettled) and not (self._is_gone or self._is_slow):
            self._delivered_samples = event.progress.settled

    async def _stored(self, event: ClientEvent) -> ClientEvent:
        """Store and publish an event; return it as its client may get it.

        A client forgets the audio of settled text. Where it may go on at another gateway, that text has to be in the
        database before, and its lines before readers see them.
        """
        session, publisher = self.session, self.session.publisher
        match event:
            case Settled() if session.is_resumable:
                if publisher is not None:
                    await publisher.settle(event)
                await session.record.settle(event)
            case Settled():
                if publisher is not None:
                    publisher.receive(event)
                session.record.add(event)
            case _ if publisher is not None:
                publisher.receive(event)
        return session.record.bounded(event) if session.is_resumable else event

    async def _written(self, event: ClientEvent | Reply) -> tuple[Message, ...]:
        """Write an event, beside the event loop where that takes long: the end of hours of talk."""
        write, config = self.session.adapter.write, self.session.runner.config
        if isinstance(event, Finished) and len(event.settled) > _MOST_IN_LOOP:
            return await asyncio.to_thread(write, event, config)
        return write(event, config)

    async def _send(self, messages: tuple[Message, ...]) -> None:
        """Send unless the client is gone or too slow; its session is finished all the same."""
        for message in messages:
            if self._is_gone or self._is_slow:
                return
            try:
                await self.wire.send(message)
            except WireLostError:
                self._is_gone = True

    def _cut(self) -> None:
        """Send no more to a client that takes nothing, and end its session."""
        self._is_slow = True
        _log.warning("session_cut", type=Problem.SLOW_READER.value.type)
        error = ClientError(Problem.SLOW_READER, "the client takes no messages any more")
        self.session.runner.end(EndCause.ERROR, error)

    async def _close(self, code: int, reason: str) -> None:
        if self._is_gone:
            return
        with contextlib.suppress(WireLostError, TimeoutError):
            async with asyncio.timeout(self.send_limit_seconds):
                await self.wire.close(code, reason)
