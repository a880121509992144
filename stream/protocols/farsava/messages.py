"""The messages that a client receives; their field names are those of the Farsava API's reference."""

import msgspec

from stream.errors import Problem


class WireWord(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Times are seconds from the first sample of the connection; 0.0 means that they are not set yet.

    `speaker` counts from 1; extended mode has it on settled words where the recognizer tells speakers apart.
    """

    start_time: float
    end_time: float
    word: str
    confidence: float
    speaker: int | msgspec.UnsetType = msgspec.UNSET


class WireResult(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """One hypothesis; `transcript` is its words joined by one space."""

    transcript: str
    confidence: float
    words: list[WireWord]

    @property
    def is_settled(self) -> bool:
        """Whether the words have times, which only settled hypotheses do."""
        return bool(self.words) and self.words[-1].end_time > 0


class Partial(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The state of one utterance: unsettled, or settled once its words have times.

    `duration` is the seconds of audio up to which the message speaks, `inference_time` the seconds
    spent waiting on the recognizer so far; `partial` counts these messages from 1.
    """

    transcription_id: str
    duration: int | float
    inference_time: int | float
    status: str
    partial: int
    results: list[WireResult]


class Done(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The end: one result per utterance, or all hypotheses of the only one."""

    transcription_id: str
    duration: int | float
    inference_time: int | float
    status: str
    results: list[WireResult]


class Failure(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The error message before a close, and the body of a refused request."""

    status: str
    detail: str
    title: str
    type: str
    code: int
    message: str


# --- extended mode ---


class AudioProgress(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Milliseconds received, and those before which every sample is in a delivered final or was skipped."""

    received_ms: float
    settled_ms: float


class PartialLatency(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Latency of a partial: audio from its receipt to the recognizer, then from the last audio sent to the text."""

    queue_ms: float
    recognizer_ms: float


class FinalLatency(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Latency of a final: that of a partial, and `endpoint_ms` from the last frame of speech to the endpoint."""

    queue_ms: float
    recognizer_ms: float
    endpoint_ms: float


class FullResult(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The best hypothesis of an utterance, and all of them in `alternatives`, best first."""

    transcript: str
    confidence: float
    words: list[WireWord]
    alternatives: list[WireResult]


class Extended(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """What every message of extended mode has; `sequence` counts from 1 without gaps."""

    type: str
    sequence: int
    transcription_id: str
    channel: int | msgspec.UnsetType = msgspec.UNSET


class SessionLimits(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What the server allows a connection."""

    max_message_bytes: int
    idle_ms: float
    idle_limit_ms: float
    stream_limit_ms: float


class ReadyMessage(Extended, frozen=True, kw_only=True):
    """The answer to the handshake and to each accepted config: all keys with the values in force.

    `resume` is a token with which another connection goes on, where the transcription is stored.
    """

    config: dict[str, object]
    limits: SessionLimits
    audio: AudioProgress
    resume: str | msgspec.UnsetType = msgspec.UNSET


class SpeechMessage(Extended, frozen=True, kw_only=True):
    """`speechStart` at the onset of an utterance, `speechEnd` at its endpoint; `time` in seconds."""

    utterance_id: int
    time: float


class EndOfTurnMessage(Extended, frozen=True, kw_only=True):
    """The speaker has finished: with `endpointing=adaptive` at the endpoint, and eagerly before it.

    A later `speechStart` of the same utterance takes an eager one back. `confidence` is from 0 to 1, `time` in seconds.
    """

    utterance_id: int
    time: float
    confidence: float
    eager: bool


class PartialMessage(Extended, frozen=True, kw_only=True):
    """The unsettled text of an utterance; `stable_words` leading words will not change any more."""

    duration: int | float
    inference_time: int | float
    status: str
    partial: int
    results: list[WireResult]
    utterance_id: int
    revision: int
    is_final: bool
    stability: float
    stable_words: int
    audio: AudioProgress
    latency: PartialLatency


class FinalMessage(Extended, frozen=True, kw_only=True):
    """The settled text of an utterance, once."""

    duration: int | float
    inference_time: int | float
    status: str
    partial: int
    results: list[FullResult]
    utterance_id: int
    is_final: bool
    reason: str
    audio: AudioProgress
    latency: FinalLatency


class WarningMessage(Extended, frozen=True, kw_only=True):
    """`gap` with its span in seconds, `slow`, `quiet` or `limit`; the connection goes on."""

    code: str
    detail: str
    start_time: float | msgspec.UnsetType = msgspec.UNSET
    end_time: float | msgspec.UnsetType = msgspec.UNSET


class DoneMessage(Extended, frozen=True, kw_only=True):
    """The end; the milliseconds count every channel and add up: received = recognized + skipped + lost."""

    duration: int | float
    inference_time: int | float
    status: str
    results: list[FullResult]
    received_ms: float
    recognized_ms: float
    skipped_ms: float
    lost_ms: float


class ErrorMessage(Extended, frozen=True, kw_only=True):
    """The error before a close; `error` is what `type` is in plain mode and over HTTP."""

    error: str
    status: str
    detail: str
    title: str
    code: int
    message: str


Failed = Failure | ErrorMessage
Told = (
    Partial
    | Done
    | ReadyMessage
    | SpeechMessage
    | EndOfTurnMessage
    | PartialMessage
    | FinalMessage
    | WarningMessage
    | DoneMessage
)
Message = Told | Failed
EXTENDED_TYPES: dict[str, type[Extended]] = {
    "ready": ReadyMessage,
    "speechStart": SpeechMessage,
    "speechEnd": SpeechMessage,
    "endOfTurn": EndOfTurnMessage,
    "partial": PartialMessage,
    "final": FinalMessage,
    "warning": WarningMessage,
    "done": DoneMessage,
    "error": ErrorMessage,
}


def failure(problem: Problem, detail: str) -> Failure:
    """Build the message for a problem of the table in `stream.errors`."""
    http = problem.value.http
    return Failure(
        status=str(http.value),
        detail=detail,
        title=http.phrase,
        type=problem.value.type,
        code=http.value,
        message=f"{http.phrase}. {detail}",
    )


def encode(message: Message) -> str:
    """Write a message as JSON."""
    return msgspec.json.encode(message).decode()


def decode(text: str | bytes) -> Message:
    """Read a message of the server; raises msgspec.ValidationError for anything else."""
    fields = msgspec.json.decode(text)
    match fields:
        case {"sequence": int(), "type": str(kind)} if kind in EXTENDED_TYPES:
            return msgspec.convert(fields, EXTENDED_TYPES[kind])  # type: ignore[return-value]
        case {"status": "partial"}:
            return msgspec.convert(fields, Partial)
        case {"status": "done"}:
            return msgspec.convert(fields, Done)
        case _:
            return msgspec.convert(fields, Failure)
