"""An HTTP connection: uvicorn's, with limits on its head, its time and what is parsed at once."""

import asyncio
import weakref
from http import HTTPStatus
from typing import Any

import structlog
from starlette.responses import Response
from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState
from websockets.http11 import MAX_LINE_LENGTH, MAX_NUM_HEADERS

from stream.paths import HEALTH_PATH
from web.limits.addresses import source_of_host
from web.routes.streaming import DETACH, Detach, Outlet, Source
from web.transport.connection_table import Entrance
from web.transport.detached import DETACHED_CYCLE, DetachedAnswer
from web.transport.flow import ParserFlow, Unparsed, half_close
from web.transport.limits import HEAD_BYTES, PROGRESS_BYTES, Timer, wire_config
from web.transport.refusals import WireError, check_single, head_too_large, malformed, no_connection_left

# The paths that are answered even where all connections are in use.
_HEALTH_PATHS = frozenset({HEALTH_PATH, "/livez", "/readyz", "/metrics"})
# The rest of a request line (`OPTIONS`, `HTTP/1.1`) or of a header line, besides the target or the name and value.
_REST_OF_LINE_BYTES = 20
# A handshake causes about a millisecond of work; with this pause, many of them leave four fifths of the time to others.
_HANDSHAKE_PAUSE_SECONDS = 0.005
# The parser cannot be stopped within a piece. These sizes hold few requests, each of which takes some kilobytes of
# memory once it is parsed. A body of known length can be parsed in larger pieces.
_HEAD_PIECE_BYTES = 256
_CHUNKED_PIECE_BYTES = 1024
_BODY_PIECE_BYTES = 1 << 16

_log = structlog.get_logger()


class HttpConnection(HttpToolsProtocol):
    """An HTTP connection with a time limit for each head, and limits on progress for bodies and answers."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        own = wire_config(config)
        self._limits, self._gate, self._early_answer = own.wire, own.request_gate, own.early_answer
        self._connection_table = own.connection_table
        self._is_for_health = False
        self._source = ""
        self._upgrades = False
        self._head_timer = Timer(self.loop)
        self._body_timer = Timer(self.loop)
        self._send_timer = Timer(self.loop)
        self._is_in_head = True
        self._is_refused = False
        self._refusal: Response | None = None
        self._source_of_answer: Source | None = None
        self._body_left_bytes = 0  # of a body whose length was declared
        self._fed_bytes = 0  # of the head so far, unfinished lines included
        self._head_bytes = 0
        self._body_bytes = 0

    # --- the connection ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._source = source_of_host(self._host)
        self._unparsed = Unparsed(transport)
        self.flow = self._own_flow = ParserFlow(transport, self._parse_later)
        self._head_timer.set(self._limits.head_seconds, self._close)
        entrance = self._connection_table.enter(transport, host=self._host, source=self._source, close=transport.abort)
        if entrance is not Entrance.OPEN:
            self._log_full()
        self._is_for_health = entrance is Entrance.HEALTH_ONLY
        if entrance is Entrance.CLOSED:
            transport.abort()

    @property
    def _host(self) -> str:
        """The address of the peer; empty for a Unix socket."""
        return self.client[0] if self.client else ""

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._head_timer, self._body_timer, self._send_timer):
            timer.cancel()
        self._unparsed.clear()
        self._connection_table.leave(self.transport)
        super().connection_lost(exc)
        self._own_flow.close()
        source, self._source_of_answer = self._source_of_answer, None
        if source is not None:
            source.closed()

    def _log_full(self) -> None:
        if self._connection_table.should_log(self.loop.time()):
            _log.warning("connections_full", connections=len(self._connection_table))

    def handle_websocket_upgrade(self) -> None:
        self._upgrades = True
        self._unparsed.clear()  # a client has to wait for the answer to its handshake
        self._unparsed.set_reading(False)
        self._gate.enter(self._upgrade, self._source)

    def _upgrade(self) -> float | None:
        """Hand the connection over to the WebSocket protocol; return the pause before the next request."""
        if self.transport.is_closing():
            return None
        response = self._early_answer(self._host)
        if response is not None:
            self._refuse(response)
            return _HANDSHAKE_PAUSE_SECONDS
        # From here on the connection belongs to the WebSocket protocol, which calls this object no more.
        for timer in (self._head_timer, self._body_timer, self._send_timer):
            timer.cancel()
        super().handle_websocket_upgrade()
        return _HANDSHAKE_PAUSE_SECONDS

    def timeout_keep_alive_handler(self) -> None:
        self._close()

    def _close(self) -> None:
        """Close once the peer has read what is buffered, or has made no progress for too long."""
        self.transport.close()
        self._send_timer.set(self._limits.send_seconds, self._check_taken, self.transport.get_write_buffer_size())

    # --- the head of a request ---

    def data_received(self, data: bytes) -> None:
        if not self._is_refused and self._source_of_answer is None:
            self._unparsed.push(data)
            self._parse()

    def _parse(self) -> None:
        """Parse what was read, up to the end of a request: the next one waits for its answer."""
        while len(self._unparsed) and self._may_parse():
            piece = self._unparsed.take(self._piece_bytes())
            if self._is_in_head:
                self._fed_bytes += len(piece)
            super().data_received(piece)
            # The parser reports a line only once it has ended; this bounds one that does not end.
            if self._is_in_head and self._fed_bytes > HEAD_BYTES:
                self._refuse(_head_too_large())
        if not self._upgrades:
            self._unparsed.set_reading(not len(self._unparsed) and not self.flow.read_paused)

    def _may_parse(self) -> bool:
        if self.transport.is_closing() or self._is_refused or self._upgrades or self.flow.read_paused:
            return False
        return not self._is_in_head or not self._is_answering

    @property
    def _is_answering(self) -> bool:
        """Whether the answer to a request is not complete yet."""
        return bool(self.pipeline) or not getattr(self.cycle, "response_complete", True)

    def _piece_bytes(self) -> int:
        if self._is_in_head:
            return _HEAD_PIECE_BYTES
        return min(_BODY_PIECE_BYTES, self._body_left_bytes) or _CHUNKED_PIECE_BYTES

    def _parse_later(self) -> None:
        """Continue to parse once uvicorn has returned to the event loop."""
        self.loop.call_soon(self._parse)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(self.url), len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._count(len(name) + len(value), len(name) + len(value))

    def _count(self, line_bytes: int, more_bytes: int) -> None:
        self._head_bytes += more_bytes
        is_long = line_bytes + _REST_OF_LINE_BYTES > MAX_LINE_LENGTH or self._head_bytes > HEAD_BYTES
        if is_long or len(self.headers) > MAX_NUM_HEADERS:
            raise self._refused(WireError(_head_too_large()))

    def on_headers_complete(self) -> None:
        try:
            check_single(self.headers)
            self._check_room()
        except WireError as error:
            raise self._refused(error) from None
        self._connection_table.begin(self.transport)
        self._is_in_head = False
        self._fed_bytes = 0
        self._body_left_bytes = _declared_bytes(self.headers)
        self._head_timer.cancel()
        super().on_headers_complete()
        self._body_bytes = 0
        self._body_timer.set(self._limits.body_seconds, self._check_body)

    def _check_room(self) -> None:
        path = self.url.partition(b"?")[0].decode("latin-1")
        if self._is_for_health and path not in _HEALTH_PATHS:
            raise WireError(no_connection_left(path))

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._gate.enter(lambda: self._start(cycle, app), self._source)

    def _start(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        if not cycle.disconnected:
            extensions: dict[str, Any] = cycle.scope.setdefault("extensions", {})
            extensions[DETACH] = _weak(self)
            super()._start_asgi_task(cycle, app)

    def _detach(self, source: Source) -> Outlet:
        """Let a source go on with the answer that has begun, and forget the request."""
        cycle = self.cycle
        answer = DetachedAnswer(
            self.transport, self._own_flow, is_chunked=bool(cycle.chunked_encoding), close=self._close
        )
        if cycle.disconnected:
            self.loop.call_soon(source.closed)
            return answer
        # uvicorn does not expect the end of an answer to a client that is gone.
        cycle.disconnected = True
        self._source_of_answer = source
        self.cycle = DETACHED_CYCLE  # type: ignore[assignment]
        self.scope = {}  # type: ignore[typeddict-item]
        self.headers = []
        self.parser = None  # type: ignore[assignment]
        return answer

    def _refused(self, error: WireError) -> WireError:
        """Keep the answer of an error: the parser passes the error on without it."""
        self._refusal = error.response
        return error

    def send_400_response(self, msg: str) -> None:
        """Answer a request that is malformed or refused, and close."""
        self._refuse(self._refusal or malformed())

    def _refuse(self, response: Response) -> None:
        """Answer without asking the application, and close; answers to earlier requests are sent first."""
        self._is_refused = True
        self._unparsed.clear()
        if self._is_answering and self._is_in_head:
            self._refusal = response
            return
        if self._is_answering:
            # The body is malformed; the application, which waits for the rest of it, sees a disconnect.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.cycle.response_started:
                self._close()
                return
        self._write_refusal(response)

    def _write_refusal(self, response: Response) -> None:
        status = HTTPStatus(response.status_code)
        head = [f"HTTP/1.1 {status.value} {status.phrase}".encode(), b"connection: close"]
        head += [name + b": " + value for name, value in response.raw_headers]
        self.transport.write(b"\r\n".join([*head, b"", bytes(response.body)]))
        if half_close(self.transport):
            self._head_timer.set(self._limits.linger_seconds, self._close)
        else:
            self._close()

    # --- the body of a request, and its answer ---

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._body_bytes += len(body)
        self._body_left_bytes = max(0, self._body_left_bytes - len(body))

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._body_timer.cancel()
        self._is_in_head = True

    def _check_body(self) -> None:
        """Close if the sender is stuck; while the application does not read, the sender is not to blame."""
        if self._body_bytes < PROGRESS_BYTES and not self.flow.read_paused:
            self._close()
            return
        self._body_bytes = 0
        self._body_timer.set(self._limits.body_seconds, self._check_body)

    def on_response_complete(self) -> None:
        if self.transport.is_closing():
            self._close()
        elif self._is_refused and self._refusal is not None and not self.pipeline:
            self._write_refusal(self._refusal)
        elif not self.pipeline:
            self._head_timer.set(self._limits.head_seconds, self._close)
        super().on_response_complete()
        if not self.pipeline:
            self._connection_table.end(self.transport)
        self._parse_later()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._send_timer.set(self._limits.send_seconds, self._check_taken, self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        self._send_timer.cancel()
        super().resume_writing()
        if self._source_of_answer is not None:
            self._source_of_answer.drained()

    def _check_taken(self, waiting_bytes: int) -> None:
        """Close if the reader is stuck."""
        now_waiting = self.transport.get_write_buffer_size()
        if now_waiting > waiting_bytes - PROGRESS_BYTES:
            self.transport.abort()
        else:
            self._send_timer.set(self._limits.send_seconds, self._check_taken, now_waiting)


def _head_too_large() -> Response:
    return head_too_large(MAX_LINE_LENGTH, HEAD_BYTES, MAX_NUM_HEADERS)


def _weak(connection: "HttpConnection") -> Detach:
    """Return what detaches answers of a connection; strong, it and its scope would hold each other after their end."""
    reference = weakref.ref(connection)

    def detach(source: Source) -> Outlet:
        held = reference()
        if held is None:
            raise RuntimeError("the connection of this request is gone")
        return held._detach(source)

    return detach


def _declared_bytes(headers: list[tuple[bytes, bytes]]) -> int:
    """The length of the body as its head has it; 0 where it has none."""
    declared = next((value for name, value in headers if name == b"content-length"), b"")
    return int(declared) if declared.isdigit() else 0
