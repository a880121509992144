"""The realtime protocol of NVIDIA Speech NIM: OpenAI's beta events, with NVIDIA's own meaning of commit and delta."""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import msgspec

from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem, shown
from stream.paths import NIM_PATH
from stream.protocols.farsava.messages import failure
from stream.protocols.nim.session import NimSettings, NimUpdate, NimUpdateReader, session_object
from stream.protocols.openai.errors import FieldError
from stream.protocols.openai.realtime.client_events import EventError, RealtimeClientEvent, object_in, read_event
from stream.protocols.openai.realtime.writer import FAILURE, TRANSCRIPTION, error_fields
from stream.protocols.protocol import Adapter, ClientProtocol, Handshake, Message, Opening
from stream.session.commands import ClientInput, Close, Configure, Discard, Finalize, Refused, Reply
from stream.session.events import ClientEvent, Discarded, Finished, Ready, Reason, Settled, Unsettled, Word
from vad import SAMPLE_RATE

_SUBPROTOCOL, _KEY_SUBPROTOCOL = "realtime", "realtime-token."
_UPDATE, _APPEND, _COMMIT = "transcription_session.update", "input_audio_buffer.append", "input_audio_buffer.commit"
_CLEAR, _DONE = "input_audio_buffer.clear", "input_audio_buffer.done"
_TYPES = (_UPDATE, _APPEND, _COMMIT, _CLEAR, _DONE)
_TRUTHS = (True, "true", "True")

_Fields = dict[str, object]


class Nim(ClientProtocol):
    """Live recognition for clients of NVIDIA's realtime API."""

    name: ClassVar[str] = "nim_realtime"
    path: ClassVar[str] = NIM_PATH

    def token(self, handshake: Handshake) -> str | None:
        offered = (one for one in handshake.subprotocols if one.startswith(_KEY_SUBPROTOCOL))
        return next((one.removeprefix(_KEY_SUBPROTOCOL) for one in offered), None)

    def subprotocol(self, handshake: Handshake) -> str | None:
        return _SUBPROTOCOL if _SUBPROTOCOL in handshake.subprotocols else None

    def configured(self, config: SessionConfig, handshake: Handshake) -> SessionConfig:
        return nim_config(config)

    def refusal(self, error: ClientError) -> bytes:
        return msgspec.json.encode(failure(error.problem, error.detail))

    def open(self, opening: Opening) -> Adapter:
        return NimAdapter(opening)


def nim_config(config: SessionConfig) -> SessionConfig:
    """Return the configuration with which a session begins."""
    return replace(config, audio_transfer="raw", channels=1)


class NimAdapter(Adapter):
    """Chunks of audio, each committed, become one stream; utterances become items whose deltas are their whole text.

    Clients stop at a `completed` with `is_last_result`. Once a client is done, each final therefore waits for the next
    one, or for the end.
    """

    def __init__(self, opening: Opening) -> None:
        suffix = opening.transcription_id.replace("-", "")
        self._session_id = f"sess_{suffix}"
        self._conversation_id = f"conv_{suffix}"
        self._event_prefix, self._item_prefix = f"event_{suffix}_", f"item_{suffix}_"
        # Those of the last update that was read, and of the last one that the session took.
        self._read_settings = self._settings = NimSettings()
        self._updates = NimUpdateReader(opening.config)
        self._pending: deque[NimUpdate] = deque()
        self._event_count = self._last_item = 0
        self._is_created = self._is_done = False
        self._held: Settled | None = None

    # --- the client's events ---

    def read(self, message: Message) -> tuple[ClientInput, ...]:
        return read_event(message, self._inputs)

    def _inputs(self, event: RealtimeClientEvent) -> tuple[ClientInput, ...]:
        match event.type:
            case "input_audio_buffer.append":
                return _audio(event)
            case "input_audio_buffer.commit":
                # Clients commit each chunk; the detector, or `force_eou`, ends utterances.
                return ()
            case "input_audio_buffer.clear":
                return (Discard(),)
            case "input_audio_buffer.done":
                self._is_done = True
                return (Close(),)
            case "transcription_session.update":
                update = self._updates.read(object_in(event.session, "session"), self._read_settings)
                self._read_settings = update.settings
                self._pending.append(update)
                return (Configure(update.values, goes_on=True, label=event.event_id),)
            case kind:
                detail = f"type is {shown(kind)}; it must be one of {', '.join(_TYPES)}"
                raise FieldError(Problem.INVALID_MESSAGE, detail, param="type", code="invalid_value")

    # --- the server's events ---

    def write(self, event: ClientEvent | Reply, config: SessionConfig) -> tuple[Message, ...]:
        return tuple(self._encoded(kind, fields) for kind, fields in self._written(event))

    def write_failure(self, problem: Problem, detail: str, config: SessionConfig) -> tuple[Message, ...]:
        return (self._encoded("error", error_fields(ClientError(problem, detail))),)

    def _written(self, event: ClientEvent | Reply) -> Iterator[tuple[str, _Fields]]:
        match event:
            case Ready(config):
                yield self._ready(config)
            case Unsettled(is_repeated=False):
                yield (
                    f"{TRANSCRIPTION}.delta",
                    self._item(event.utterance_id) | {"delta": event.hypothesis.best.transcript},
                )
            case Settled() if event.hypothesis.best.words or event.was_shown or event.reason is Reason.GAP:
                yield from self._settle(event)
            case Discarded():
                yield "input_audio_buffer.cleared", {}
            case Reply(EventError(error, event_id)):
                yield "error", error_fields(error, event_id)
            case Reply(Refused(label, error)):
                self._pending.popleft()
                yield "error", error_fields(error, label if isinstance(label, str) else None)
            case Finished():
                yield from self._finish(event)

    def _ready(self, config: SessionConfig) -> tuple[str, _Fields]:
        if not self._is_created:
            self._is_created = True
            conversation = {"id": self._conversation_id, "object": "realtime.conversation"}
            return "conversation.created", {"conversation": conversation}
        self._settings = self._pending.popleft().settings
        return f"{_UPDATE}d", {"session": session_object(self._session_id, self._settings, config)}

    def _settle(self, event: Settled) -> Iterator[tuple[str, _Fields]]:
        if event.reason is Reason.GAP and not event.hypothesis.best.words:
            yield f"{TRANSCRIPTION}.failed", self._item(event.utterance_id) | {"error": FAILURE}
            return
        if not self._is_done:
            yield self._completed(event, is_last=False)
            return
        if self._held is not None:
            yield self._completed(self._held, is_last=False)
        self._held = event

    def _finish(self, event: Finished) -> Iterator[tuple[str, _Fields]]:
        if event.error is not None:
            if self._held is not None:
                yield self._completed(self._held, is_last=False)
            yield "error", error_fields(event.error)
            return
        yield self._completed(self._held, is_last=True)

    def _completed(self, event: Settled | None, *, is_last: bool) -> tuple[str, _Fields]:
        """Return the message for settled text; for none it is that of the last item, empty."""
        words = () if event is None else event.hypothesis.best.words
        item = self._item(self._last_item if event is None else event.utterance_id)
        return f"{TRANSCRIPTION}.completed", item | {
            "transcript": " ".join(word.text for word in words),
            "is_last_result": is_last,
            "words_info": {"words": [_word(word) for word in words]},
        }

    def _item(self, utterance_id: int) -> _Fields:
        self._last_item = max(self._last_item, utterance_id)
        return {"item_id": f"{self._item_prefix}{utterance_id}", "content_index": 0}

    def _encoded(self, kind: str, fields: _Fields) -> str:
        self._event_count += 1
        event_id = f"{self._event_prefix}{self._event_count}"
        return msgspec.json.encode({"type": kind, "event_id": event_id, **fields}).decode()


def _audio(event: RealtimeClientEvent) -> tuple[ClientInput, ...]:
    """Return the audio of an event, and the end of the utterance where `force_eou` asks for it."""
    if isinstance(event.audio, msgspec.UnsetType):
        detail = "audio is missing; it must be base64 text with padding, without line breaks"
        raise FieldError(Problem.INVALID_MESSAGE, detail, param="audio", code="missing_required_parameter")
    if isinstance(event.runtime_config, msgspec.UnsetType):
        return (event.audio,)
    is_forced = object_in(event.runtime_config, "runtime_config").get("force_eou") in _TRUTHS
    return (event.audio, Finalize()) if is_forced else (event.audio,)


def _word(word: Word) -> _Fields:
    return {
        "word": word.text,
        "start_time": _milliseconds(word.start),
        "end_time": _milliseconds(word.end),
        "confidence": round(word.confidence, 3),
        "speaker_tag": word.speaker,
    }


def _milliseconds(samples: int) -> int:
    return round(samples * 1000 / SAMPLE_RATE)
