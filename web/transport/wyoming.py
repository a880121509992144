"""Wyoming's port: TCP connections whose events are answered, and whose audio becomes one session after the other."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version

import structlog

from stream.errors import ClientError
from stream.protocols.protocol import Handshake
from stream.protocols.wyoming.conversation import Answer, Begin, Conversation, Describe, refused
from stream.protocols.wyoming.framing import Event, encode
from stream.protocols.wyoming.messages import info
from stream.protocols.wyoming.protocol import Service, Wyoming
from web.auth.caller import Caller
from web.limits.addresses import source_of_host
from web.live.endpoint import Live
from web.live.wire import WireLostError
from web.transport.connection_table import ConnectionTable, Entrance
from web.transport.event_wire import READ_BYTES, EventWire

MOST_CONNECTIONS = 128
"""Beside those of the other port; a home has one client."""
# So long a client that asks before the recognizer is ready waits for the languages; Home Assistant asks again later.
_READY_SECONDS = 30.0
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class PortLimits:
    """Waits in seconds: for the next event of a client without a session, and for it to close its side at the end."""

    idle_seconds: float
    linger_seconds: float = 2.0


@dataclass(slots=True, kw_only=True)
class WyomingPort:
    """Serves the connections of one listener; all of them are those of one `owner`, as the protocol has no keys."""

    live: Live
    owner: str
    limits: PortLimits
    table: ConnectionTable
    _tasks: set[asyncio.Task[None]] = field(default_factory=set, init=False)
    _ending: set[asyncio.Task[None]] = field(default_factory=set, init=False)

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection in a task of its own."""
        wire = EventWire(reader, writer, most_payload_bytes=self.live.admission.max_message_bytes)
        task = asyncio.create_task(self._serve(wire, *_source(writer)))
        self._tasks.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._ending.discard(task)

    async def close(self) -> None:
        """End all connections; clients still receive what was sent to them last."""
        for task in self._tasks - self._ending:
            task.cancel()
        # Those that are ending wait for their clients, for a bounded time.
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, wire: EventWire, host: str, source: str) -> None:
        entrance = self.table.enter(wire, host=host, source=source, close=wire.abort)
        try:
            if entrance is Entrance.OPEN:
                await self._converse(wire, source)
                await self._end(wire)
            elif self.table.should_log(asyncio.get_running_loop().time()):
                _log.warning("connections_full", connections=len(self.table), protocol=Wyoming.name)
        except Exception:  # the last resort: the server goes on
            _log.exception("connection_broke", protocol=Wyoming.name)
        finally:
            self.table.leave(wire)
            wire.abort()

    async def _converse(self, wire: EventWire, source: str) -> None:
        """Answer events until the client or an error ends the connection."""
        with contextlib.suppress(WireLostError, TimeoutError):
            try:
                await self._answer_all(wire, source)
            except ClientError as error:
                await self._refuse(wire, error)

    async def _end(self, wire: EventWire) -> None:
        """Close the connection once its client has read what it was sent last."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        self._ending.add(task)
        await wire.linger(self.limits.linger_seconds)

    async def _answer_all(self, wire: EventWire, source: str) -> None:
        conversation = Conversation(self._service)
        wire.goes_on = True
        while wire.goes_on:
            async with asyncio.timeout(self.limits.idle_seconds):
                received = await wire.receive()
            if received is None:
                return
            await asyncio.sleep(0)  # a client may have sent thousands of events at once
            assert isinstance(received, bytes)  # noqa: S101
            match conversation.receive(received):
                case Answer(bytes() as event):
                    await self._send(wire, event)
                case Describe():
                    await self._send(wire, encode(await self._described()))
                case Begin(protocol, first):
                    self.table.begin(wire)
                    await self._run_session(wire, protocol, first, source)
                    self.table.end(wire)

    async def _run_session(self, wire: EventWire, protocol: Wyoming, first: bytes | None, source: str) -> None:
        """Run the session of one utterance; raises ClientError if it is not admitted."""
        admission = self.live.admission
        async with AsyncExitStack() as held:
            await admission.limits.check_source(source)
            caller, handshake = Caller(owner=self.owner), Handshake(headers={})
            session = await admission.admit_caller(protocol, caller, handshake, held)
            await admission.take_places(session, held)
            wire.begin(first)
            await self.live.serve(wire, session)

    async def _refuse(self, wire: EventWire, error: ClientError) -> None:
        problem = error.problem.value.type
        _log.info("session_refused", problem=problem, protocol=Wyoming.name)
        self.live.metrics.refused(problem, Wyoming.name)
        await self._send(wire, refused(error))

    async def _send(self, wire: EventWire, event: bytes) -> None:
        async with asyncio.timeout(self.live.send_limit_seconds):
            await wire.send(event)

    # --- the service ---

    @property
    def _service(self) -> Service:
        recognizer = self.live.admission.recognizer
        return Service(info=self._info, most_phrases=lambda: recognizer.most_phrases)

    def _info(self) -> Event:
        return info(self.live.admission.recognizer.languages, version("niyosha"))

    async def _described(self) -> Event:
        """Return the service's description, as soon as the recognizer has languages."""
        recognizer = self.live.admission.recognizer
        if not recognizer.languages:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_READY_SECONDS):
                    await recognizer.ready()
        return self._info()


@asynccontextmanager
async def wyoming_port(port: WyomingPort, listener: socket.socket) -> AsyncIterator[None]:
    """Serve the port on a socket that listens, which is closed in the end, while the context lasts."""
    server = await asyncio.start_server(port.connected, sock=listener, limit=READ_BYTES)
    try:
        yield
    finally:
        server.close()
        await port.close()


def _source(writer: asyncio.StreamWriter) -> tuple[str, str]:
    """Return the address of a client, and what it is counted by; both are empty for a Unix socket."""
    peer = writer.get_extra_info("peername")
    host = peer[0] if isinstance(peer, tuple) else ""
    return host, source_of_host(host)
