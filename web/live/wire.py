"""The wire of a live connection: what carries the messages of a protocol to its client and back."""

from typing import Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect

from stream.protocols.protocol import Message


class WireLostError(Exception):
    """The client is gone."""


class Wire(Protocol):
    """Carries the messages of one connection."""

    async def receive(self) -> Message | None:
        """Wait for the client's next message; None once it is gone."""
        ...

    async def send(self, message: Message) -> None:
        """Send a message, once there is room for it; raises WireLostError."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """End the connection after what was sent; raises WireLostError."""
        ...


class WebSocketWire:
    """An accepted WebSocket."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    async def receive(self) -> Message | None:
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            return None
        data: bytes | None = message.get("bytes")
        text: str | None = message.get("text")
        return text if data is None else data

    async def send(self, message: Message) -> None:
        try:
            if isinstance(message, str):
                await self._websocket.send_text(message)
            else:
                await self._websocket.send_bytes(message)
        except WebSocketDisconnect:
            raise WireLostError from None

    async def close(self, code: int, reason: str) -> None:
        try:
            await self._websocket.close(code, reason)
        except WebSocketDisconnect:
            raise WireLostError from None
