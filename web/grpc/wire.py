"""The wire of a gRPC call: serialized messages as the client sends and receives them."""

import asyncio
from typing import Any

import grpc
from grpc.aio import EOF, ServicerContext

from stream.protocols.protocol import Message
from stream.protocols.riva.protocol import END
from web.live.wire import WireLostError

Context = ServicerContext[Any, Any]


class CallWire:
    """A call whose client streams; `ended` is the status that it ends with, and its message."""

    def __init__(self, context: Context) -> None:
        self.ended: tuple[int, str] | None = None
        self._context = context
        self._lost = asyncio.Event()
        self._is_half_closed = False

    def lose(self) -> None:
        """Note that the client has cancelled the call."""
        self._lost.set()

    async def receive(self) -> Message | None:
        if self._is_half_closed:
            await self._lost.wait()
            return None
        message = await self._context.read()
        if message is not EOF:
            return bytes(message)
        self._is_half_closed = True
        return None if self._lost.is_set() else END

    async def send(self, message: Message) -> None:
        if self._lost.is_set():
            raise WireLostError
        try:
            await self._context.write(message)
        except (grpc.aio.BaseError, grpc.RpcError, asyncio.InvalidStateError):
            raise WireLostError from None

    async def close(self, code: int, reason: str) -> None:
        self.ended = code, reason


class WholeWire(CallWire):
    """A call whose request has the whole `audio`, and that is answered by one response."""

    def __init__(self, context: Context, audio: bytes) -> None:
        super().__init__(context)
        self._messages: list[Message] = [audio, END] if audio else [END]

    async def receive(self) -> Message | None:
        if self._messages and not self._lost.is_set():
            return self._messages.pop(0)
        await self._lost.wait()
        return None
