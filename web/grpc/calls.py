"""Riva's recognition calls: each is admitted like a handshake, and served as a live connection."""

import asyncio
import uuid
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import NoReturn
from urllib.parse import unquote, urlencode

import grpc
import structlog
from grpc.aio import EOF
from starlette.requests import HTTPConnection

from stream.errors import ClientError
from stream.protocols.protocol import ClientProtocol
from stream.protocols.riva.catalogue import catalogue
from stream.protocols.riva.errors import STATUS_OF_PROBLEM, Status
from stream.protocols.riva.protocol import RivaRecognize, RivaStreaming, whole_request
from web.auth.caller import Scope
from web.grpc.wire import CallWire, Context, WholeWire
from web.live.endpoint import Live
from web.live.publishing import CHANNEL, SPEAKER
from web.memory.budget import BodyBudgets
from web.observability.metrics import Metrics

# gRPC's own header for when to come again, in milliseconds (gRFC A6).
_PUSHBACK = "grpc-retry-pushback-ms"
# So many requests with a whole recording are read at once.
_MOST_READING = 4
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _End:
    """How a call ends: its status, the message of that, and when its client may call again."""

    status: int
    detail: str = ""
    retry_after_seconds: int | None = None


@dataclass(slots=True, kw_only=True)
class Calls:
    """Serves the calls of Riva's recognition service."""

    live: Live
    bodies: BodyBudgets
    metrics: Metrics
    first_message_seconds: float
    _reading: asyncio.Semaphore = field(default_factory=partial(asyncio.Semaphore, _MOST_READING), init=False)
    _running: set[asyncio.Task[_End]] = field(default_factory=set, init=False)

    async def stream(self, _: object, context: Context) -> None:
        """`StreamingRecognize`: send results for a stream of audio."""
        first = await self._first_message(context)
        if first is not None:
            await self._finish(context, CallWire(context), RivaStreaming(), Scope.LIVE, first)

    async def recognize(self, _: object, context: Context) -> None:
        """`Recognize`: answer with the text of a recording.

        The request is read by the handler, not before it: who may not call, or calls too often, fills no memory.
        """
        auth = self.live.admission.auth
        try:
            caller = await auth.caller(connection_of(context, RivaRecognize.path), Scope.RECORDINGS, uses=False)
            async with self._reading:
                message = await self._first_message(context)
            if message is None:
                return
            with self.bodies.memory.open(caller.owner) as held:
                held.require(2 * len(message))
                request = whole_request(message)
                wire = WholeWire(context, request.audio)
                # What opens the session is parsed again, and needs no audio.
                request.ClearField("audio")
                opening: bytes = request.SerializeToString()
                await self._finish(context, wire, RivaRecognize(), Scope.RECORDINGS, opening)
        except ClientError as error:
            await _abort(context, self._refused(error))

    async def describe(self, message: bytes, _: Context) -> bytes:
        """`GetRivaSpeechRecognitionConfig`: answer with the languages, one row for each and each kind of call."""
        return catalogue(message, self.live.admission.recognizer.languages)

    async def wait_closed(self, seconds: float) -> None:
        """Wait until all calls have ended, for `seconds` at most."""
        if self._running:
            await asyncio.wait(set(self._running), timeout=seconds)

    async def _first_message(self, context: Context) -> bytes | None:
        """Wait for the first message of a call; None if its client sends none."""
        try:
            async with asyncio.timeout(self.first_message_seconds):
                message = await context.read()
        except TimeoutError:
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "the first message of the call did not come")
        return None if message is EOF else bytes(message)

    async def _finish(
        self, context: Context, wire: CallWire, protocol: ClientProtocol, scope: Scope, first: bytes
    ) -> None:
        """Run a call to its end, even if its client cancels it, so that what was said is finished and stored."""
        task = asyncio.create_task(self._serve(context, wire, protocol, scope, first))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        try:
            end = await asyncio.shield(task)
        except asyncio.CancelledError:
            wire.lose()
            raise
        if end.status != Status.OK:
            await _abort(context, end)

    async def _serve(
        self, context: Context, wire: CallWire, protocol: ClientProtocol, scope: Scope, first: bytes
    ) -> _End:
        request_id = uuid.uuid4().hex
        began = asyncio.get_running_loop().time()
        with structlog.contextvars.bound_contextvars(request=request_id):
            try:
                end = await self._served(context, wire, protocol, scope, first)
            except ClientError as error:
                end = self._refused(error)
            except Exception:
                _log.exception("call_broke", route=protocol.path)
                end = _End(Status.INTERNAL, f"the call failed through a fault of the server; its id is {request_id}")
            seconds = asyncio.get_running_loop().time() - began
            _log.info("call", route=protocol.path, status=Status(end.status).name, seconds=round(seconds, 4))
        return end

    async def _served(
        self, context: Context, wire: CallWire, protocol: ClientProtocol, scope: Scope, first: bytes
    ) -> _End:
        admission = self.live.admission
        async with AsyncExitStack() as held:
            connection = connection_of(context, protocol.path)
            session = await admission.admit(protocol, connection, held, first_message=first, scope=scope)
            await admission.take_places(session, held)
            # Clients that wait for the metadata see that the call was admitted before there is text.
            await context.send_initial_metadata(())
            await self.live.serve(wire, session)
        return _End(Status.OK) if wire.ended is None else _End(*wire.ended)

    def _refused(self, error: ClientError) -> _End:
        self.metrics.refused(error.problem.value.type, "grpc")
        return _End(STATUS_OF_PROBLEM[error.problem], error.detail, error.retry_after_seconds)


def connection_of(context: Context, path: str) -> HTTPConnection:
    """Describe a call as a request, which admission checks: its metadata as headers, its client's address.

    A caption channel is named in the metadata, as it is in the query of a WebSocket. Browsers cannot make gRPC calls,
    so that the name by which they reach this machine needs no check.
    """
    metadata = [
        (key, value)
        for key, value in context.invocation_metadata() or ()
        if isinstance(value, str) and key not in ("host", "origin")
    ]
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "scheme": "http",
        "query_string": urlencode({key: value for key, value in metadata if key in (CHANNEL, SPEAKER)}).encode(),
        "headers": [*((key.encode(), value.encode()) for key, value in metadata), (b"host", b"localhost")],
        "client": _address(context.peer()),
    }
    return HTTPConnection(scope)


def _address(peer: str) -> tuple[str, int] | None:
    """Return the host and port of gRPC's name for a client, such as `ipv4:127.0.0.1:4711` or `ipv6:%5B::1%5D:4711`."""
    kind, _, rest = unquote(peer).partition(":")
    host, _, port = rest.rpartition(":")
    if kind not in ("ipv4", "ipv6") or not port.isdigit():
        return None
    return host.strip("[]"), int(port)


async def _abort(context: Context, end: _End) -> NoReturn:
    trailing = () if end.retry_after_seconds is None else ((_PUSHBACK, str(1000 * end.retry_after_seconds)),)
    await context.abort(_CODES[end.status], end.detail, trailing)
