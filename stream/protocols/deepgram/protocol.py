"""Deepgram's listen API v1 as a protocol: live recognition at `/v1/listen`."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import ClassVar

import msgspec

from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.protocols.deepgram.commands import parse_message
from stream.protocols.deepgram.errors import closing, description, fault, refusal
from stream.protocols.deepgram.messages import encode
from stream.protocols.deepgram.parameters import listen_request
from stream.protocols.deepgram.writer import MessageWriter
from stream.protocols.protocol import Adapter, ClientProtocol, Handshake, Message, Opening
from stream.session.commands import ClientInput, Close, Reply
from stream.session.deadlines import RunnerLimits
from stream.session.events import ClientEvent, Finished

LISTEN_PATH = "/v1/listen"
# Deepgram closes a connection after so long without audio and without a text message (its error NET-0001).
MOST_SILENCE_SECONDS = 10.0
_SCHEMES = ("token", "bearer")


class Deepgram(ClientProtocol):
    """The streaming half of Deepgram's listen API v1."""

    name: ClassVar[str] = "deepgram"
    path: ClassVar[str] = LISTEN_PATH

    def token(self, handshake: Handshake) -> str | None:
        return key_of(handshake)

    def subprotocol(self, handshake: Handshake) -> str | None:
        """Return the scheme that a browser offers in front of its key; the key is no protocol."""
        return next((name for name in handshake.subprotocols if name.lower() in _SCHEMES), None)

    def limited(self, limits: RunnerLimits) -> RunnerLimits:
        return replace(limits, idle_seconds=min(limits.idle_seconds, MOST_SILENCE_SECONDS))

    def configured(self, config: SessionConfig, handshake: Handshake) -> SessionConfig:
        return listen_request(handshake.query).configured(config)

    def refusal(self, error: ClientError) -> bytes:
        return msgspec.json.encode(refusal(error))

    def refusal_headers(self, error: ClientError) -> Mapping[str, str]:
        return {"dg-error": description(error).encode("ascii", "backslashreplace").decode()}

    def open(self, opening: Opening) -> Adapter:
        return DeepgramAdapter(opening)


def key_of(handshake: Handshake) -> str | None:
    """Return the key of `Authorization: Token KEY`, or of the subprotocols `token, KEY` or `bearer, TOKEN`."""
    scheme, _, key = handshake.headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == "token" and key.strip():
        return key.strip()
    return next((key for name, key in pairwise(handshake.subprotocols) if name.lower() in _SCHEMES), None)


class DeepgramAdapter(Adapter):
    """Binary messages are audio, an empty one ends it; text messages are commands."""

    def __init__(self, opening: Opening) -> None:
        request = listen_request(opening.handshake.query)
        self._request_id = opening.transcription_id
        self._channels = opening.config.channels
        self._writer = MessageWriter(request, self._request_id, opening.opened_at, opening.limits.idle_seconds)

    def read(self, message: Message) -> tuple[ClientInput, ...]:
        if isinstance(message, str):
            return parse_message(message, self._request_id, self._channels)
        if not message:
            return (Close(),)
        self._writer.add_audio(message)
        return (message,)

    def write(self, event: ClientEvent | Reply, config: SessionConfig) -> tuple[Message, ...]:
        if isinstance(event, Reply):
            return tuple(map(encode, self._writer.reply(event.content)))
        return tuple(map(encode, self._writer.write(event, config)))

    def write_failure(self, problem: Problem, detail: str, config: SessionConfig) -> tuple[Message, ...]:
        return (encode(fault(problem, detail)),)

    def closing(self, end: Finished | Problem) -> tuple[int, str]:
        return closing(end)
