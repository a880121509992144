"""Send short messages to all other processes; a message may be lost, so that the tables stay the record."""

import secrets
from collections.abc import AsyncIterator, Callable
from typing import Protocol

import msgspec
import structlog

MOST_BYTES = 5600
"""The longest body: PostgreSQL notifies of 8,000 characters at most, and these are bytes in base64 with a head."""
_log = structlog.get_logger()

Handler = Callable[[bytes], None]


class Transport(Protocol):
    """Carries messages between processes, those of this process included or not."""

    def send(self, message: bytes) -> None:
        """Send a message soon; it is dropped while nobody can be reached."""
        ...

    def messages(self) -> AsyncIterator[bytes]:
        """Return the messages of all processes as they come, until cancelled."""
        ...


class _Envelope(msgspec.Struct, frozen=True, array_like=True):
    sender: bytes
    topic: str
    body: bytes


class Relay:
    """Sends bodies under topics to the other processes, and hands theirs to the handler of each topic."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._sender = secrets.token_bytes(8)
        self._handlers: dict[str, Handler] = {}
        self._decoder = msgspec.msgpack.Decoder(_Envelope)

    def subscribe(self, topic: str, handler: Handler) -> None:
        """Call `handler` with each body of a topic; there is one handler for each topic."""
        self._handlers[topic] = handler

    def send(self, topic: str, body: bytes) -> None:
        """Send a body soon; one that is too long is dropped."""
        if len(body) <= MOST_BYTES:
            self._transport.send(msgspec.msgpack.encode(_Envelope(self._sender, topic, body)))

    async def run(self) -> None:
        """Hand out what the other processes send, until cancelled."""
        async for message in self._transport.messages():
            try:
                self._hand_out(self._decoder.decode(message))
            except Exception:  # a message of another version must not end those that follow
                _log.exception("relayed_message_failed")

    def _hand_out(self, envelope: _Envelope) -> None:
        handler = self._handlers.get(envelope.topic)
        if handler is not None and envelope.sender != self._sender:
            handler(envelope.body)
