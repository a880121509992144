"""Answers that are sent while the work for them goes on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from stream.errors import ClientError
from web.errors import PROBLEM_KEY, problem_response
from web.rest.request.connected import while_connected
from web.tasks import running_task

EVENT_STREAM_TYPE = "text/event-stream"
# So long an error may still have a status of its own; then the answer has begun.
_START_SECONDS = 1.0
# Proxies commonly close a connection on which nothing was sent for a minute.
_QUIET_SECONDS = 15.0
EVENT_STREAM_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

SendPiece = Callable[[bytes], Awaitable[None]]
T = TypeVar("T")


class EventStreamResponse(Response):
    """Sends what `produce` makes as server-sent events while it works, and stops it when the client leaves.

    An error of `produce` is a refusal with a status of its own while nothing was sent, afterwards the event that
    `write_error` makes of it. A `comment` keeps the connection open. `held` is closed in the end.
    """

    media_type = EVENT_STREAM_TYPE

    def __init__(
        self,
        produce: Callable[[SendPiece], Awaitable[None]],
        *,
        write_error: Callable[[ClientError], bytes],
        comment: bytes,
        held: AsyncExitStack,
    ) -> None:
        self.status_code = 200
        self.background = None
        self.body = b""
        self.init_headers(EVENT_STREAM_HEADERS)
        del self.headers["Content-Length"]
        self._produce = produce
        self._write_error = write_error
        self._comment = comment
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._held:
            await while_connected(receive, self._answer(scope, receive, send))

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        pieces = _Pieces(send, self.raw_headers)
        try:
            async with _kept_open(pieces, self._comment):
                await self._produce(pieces.send)
        except ClientError as error:
            if not pieces.has_begun:
                await problem_response(error)(scope, receive, send)
                return
            scope[PROBLEM_KEY] = error.problem.value.type
            await pieces.send(self._write_error(error))
        await pieces.end()


class _Pieces:
    """The body of an answer, in pieces; its head is sent before the first one."""

    def __init__(self, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
        self.has_begun = False
        self._send = send
        self._headers = headers
        self._turn = asyncio.Lock()

    async def send(self, piece: bytes) -> None:
        """Send a piece; nothing for an empty one. Waits while the client is slow to read."""
        if not piece:
            return
        async with self._turn:
            if not self.has_begun:
                self.has_begun = True
                await self._send({"type": "http.response.start", "status": 200, "headers": self._headers})
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})

    async def end(self) -> None:
        """Send the end of the body."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


@asynccontextmanager
async def _kept_open(pieces: _Pieces, comment: bytes) -> AsyncIterator[None]:
    """Begin the answer soon, and send comments, while the context lasts."""

    async def comments() -> None:
        await asyncio.sleep(_START_SECONDS)
        while True:
            await pieces.send(comment)
            await asyncio.sleep(_QUIET_SECONDS)

    async with running_task(comments()):
        yield
