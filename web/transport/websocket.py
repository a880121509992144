"""Owns a WebSocket's connection: uvicorn's, that is patient with a throttled peer and bounded with any other."""

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

from web.transport.half_close import end_writing
from web.transport.limits import Timer, wire_config
from web.transport.refusals import malformed

# The kernel would hold megabytes: of stale text for a reader that does not read, where what waits here is replaced
# by newer, and of sound in front of the pong of a sender that is throttled.
_SEND_BYTES = 64 * 1024
_RECEIVE_BYTES = 256 * 1024
_WAITING_BYTES = 16 * 1024
# While bytes come the pong may be behind them, on a slow line with much on its way.
_MOST_EXTENSIONS = 3
# What is parsed at once, and what of a frame that is longer. Frames of a few bytes take 20 us each, so that what stands
# behind a long one in its last slice takes 7 ms at most.
_SLICE_BYTES = 128
_LONG_SLICE_BYTES = 2048
# A connection that sends more frames than these between two pauses sends them for the sake of their number; a client
# has a hundred messages a second, and a ping now and then.
_FRAMES_AT_ONCE = 16
_PAUSE_SECONDS = 0.005
_NO_PONG = "keepalive ping timeout"


class _Handshake(ServerProtocol):
    """The library's protocol, which answers what is no handshake with an error of the table."""

    def accept(self, request: Request) -> Response:
        response = super().accept(request)
        return response if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS else _in_words(response)


def _in_words(response: Response) -> Response:
    """Give the refusal of a handshake the body that all errors have."""
    told = malformed("this is no WebSocket handshake of version 13 (RFC 6455)")
    for name in ("Content-Type", "Content-Length"):
        del response.headers[name]
        response.headers[name] = told.headers[name]
    response.body = bytes(told.body)
    return response


class LiveConnection(WebSocketsSansIOProtocol):
    """A connection whose pings count while it is read, and which is over soon after its application is."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits, self._roster = wire_config(config).wire, wire_config(config).roster
        self.conn = _Handshake(max_size=config.ws_max_size, logger=self.logger)
        self._abort_timer = Timer(self.loop)
        self._message = bytearray()
        self._unparsed = bytearray()
        self._parsing: asyncio.Handle | None = None
        self._lost: tuple[Exception | None] | None = None
        self._paused_at: float | None = None
        self._paused_seconds = 0.0
        self._came_bytes = 0
        self._extensions = 0

    # --- the connection ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=_WAITING_BYTES)
        wire = self.transport.get_extra_info("socket")
        if wire is not None and wire.family in {socket.AF_INET, socket.AF_INET6}:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BYTES)
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        self._roster.leave(self.transport)
        self._abort_timer.cancel()
        self._lost = (exc,)
        # Whoever waits to send must know, or it would never take what still waits to be parsed.
        self.disconnected = True
        self.writable.set()
        if self.close_sent or not self.handshake_complete:
            self._unparsed.clear()
        # What came before the end counts.
        self._end_if_parsed()

    def _end_if_parsed(self) -> None:
        if self._lost is None or self._unparsed:
            return
        (error,), self._lost = self._lost, None
        super().connection_lost(error)

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        super().on_task_complete(task)
        self._unparsed.clear()
        self._end_if_parsed()
        if not self.disconnected:
            # A transport that is closed sends what waits, for ever if the peer does not take it.
            self._abort_timer.set(self._limits.send, self.transport.abort)

    # --- what comes ---

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.handshake_complete:
            # What comes before the handshake's answer is for nobody yet: neither to be parsed nor to be kept.
            self.transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        self._came_bytes += len(data)
        self._unparsed += data
        if self._parsing is None:
            self._parse()

    def _parse(self) -> None:
        """Parse some of what came; the rest once others had their turn and the application has taken what it got."""
        self._parsing = None
        frames, size = 0, _SLICE_BYTES
        while self._unparsed and self._may_parse and frames < _FRAMES_AT_ONCE:
            part = bytes(self._unparsed[:size])
            del self._unparsed[:size]
            ended = self._parse_slice(part)
            frames += ended
            size = _SLICE_BYTES if ended else _LONG_SLICE_BYTES
        if self._unparsed and self._may_parse:
            # Where no more can come, it is soon over; where nobody else is, nobody else waits.
            pause = _PAUSE_SECONDS if self._lost is None and len(self.connections) > 1 else 0
            self._parsing = self.loop.call_later(pause, self._parse)
        self._set_reading()
        self._end_if_parsed()

    def _set_reading(self) -> None:
        """Read no more before what came is parsed."""
        if self.transport.is_closing():
            return
        if self._unparsed or not self._may_parse:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    @property
    def _may_parse(self) -> bool:
        """Whether what comes is for somebody, and who that is waits for it."""
        if self.handshake_initiated and not self.handshake_complete:
            return False
        return not self.read_paused

    def _parse_slice(self, data: bytes) -> int:
        """Return how many frames ended in it."""
        self.conn.receive_data(data)
        count = len(self.conn.events)
        # What came whole before something broken counts.
        self.handle_events()
        if self.conn.parser_exc is not None and not self.close_sent:
            self.handle_parser_exception()
        elif self.conn.handshake_exc is not None and not self.handshake_initiated:
            # No handshake at all: the library then says nothing, and uvicorn would wait for more.
            self.handshake_initiated = True
            response = _in_words(self.conn.reject(HTTPStatus.BAD_REQUEST, ""))
            self.transport.write(response.serialize())
            self.transport.close()
        return count

    def _go_on(self) -> None:
        """Parse what waits, at the next turn of the loop."""
        self._set_reading()
        if self._unparsed and self._parsing is None:
            self._parsing = self.loop.call_soon(self._parse)

    def handle_cont(self, event: Frame) -> None:
        # In one piece: what a message may weigh is bounded, into how many pieces it is cut is not.
        if self.frames:
            self._message = bytearray(self.frames.pop())
        self._message += event.data
        if event.fin:
            self.frames = [bytes(self._message)]
            self._message.clear()
            self.send_receive_event_to_app()

    def handle_ping(self) -> None:
        pong = b"".join(self.conn.data_to_send())
        # Who takes no answers gets none: otherwise they would fill the memory.
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
            # There is nobody to be told.
            self._unparsed.clear()
            return
        assert self.conn.close_sent is not None  # noqa: S101 - as in uvicorn
        self._hang_up(self.conn.close_sent.code, self.conn.close_sent.reason)
        end_writing(self.transport)
        self.close_timer = self.loop.call_later(self._limits.linger, self.transport.close)

    def _hang_up(self, code: int, reason: str) -> None:
        """Send the Close that the library has ready, and let the application know."""
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self._abort_timer.set(self._limits.send, self.transport.abort)

    # --- is anybody there? ---

    def send_keepalive_ping(self) -> None:
        self._extensions = 0
        self._begin_waiting()
        super().send_keepalive_ping()

    def _begin_waiting(self) -> None:
        self._came_bytes = 0
        self._paused_seconds = 0.0
        if self._paused_at is not None:
            self._paused_at = self.loop.time()

    def keepalive_timeout(self) -> None:
        """Give up a peer that did not answer while it was read; while it was not, no answer could be seen."""
        self.pong_timer = None
        if self.close_sent or self.transport.is_closing():
            return
        waits = self._unread_seconds()
        if self._came_bytes and self._extensions < _MOST_EXTENSIONS:
            self._extensions += 1
            waits = self._limits.pong
        if waits:
            self._begin_waiting()
            self.pong_timer = self.loop.call_later(waits, self.keepalive_timeout)
            return
        self.pending_ping_payload = None
        self.conn.fail(CloseCode.INTERNAL_ERROR, _NO_PONG)
        self._hang_up(CloseCode.INTERNAL_ERROR, _NO_PONG)
        self.transport.close()

    def _unread_seconds(self) -> float:
        """For how long since the last look the socket was not read."""
        paused = 0.0 if self._paused_at is None else self.loop.time() - self._paused_at
        return self._paused_seconds + paused

    # --- the application's side ---

    async def receive(self) -> ASGIReceiveEvent:
        message = await super().receive()
        self._note_reading()
        self._go_on()
        return message

    async def send(self, message: ASGISendEvent) -> None:
        if message["type"] == "websocket.close":
            # A goodbye waits behind what waits, not for it: its reader may be the reason.
            self.writable.set()
        await super().send(message)
        if message["type"] in ("websocket.accept", "websocket.close"):
            self._go_on()
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
