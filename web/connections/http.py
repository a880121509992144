"""Owns an HTTP connection: uvicorn's, that closes whoever is too slow or says too much before the request's body."""

import asyncio
from http import HTTPStatus
from typing import Any

from starlette.responses import PlainTextResponse, Response
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState
from websockets.http11 import MAX_LINE_LENGTH, MAX_NUM_HEADERS

from web.connections.farewell import end_writing
from web.connections.limits import HEAD_BYTES, PROGRESS_BYTES, Timer, wire_config

# What a line has besides the target (`OPTIONS`, `HTTP/1.1`), or besides a header's name and value.
_REST_OF_LINE = 20
# What a handshake leads to goes on for about a millisecond; a crowd of them leaves four fifths of the time to others.
_HANDSHAKE_SECONDS = 0.005


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
        self._upgrades = False
        self._head_timer = Timer(self.loop)
        self._body_timer = Timer(self.loop)
        self._send_timer = Timer(self.loop)
        self._is_in_head = True
        self._is_long = False
        self._is_refused = False
        self._fed_bytes = 0  # of the head, as it came; a line is told only when it has ended
        self._head_bytes = 0
        self._body_bytes = 0

    # --- the connection ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_timer.set(self._limits.head, self._close)

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._head_timer, self._body_timer, self._send_timer):
            timer.cancel()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        response = self._turn_away(self.client[0] if self.client else "")
        if response is not None:
            self._refuse(response)
            return
        # From here on it is the WebSocket's connection, which this object hears no more of.
        self._upgrades = True
        for timer in (self._head_timer, self._body_timer, self._send_timer):
            timer.cancel()
        super().handle_websocket_upgrade()

    def timeout_keep_alive_handler(self) -> None:
        self._close()

    def _close(self) -> None:
        """Close once what waits is sent, however slowly, or is not taken for too long."""
        self.transport.close()
        self._send_timer.set(self._limits.send, self._check_taken, self.transport.get_write_buffer_size())

    # --- the head of a request ---

    def data_received(self, data: bytes) -> None:
        self.transport.pause_reading()
        self._turnstile.enter(lambda: self._take(data))

    def _take(self, data: bytes) -> float | None:
        """Parse what came; a handshake keeps the next one waiting for longer than a request."""
        if self.transport.is_closing():
            return None
        self.transport.resume_reading()
        if self._is_refused:
            return None
        if self._is_in_head:
            self._fed_bytes += len(data)
        super().data_received(data)
        # An endless line is shown to nobody before it ends.
        if self._is_in_head and self._fed_bytes > HEAD_BYTES and not self.transport.is_closing():
            self._is_long = True
            self.send_400_response("")
        return _HANDSHAKE_SECONDS if self._upgrades else None

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
            self._is_long = True
            raise _LongHeadError

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._fed_bytes = 0
        self._head_timer.cancel()
        super().on_headers_complete()
        self._body_bytes = 0
        self._body_timer.set(self._limits.body, self._check_body)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request, or one with too long a head, and close."""
        status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if self._is_long else HTTPStatus.BAD_REQUEST
        self._refuse(PlainTextResponse(f"{status.value} {status.phrase}\n", status))

    def _refuse(self, response: Response) -> None:
        """Answer without asking the application, and close."""
        self._is_refused = True
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
        elif not self.pipeline:
            self._head_timer.set(self._limits.head, self._close)
        super().on_response_complete()

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


class _LongHeadError(Exception):
    """The head is longer than this server reads; the parser stops there."""
