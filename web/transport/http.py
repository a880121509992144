"""An HTTP connection: uvicorn's, that closes whoever is too slow or says too much before the request's body."""

import asyncio
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
from web.transport.flow import Flow, Unparsed
from web.transport.half_close import end_writing
from web.transport.limits import HEAD_BYTES, PROGRESS_BYTES, Timer, wire_config
from web.transport.refusals import WireError, check_single, head_too_large, malformed, no_connection_left
from web.transport.roster import Entrance

# What is answered on every connection, also where all are in use.
_HEALTH_PATHS = frozenset({HEALTH_PATH, "/livez", "/readyz", "/metrics"})
# What a line has besides the target (`OPTIONS`, `HTTP/1.1`), or besides a header's name and value.
_REST_OF_LINE = 20
# What a handshake leads to goes on for about a millisecond; a crowd of them leaves four fifths of the time to others.
_HANDSHAKE_SECONDS = 0.005
# The parser cannot be stopped within a piece: so many bytes of heads, or of chunks, hold few requests, each of which
# weighs some kilobytes once it is parsed. A body whose length is known is parsed in larger pieces.
_HEAD_PIECE_BYTES = 256
_CHUNKED_PIECE_BYTES = 1024
_BODY_PIECE_BYTES = 1 << 16

_log = structlog.get_logger()


class HttpConnection(HttpToolsProtocol):
    """A connection that has `head` seconds for each request's head, and may be slow but not stuck in all else."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        own = wire_config(config)
        self._limits, self._turnstile, self._turn_away = own.wire, own.turnstile, own.turn_away
        self._roster = own.roster
        self._is_for_health = False
        self._source = ""
        self._upgrades = False
        self._head_timer = Timer(self.loop)
        self._body_timer = Timer(self.loop)
        self._send_timer = Timer(self.loop)
        self._is_in_head = True
        self._is_refused = False
        self._refusal: Response | None = None
        self._body_left_bytes = 0  # of a body whose length was declared
        self._fed_bytes = 0  # of the head, as it came; a line is told only when it has ended
        self._head_bytes = 0
        self._body_bytes = 0

    # --- the connection ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._source = source_of_host(self._host)
        self._unparsed = Unparsed(transport)
        self.flow = self._own_flow = Flow(transport, self._go_on)
        self._head_timer.set(self._limits.head, self._close)
        entrance = self._roster.enter(transport, host=self._host, source=self._source, close=transport.abort)
        if entrance is not Entrance.OPEN:
            self._log_full()
        self._is_for_health = entrance is Entrance.HEALTH_ONLY
        if entrance is Entrance.CLOSED:
            transport.abort()

    @property
    def _host(self) -> str:
        """The address that the connection came from; empty for a Unix socket."""
        return self.client[0] if self.client else ""

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._head_timer, self._body_timer, self._send_timer):
            timer.cancel()
        self._unparsed.clear()
        self._roster.leave(self.transport)
        super().connection_lost(exc)
        self._own_flow.close()

    def _log_full(self) -> None:
        if self._roster.is_told(self.loop.time()):
            _log.warning("connections_full", connections=len(self._roster))

    def handle_websocket_upgrade(self) -> None:
        self._upgrades = True
        self._unparsed.clear()  # before the answer nobody may say anything
        self._unparsed.set_reading(False)
        self._turnstile.enter(self._upgrade, self._source)

    def _upgrade(self) -> float | None:
        """Hand the connection over; this keeps the next one waiting for longer than a request."""
        if self.transport.is_closing():
            return None
        response = self._turn_away(self._host)
        if response is not None:
            self._refuse(response)
            return _HANDSHAKE_SECONDS
        # From here on it is the WebSocket's connection, which this object hears no more of.
        for timer in (self._head_timer, self._body_timer, self._send_timer):
            timer.cancel()
        super().handle_websocket_upgrade()
        return _HANDSHAKE_SECONDS

    def timeout_keep_alive_handler(self) -> None:
        self._close()

    def _close(self) -> None:
        """Close once what waits is sent, however slowly, or is not taken for too long."""
        self.transport.close()
        self._send_timer.set(self._limits.send, self._check_taken, self.transport.get_write_buffer_size())

    # --- the head of a request ---

    def data_received(self, data: bytes) -> None:
        if not self._is_refused:
            self._unparsed.push(data)
            self._parse()

    def _parse(self) -> None:
        """Parse what came, up to the end of a request whose answer has to be waited for."""
        while len(self._unparsed) and self._may_parse():
            piece = self._unparsed.take(self._piece_bytes())
            if self._is_in_head:
                self._fed_bytes += len(piece)
            super().data_received(piece)
            # An endless line is shown to nobody before it ends.
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
        """Whether a request was taken whose answer is not complete."""
        return bool(self.pipeline) or not getattr(self.cycle, "response_complete", True)

    def _piece_bytes(self) -> int:
        if self._is_in_head:
            return _HEAD_PIECE_BYTES
        return min(_BODY_PIECE_BYTES, self._body_left_bytes) or _CHUNKED_PIECE_BYTES

    def _go_on(self) -> None:
        """Parse on once uvicorn is through with what it is at."""
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
        is_long = line_bytes + _REST_OF_LINE > MAX_LINE_LENGTH or self._head_bytes > HEAD_BYTES
        if is_long or len(self.headers) > MAX_NUM_HEADERS:
            raise self._refused(WireError(_head_too_large()))

    def on_headers_complete(self) -> None:
        try:
            check_single(self.headers)
            self._check_welcome()
        except WireError as error:
            raise self._refused(error) from None
        self._roster.begin(self.transport)
        self._is_in_head = False
        self._fed_bytes = 0
        self._body_left_bytes = _declared_bytes(self.headers)
        self._head_timer.cancel()
        super().on_headers_complete()
        self._body_bytes = 0
        self._body_timer.set(self._limits.body, self._check_body)

    def _check_welcome(self) -> None:
        if self._is_for_health and self.url.partition(b"?")[0].decode("latin-1") not in _HEALTH_PATHS:
            raise WireError(no_connection_left())

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._turnstile.enter(lambda: self._start(cycle, app), self._source)

    def _start(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        if not cycle.disconnected:
            super()._start_asgi_task(cycle, app)

    def _refused(self, error: WireError) -> WireError:
        """Keep what an error is answered, which the parser that passes it on does not know."""
        self._refusal = error.response
        return error

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request, or one that is not taken, and close."""
        self._refuse(self._refusal or malformed())

    def _refuse(self, response: Response) -> None:
        """Answer without asking the application, and close; answers that are due before it come before it."""
        self._is_refused = True
        self._unparsed.clear()
        if self._is_answering and self._is_in_head:
            self._refusal = response
            return
        if self._is_answering:
            # The body is broken, and whoever waits for the rest of it has to know.
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
        if end_writing(self.transport):
            self._head_timer.set(self._limits.linger, self._close)
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
        """Cut off a sender that is stuck; while the application does not read, it is not the sender."""
        if self._body_bytes < PROGRESS_BYTES and not self.flow.read_paused:
            self._close()
            return
        self._body_bytes = 0
        self._body_timer.set(self._limits.body, self._check_body)

    def on_response_complete(self) -> None:
        if self.transport.is_closing():
            self._close()
        elif self._is_refused and self._refusal is not None and not self.pipeline:
            self._write_refusal(self._refusal)
        elif not self.pipeline:
            self._head_timer.set(self._limits.head, self._close)
        super().on_response_complete()
        if not self.pipeline:
            self._roster.end(self.transport)
        self._go_on()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._send_timer.set(self._limits.send, self._check_taken, self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        self._send_timer.cancel()
        super().resume_writing()

    def _check_taken(self, waiting_bytes: int) -> None:
        """Cut off a reader that is stuck."""
        now_waiting = self.transport.get_write_buffer_size()
        if now_waiting > waiting_bytes - PROGRESS_BYTES:
            self.transport.abort()
        else:
            self._send_timer.set(self._limits.send, self._check_taken, now_waiting)


def _head_too_large() -> Response:
    return head_too_large(MAX_LINE_LENGTH, HEAD_BYTES, MAX_NUM_HEADERS)


def _declared_bytes(headers: list[tuple[bytes, bytes]]) -> int:
    """The length of the body as its head has it; 0 where it has none."""
    declared = next((value for name, value in headers if name == b"content-length"), b"")
    return int(declared) if declared.isdigit() else 0
