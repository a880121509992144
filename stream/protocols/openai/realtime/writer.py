"""The server's events of a Realtime session, as JSON in the GA and in the beta shape."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import msgspec

from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.protocols.openai.errors import openai_error
from stream.protocols.openai.realtime.items import (
    Cleared,
    Committed,
    Completed,
    Failed,
    ItemEvent,
    Started,
    Stopped,
    TextAdded,
    logprobs,
    milliseconds,
)
from stream.protocols.openai.realtime.session_settings import LOGPROBS, USUAL_THRESHOLD, SessionSettings
from vad import SAMPLE_RATE

TRANSCRIPTION = "conversation.item.input_audio_transcription"
_Fields = dict[str, object]


@dataclass(frozen=True, slots=True)
class ShownSession:
    """A session as its client sees it; `expires_at` in seconds since 1970."""

    session_id: str
    expires_at: int
    settings: SessionSettings
    config: SessionConfig


class RealtimeWriter(ABC):
    """Writes the events that both versions have; `prefix` begins their ids."""

    created: ClassVar[str]
    updated: ClassVar[str]
    formats: ClassVar[Mapping[str, str]]

    @classmethod
    @abstractmethod
    def session(cls, shown: ShownSession) -> _Fields:
        """Return the session object."""

    @abstractmethod
    def items(self, event: Committed) -> Iterator[tuple[str, _Fields]]:
        """Yield the events that show the item of committed audio."""

    def write(self, event: ItemEvent, settings: SessionSettings) -> Iterator[tuple[str, _Fields]]:
        """Yield the types and the fields of the messages for an event of an item."""
        match event:
            case Started(item_id, onset):
                yield "input_audio_buffer.speech_started", {"audio_start_ms": milliseconds(onset), "item_id": item_id}
            case Stopped(item_id, end):
                yield "input_audio_buffer.speech_stopped", {"audio_end_ms": milliseconds(end), "item_id": item_id}
            case Committed(item_id, previous_id):
                yield "input_audio_buffer.committed", {"previous_item_id": previous_id, "item_id": item_id}
                yield from self.items(event)
            case TextAdded(item_id, text):
                yield f"{TRANSCRIPTION}.delta", {"item_id": item_id, "content_index": 0, "delta": text}
            case Completed():
                yield f"{TRANSCRIPTION}.completed", _completed(event, settings)
            case Failed(item_id):
                yield f"{TRANSCRIPTION}.failed", {"item_id": item_id, "content_index": 0, "error": FAILURE}
            case Cleared():
                yield "input_audio_buffer.cleared", {}


class GaWriter(RealtimeWriter):
    """The shape of the generally available version."""

    created = "session.created"
    updated = "session.updated"
    formats: ClassVar = {"LINEAR16": "audio/pcm", "MULAW": "audio/pcmu", "ALAW": "audio/pcma"}

    @classmethod
    def session(cls, shown: ShownSession) -> _Fields:
        config, settings = shown.config, shown.settings
        audio: _Fields = {"type": _format(cls.formats, config)}
        if config.audio_encoding == "LINEAR16":
            audio["rate"] = config.sample_rate_hertz
        return {
            "type": "transcription",
            "object": "realtime.transcription_session",
            "id": shown.session_id,
            "expires_at": shown.expires_at,
            "audio": {
                "input": {
                    "format": audio,
                    "transcription": _transcription(settings) | {"keywords": list(settings.keywords)},
                    "noise_reduction": _noise_reduction(settings),
                    "turn_detection": _turn_detection(shown),
                }
            },
            "include": _included(settings),
        }

    def items(self, event: Committed) -> Iterator[tuple[str, _Fields]]:
        fields = _item_fields(event)
        yield "conversation.item.added", fields
        yield "conversation.item.done", fields


class BetaWriter(RealtimeWriter):
    """The shape of the beta version."""

    created = "transcription_session.created"
    updated = "transcription_session.updated"
    formats: ClassVar = {"LINEAR16": "pcm16", "MULAW": "g711_ulaw", "ALAW": "g711_alaw"}

    @classmethod
    def session(cls, shown: ShownSession) -> _Fields:
        return {
            "object": "realtime.transcription_session",
            "id": shown.session_id,
            "expires_at": shown.expires_at,
            "modalities": ["text"],
            "input_audio_format": _format(cls.formats, shown.config),
            "input_audio_transcription": _transcription(shown.settings),
            "input_audio_noise_reduction": _noise_reduction(shown.settings),
            "turn_detection": _turn_detection(shown),
            "include": _included(shown.settings),
            "client_secret": None,
        }

    def items(self, event: Committed) -> Iterator[tuple[str, _Fields]]:
        yield "conversation.item.created", _item_fields(event)


def error_fields(error: ClientError, event_id: str | None = None) -> _Fields:
    """Return the fields of an `error` event; `event_id` is that of the client's event."""
    details = msgspec.to_builtins(openai_error(error).error)
    return {"error": details | {"event_id": event_id}}


FAILURE: dict[str, object] = msgspec.to_builtins(
    openai_error(ClientError(Problem.RECOGNIZER_FAILED, "the recognizer failed; nothing of this audio is known")).error
)
"""Why an item has no text."""


def _completed(event: Completed, settings: SessionSettings) -> _Fields:
    return {
        "item_id": event.item_id,
        "content_index": 0,
        "transcript": event.transcript,
        "logprobs": logprobs(event.words) if settings.has_logprobs else None,
        "usage": {"type": "duration", "seconds": round(event.samples / SAMPLE_RATE, 3)},
    }


def _item_fields(event: Committed) -> _Fields:
    item = {
        "id": event.item_id,
        "object": "realtime.item",
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_audio", "transcript": None}],
    }
    return {"previous_item_id": event.previous_id, "item": item}


def _format(names: Mapping[str, str], config: SessionConfig) -> str:
    """Return a version's name of an encoding; what the server's own configuration sets may have none."""
    return names.get(config.audio_encoding, config.audio_encoding)


def _transcription(settings: SessionSettings) -> _Fields:
    return {"model": settings.model, "language": settings.language, "prompt": settings.prompt}


def _noise_reduction(settings: SessionSettings) -> _Fields | None:
    return None if settings.noise_reduction is None else {"type": settings.noise_reduction}


def _included(settings: SessionSettings) -> list[str] | None:
    return [LOGPROBS] if settings.has_logprobs else None


def _turn_detection(shown: ShownSession) -> _Fields | None:
    config, settings = shown.config, shown.settings
    if config.is_manual:
        return None
    if settings.eagerness is not None:
        return {"type": "semantic_vad", "eagerness": settings.eagerness}
    return {
        "type": "server_vad",
        "threshold": USUAL_THRESHOLD if settings.threshold is None else settings.threshold,
        "prefix_padding_ms": config.preroll_ms,
        "silence_duration_ms": config.hangover_ms,
    }
