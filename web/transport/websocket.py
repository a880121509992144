"""A WebSocket connection: uvicorn's, bounded in time and memory, and lenient with a peer that we throttle."""

import asyncio
import socket
from http import HTTPStatus
from typing import Any

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from web.transport.flow import Unparsed, half_close
from web.transport.frame_cutter import FrameCutter
from web.transport.limits import Timer, wire_config
from web.transport.refusals import malformed

# The kernel would buffer megabytes by default: unsettled text for a slow reader, which here is replaced by newer text,
# and audio of a throttled sender, behind which its pong would wait.
_SEND_BYTES = 64 * 1024
_RECEIVE_BYTES = 256 * 1024
_WAITING_BYTES = 16 * 1024
# On a slow line the pong may be behind audio that is on its way: while bytes arrive, wait for it so many times longer.
_MOST_EXTENSIONS = 3
# No client needs more frames between two pauses: at most a hundred messages a second, and a ping now and then.
_FRAMES_AT_ONCE = 16
_PAUSE_SECONDS = 0.005
_NO_PONG = "keepalive ping timeout"


class _Handshake(ServerProtocol):
    """The `websockets` protocol, which refuses malformed handshakes with the body that all errors have."""

    def accept(self, request: Request) -> Response:
        response = super().accept(request)
        return response if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS else _with_error_body(response)


def _with_error_body(response: Response) -> Response:
    """Give the refusal of a handshake the body that all errors have."""
    refusal = malformed("this is no WebSocket handshake of version 13 (RFC 6455)")
    for name in ("Content-Type", "Content-Length"):
        del response.headers[name]
        response.headers[name] = refusal.headers[name]
    response.body = bytes(refusal.body)
    return response


class LiveConnection(WebSocketsSansIOProtocol):
    """A connection that expects pongs only while it is read, and that ends soon after its application."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits, self._connection_table = wire_config(config).wire, wire_config(config).connection_table
        self.conn = _Handshake(max_size=config.ws_max_size, logger=self.logger)
        self._abort_timer = Timer(self.loop)
        self._message = bytearray()
        self._parsing: asyncio.Handle | None = None
        self._lost: tuple[Exception | None] | None = None
        self._paused_at: float | None = None
        self._paused_seconds = 0.0
        self._received_bytes = 0
        self._extensions = 0

    # --- the connection ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._unparsed = Unparsed(self.transport)
        self._cutter = FrameCutter()
        self._has_parts = False
        self.transport.set_write_buffer_limits(high=_WAITING_BYTES)
        wire = self.transport.get_extra_info("socket")
        if wire is not None and wire.family in {socket.AF_INET, socket.AF_INET6}:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BYTES)
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection_table.leave(self.transport)
        self._abort_timer.cancel()
        self._lost = (exc,)
        # An application that waits to send has to continue, or it would never receive what is still to be parsed.
        self.disconnected = True
        self.writable.set()
        if self.close_sent or not self.handshake_complete:
            self._drop_unparsed()
        # What was received before the end is still delivered.
        self._end_if_parsed()

    def _end_if_parsed(self) -> None:
        if self._lost is None or self._has_parts:
            return
        self._drop_unparsed()
        (error,), self._lost = self._lost, None
        super().connection_lost(error)

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        super().on_task_complete(task)
        self._drop_unparsed()
        self._end_if_parsed()
        if not self.disconnected:
            # A closed transport keeps sending its buffer, for ever if the peer does not read it.
            self._abort_timer.set(self._limits.send_seconds, self.transport.abort)

    # --- receiving ---

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.handshake_complete:
            # Nothing is parsed or buffered before the answer to the handshake.
            self.transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        self._received_bytes += len(data)
        self._unparsed.push(data)
        if self._parsing is None:
            self._parse()

    def _parse(self) -> None:
        """Parse a part of what was received; the rest once other connections and the application had their turn."""
        self._parsing = None
        frames, size_bytes = 0, self._next_bytes()
        while size_bytes and self._may_parse and frames < _FRAMES_AT_ONCE:
            part = self._unparsed.take(size_bytes)
            self._cutter.take(part)
            frames += self._parse_part(part)
            size_bytes = self._next_bytes()
        self._has_parts = bool(size_bytes)
        if size_bytes and self._may_parse:
            # No pause where no more bytes can come, or where there is no other connection.
            pause = _PAUSE_SECONDS if self._lost is None and len(self.connections) > 1 else 0
            self._parsing = self.loop.call_later(pause, self._parse)
        self._set_reading()
        self._end_if_parsed()

    def _set_reading(self) -> None:
        """Read on only once everything that was received is parsed, but for the beginning of a frame's header."""
        self._unparsed.set_reading(not self._has_parts and self._may_parse)

    def _next_bytes(self) -> int:
        """Return how many bytes to parse next; 0 where more have to come before."""
        return self._cutter.next_bytes(self._unparsed.peek(self._cutter.peek_bytes), len(self._unparsed))

    def _drop_unparsed(self) -> None:
        self._unparsed.clear()
        self._has_parts = False

    @property
    def _may_parse(self) -> bool:
        """Whether the handshake is answered and the application ready for more."""
        if self.handshake_initiated and not self.handshake_complete:
            return False
        return not self.read_paused

    def _parse_part(self, data: bytes) -> int:
        """Parse some bytes; return how many frames ended in them."""
        self.conn.receive_data(data)
        count = len(self.conn.events)
        # Complete frames before a malformed one are delivered.
        self.handle_events()
        if self.conn.parser_exc is not None and not self.close_sent:
            self.handle_parser_exception()
        elif self.conn.handshake_exc is not None and not self.handshake_initiated:
            # Not a handshake: the library answers nothing, and uvicorn would wait for more.
            self.handshake_initiated = True
            response = _with_error_body(self.conn.reject(HTTPStatus.BAD_REQUEST, ""))
            self.transport.write(response.serialize())
            self.transport.close()
        return count

    def _parse_on(self) -> None:
        """Continue to parse in the next iteration of the event loop."""
        self._set_reading()
        if self._has_parts and self._parsing is None:
            self._parsing = self.loop.call_soon(self._parse)

    def handle_cont(self, event: Frame) -> None:
        # The size of a message is bounded, the number of its fragments is not: keep one buffer instead of a list.
        if self.frames:
            self._message = bytearray(self.frames.pop())
        self._message += event.data
        if event.fin:
            self.frames = [bytes(self._message)]
            self._message.clear()
            self.send_receive_event_to_app()

    def handle_ping(self) -> None:
        pong = b"".join(self.conn.data_to_send())
        # A peer that does not read gets no pongs, which would otherwise fill the memory.
        if self.writable.is_set() and not self.transport.is_closing():
            self.transport.write(pong)

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text" and not self.close_sent and not _is_utf8(self.frames):
            self.frames = []
            self.conn.fail(CloseCode.INVALID_DATA, "text that is not UTF-8")
            self.handle_parser_exception()
            return
        was_paused = self.read_paused
        super().send_receive_event_to_app()
        if self.read_paused and not was_paused:
            self._paused_at = self.loop.time()

    def handle_parser_exception(self) -> None:
        if self._lost is not None:
            # The peer is gone.
            self._drop_unparsed()
            return
        close = self.conn.close_sent
        if close is not None:  # the library has prepared one for every error of the parser
            self._hang_up(close.code, close.reason)
        half_close(self.transport)
        self.close_timer = self.loop.call_later(self._limits.linger_seconds, self.transport.close)

    def _hang_up(self, code: int, reason: str) -> None:
        """Send the Close frame that the library has prepared, and tell the application."""
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self._abort_timer.set(self._limits.send_seconds, self.transport.abort)

    # --- keepalive ---

    def send_keepalive_ping(self) -> None:
        self._extensions = 0
        self._begin_waiting()
        super().send_keepalive_ping()

    def _begin_waiting(self) -> None:
        self._received_bytes = 0
        self._paused_seconds = 0.0
        if self._paused_at is not None:
            self._paused_at = self.loop.time()

    def keepalive_timeout(self) -> None:
        """Close the connection if no pong came while it was read; while it was not, none could be received."""
        self.pong_timer = None
        if self.close_sent or self.transport.is_closing():
            return
        wait_seconds = self._unread_seconds()
        if self._received_bytes and self._extensions < _MOST_EXTENSIONS:
            self._extensions += 1
            wait_seconds = self._limits.pong_seconds
        if wait_seconds:
            self._begin_waiting()
            self.pong_timer = self.loop.call_later(wait_seconds, self.keepalive_timeout)
            return
        self.pending_ping_payload = None
        self.conn.fail(CloseCode.INTERNAL_ERROR, _NO_PONG)
        self._hang_up(CloseCode.INTERNAL_ERROR, _NO_PONG)
        self.transport.close()

    def _unread_seconds(self) -> float:
        """Return for how many seconds since the last ping or extension the socket was not read."""
        paused = 0.0 if self._paused_at is None else self.loop.time() - self._paused_at
        return self._paused_seconds + paused

    # --- the application ---

    async def receive(self) -> ASGIReceiveEvent:
        message = await super().receive()
        self._note_reading()
        self._parse_on()
        return message

    async def send(self, message: ASGISendEvent) -> None:
        if message["type"] == "websocket.close":
            # A close is queued without waiting for the peer to read: a peer that does not may be the reason for it.
            self.writable.set()
        await super().send(message)
        if message["type"] in ("websocket.accept", "websocket.close"):
            self._parse_on()
        self._note_reading()

    def _note_reading(self) -> None:
        if self._paused_at is not None and not self.read_paused:
            self._paused_seconds += self.loop.time() - self._paused_at
            self._paused_at = None


def _is_utf8(pieces: list[bytes]) -> bool:
    try:
        b"".join(pieces).decode()
    except UnicodeDecodeError:
        return False
    return True
