"""OpenAI's Realtime API for transcription, in its GA and its beta version."""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from enum import Enum, auto
from typing import ClassVar

import msgspec

from stream.configuration.config import MANUAL, OFF, SessionConfig
from stream.configuration.presets import PRESETS
from stream.errors import ClientError, Problem, shown
from stream.paths import REALTIME_PATH
from stream.protocols.openai.errors import FieldError, error_body
from stream.protocols.openai.realtime.client_events import EventError, RealtimeClientEvent, object_in, read_event
from stream.protocols.openai.realtime.items import Items
from stream.protocols.openai.realtime.session_settings import (
    PCM_HERTZ,
    SettingsUpdate,
    UpdateReader,
    first_settings,
    is_committed,
)
from stream.protocols.openai.realtime.writer import BetaWriter, GaWriter, RealtimeWriter, ShownSession, error_fields
from stream.protocols.protocol import Adapter, ClientProtocol, Handshake, Message, Opening
from stream.session.commands import ClientInput, Configure, Discard, Finalize, Refused, Reply
from stream.session.events import (
    ClientEvent,
    Discarded,
    EndCause,
    Finished,
    Ready,
    Settled,
    SpeechEnded,
    SpeechStarted,
    Unsettled,
)

_INTENT = "transcription"
_SUBPROTOCOL, _BETA_SUBPROTOCOL = "realtime", "openai-beta.realtime-v1"
_KEY_SUBPROTOCOL = "openai-insecure-api-key."
_APPEND, _COMMIT, _CLEAR = "input_audio_buffer.append", "input_audio_buffer.commit", "input_audio_buffer.clear"
_UPDATES: dict[str, type[RealtimeWriter]] = {"session.update": GaWriter, "transcription_session.update": BetaWriter}
_TYPES = (*_UPDATES, _APPEND, _COMMIT, _CLEAR)
_NONE_TO_COMMIT = "no audio was appended since the last commit; append some before"


class Commit(Enum):
    """The replies around a client's commit; the session's own events come in between."""

    BEGINS = auto()
    ENDS = auto()


class OpenAIRealtime(ClientProtocol):
    """Transcription sessions of OpenAI's Realtime API."""

    name: ClassVar[str] = "openai_realtime"
    path: ClassVar[str] = REALTIME_PATH

    def token(self, handshake: Handshake) -> str | None:
        keys = (
            one.removeprefix(_KEY_SUBPROTOCOL) for one in handshake.subprotocols if one.startswith(_KEY_SUBPROTOCOL)
        )
        return next(keys, None)

    def subprotocol(self, handshake: Handshake) -> str | None:
        return _SUBPROTOCOL if _SUBPROTOCOL in handshake.subprotocols else None

    def configured(self, config: SessionConfig, handshake: Handshake) -> SessionConfig:
        intent = handshake.parameter("intent")
        # Some clients add the intent to an address that has it, and so join the two.
        if intent is not None and intent.partition("?")[0] != _INTENT:
            detail = f"intent is {shown(intent)}; it must be {_INTENT}, all that this server does"
            raise FieldError(Problem.INVALID_CONFIG, detail, param="intent", code="unsupported_value")
        model = handshake.parameter("model")
        if model in PRESETS:
            config = config.with_message({"asrModel": model}, audio_began=False)
        return realtime_config(config, model)

    def refusal(self, error: ClientError) -> bytes:
        return error_body(error)

    def open(self, opening: Opening) -> Adapter:
        return RealtimeAdapter(opening)


def realtime_config(config: SessionConfig, model: str | None = None) -> SessionConfig:
    """Return the configuration with which a session begins, where that of the server or the token sets nothing else."""
    # Clients wait for the events of the detector, or commit their audio.
    vad = MANUAL if is_committed(model) else config.vad
    return replace(
        config,
        audio_transfer="raw",
        channels=1,
        sample_rate_hertz=config.sample_rate_hertz if "sampleRateHertz" in config.explicit else PCM_HERTZ,
        vad=SessionConfig().vad if vad == OFF else vad,
    )


def is_beta(handshake: Handshake) -> bool:
    """Whether a client asked for the beta version."""
    return "realtime=v1" in handshake.headers.get("openai-beta", "") or _BETA_SUBPROTOCOL in handshake.subprotocols


class RealtimeAdapter(Adapter):
    """Events of the client become audio, commands and updates; utterances become items with text."""

    def __init__(self, opening: Opening) -> None:
        suffix = opening.transcription_id.replace("-", "")
        self._session_id = f"sess_{suffix}"
        self._event_prefix = f"event_{suffix}_"
        self._expires_at = int(opening.opened_at + opening.limits.stream_seconds)
        self._max_seconds = opening.limits.stream_seconds
        self._writer: RealtimeWriter = BetaWriter() if is_beta(opening.handshake) else GaWriter()
        self._settings = first_settings(opening.config, opening.handshake.parameter("model"))
        self._updates = UpdateReader(opening.config, opening.handshake.parameter("model"))
        # The updates that the session has not answered yet.
        self._pending: deque[SettingsUpdate] = deque()
        self._items = Items(f"item_{suffix}_")
        self._event_count = 0
        self._is_created = self._has_appended = self._commits_open_item = False

    # --- the client's events ---

    def read(self, message: Message) -> tuple[ClientInput, ...]:
        return read_event(message, self._inputs)

    def _inputs(self, event: RealtimeClientEvent) -> tuple[ClientInput, ...]:
        match event.type:
            case "input_audio_buffer.append":
                return self._append(event)
            case "input_audio_buffer.commit":
                if not self._has_appended:
                    code = "input_audio_buffer_commit_empty"
                    raise FieldError(Problem.INVALID_MESSAGE, _NONE_TO_COMMIT, param="type", code=code)
                self._has_appended = False
                return Reply(Commit.BEGINS), Finalize(), Reply(Commit.ENDS)
            case "input_audio_buffer.clear":
                self._has_appended = False
                return (Discard(),)
            case kind if kind in _UPDATES:
                update = self._updates.read(object_in(event.session, "session"))
                self._writer = _UPDATES[kind]()
                self._pending.append(update)
                return (Configure(update.values, goes_on=True, label=event.event_id),)
            case kind:
                detail = f"type is {shown(kind)}; in a transcription session it must be one of {', '.join(_TYPES)}"
                raise FieldError(Problem.INVALID_MESSAGE, detail, param="type", code="invalid_value")

    def _append(self, event: RealtimeClientEvent) -> tuple[ClientInput, ...]:
        if isinstance(event.audio, msgspec.UnsetType):
            detail = "audio is missing; it must be base64 text with padding, without line breaks"
            raise FieldError(Problem.INVALID_MESSAGE, detail, param="audio", code="missing_required_parameter")
        self._has_appended = self._has_appended or bool(event.audio)
        return (event.audio,)

    # --- the server's events ---

    def write(self, event: ClientEvent | Reply, config: SessionConfig) -> tuple[Message, ...]:
        return tuple(self._written(event))

    def write_failure(self, problem: Problem, detail: str, config: SessionConfig) -> tuple[Message, ...]:
        return (self._encoded("error", error_fields(ClientError(problem, detail))),)

    def _written(self, event: ClientEvent | Reply) -> Iterator[str]:
        match event:
            case Ready(config):
                yield from self._ready(config)
            case SpeechStarted() | SpeechEnded() | Unsettled() | Settled() | Discarded():
                for item_event in self._items.follow(event):
                    yield from self._encoded_all(self._writer.write(item_event, self._settings))
            case Reply(content):
                yield from self._reply(content)
            case Finished():
                yield from self._finish(event)

    def _ready(self, config: SessionConfig) -> Iterator[str]:
        kind = self._writer.updated if self._is_created else self._writer.created
        if self._is_created:
            self._settings = self._pending.popleft().applied(self._settings)
        self._is_created = True
        if not config.is_manual:
            yield from self._committed_by_server()
        shown_session = ShownSession(self._session_id, self._expires_at, self._settings, config)
        yield self._encoded(kind, {"session": self._writer.session(shown_session)})

    def _committed_by_server(self) -> Iterator[str]:
        """Commit what the client no longer will."""
        for item_event in self._items.commit_manual():
            yield from self._encoded_all(self._writer.write(item_event, self._settings))

    def _reply(self, content: object) -> Iterator[str]:
        match content:
            case EventError(error, event_id):
                yield self._encoded("error", error_fields(error, event_id))
            case Refused(label, error):
                self._pending.popleft()
                yield self._encoded("error", error_fields(error, label if isinstance(label, str) else None))
            case Commit.BEGINS:
                self._commits_open_item = self._items.is_open
            case Commit.ENDS if self._items.is_open or not self._commits_open_item:
                # Otherwise the end of its speech has committed the open item.
                for item_event in self._items.commit():
                    yield from self._encoded_all(self._writer.write(item_event, self._settings))

    def _finish(self, event: Finished) -> Iterator[str]:
        yield from self._committed_by_server()
        if event.error is not None:
            yield self._encoded("error", error_fields(event.error))
        elif event.cause is EndCause.LIMIT:
            detail = f"the session reached its longest duration of {self._max_seconds / 60:g} minutes; connect again"
            error = FieldError(Problem.RATE_LIMITED, detail, param="session", code="session_expired")
            yield self._encoded("error", error_fields(error))

    def _encoded_all(self, messages: Iterator[tuple[str, dict[str, object]]]) -> Iterator[str]:
        for kind, fields in messages:
            yield self._encoded(kind, fields)

    def _encoded(self, kind: str, fields: dict[str, object]) -> str:
        self._event_count += 1
        event_id = f"{self._event_prefix}{self._event_count}"
        return msgspec.json.encode({"type": kind, "event_id": event_id, **fields}).decode()
