"""The Farsava protocol: live recognition in plain and in extended mode."""

from typing import ClassVar

import msgspec

from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.paths import LIVE_PATH
from stream.protocols.farsava.commands import parse_command
from stream.protocols.farsava.messages import SessionLimits, failure
from stream.protocols.farsava.writer import MessageWriter
from stream.protocols.protocol import Adapter, ClientProtocol, Handshake, Message, Opening
from stream.session.commands import ClientInput, Reply
from stream.session.events import ClientEvent

_SUBPROTOCOL = "farsava"


class Farsava(ClientProtocol):
    """The protocol of the Farsava speech API."""

    name: ClassVar[str] = "farsava"
    path: ClassVar[str] = LIVE_PATH
    is_resumable: ClassVar[bool] = True

    def subprotocol(self, handshake: Handshake) -> str | None:
        return _SUBPROTOCOL if _SUBPROTOCOL in handshake.subprotocols else None

    def configured(self, config: SessionConfig, handshake: Handshake) -> SessionConfig:
        return config.with_query(handshake.settings)

    def refusal(self, error: ClientError) -> bytes:
        return msgspec.json.encode(failure(error.problem, error.detail))

    def open(self, opening: Opening) -> Adapter:
        return FarsavaAdapter(opening)


class FarsavaAdapter(Adapter):
    """Binary messages are audio, text messages commands; events become the messages of the connection's mode."""

    def __init__(self, opening: Opening) -> None:
        limits = opening.limits
        sent_limits = SessionLimits(
            max_message_bytes=opening.max_message_bytes,
            idle_ms=1000 * limits.pause_seconds,
            idle_limit_ms=1000 * limits.idle_seconds,
            stream_limit_ms=1000 * limits.stream_seconds,
        )
        self._writer = MessageWriter(opening.transcription_id, sent_limits, resume_token=opening.resume_token)

    def read(self, message: Message) -> tuple[ClientInput, ...]:
        return (message if isinstance(message, bytes) else parse_command(message),)

    def write(self, event: ClientEvent | Reply, config: SessionConfig) -> tuple[Message, ...]:
        text = None if isinstance(event, Reply) else self._writer.write(event, config)
        return () if text is None else (text,)

    def write_failure(self, problem: Problem, detail: str, config: SessionConfig) -> tuple[Message, ...]:
        return (self._writer.write_failure(problem, detail, config),)
