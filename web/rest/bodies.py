"""Owns how a transcription is answered: as the reference's body, with more where that is asked for, or as text."""

from datetime import UTC, datetime

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from stream.errors import ClientError, Problem, quoted
from stream.results import plain_results, seconds, shortened, without_speakers
from stream.subtitles import srt, vtt
from stream.wire import AudioProgress, Done, WireResult, WireWord
from vad import SAMPLE_RATE
from web.formats import OutputFormat
from web.rest.requests import JSON_TYPE
from web.store.tables import Status
from web.store.transcriptions import StoredUtterance, Summary, Transcription

_SAMPLES_PER_MS = SAMPLE_RATE / 1000
_MEDIA_TYPES = {
    OutputFormat.JSON: JSON_TYPE,
    OutputFormat.TEXT: "text/plain; charset=utf-8",
    OutputFormat.SRT: "application/x-subrip; charset=utf-8",
    OutputFormat.VTT: "text/vtt; charset=utf-8",
}
# What a client may ask for, by `?format=` and by `Accept`.
_BY_NAME = {"json": OutputFormat.JSON, "txt": OutputFormat.TEXT, "srt": OutputFormat.SRT, "vtt": OutputFormat.VTT}
_BY_TYPE = {
    JSON_TYPE: OutputFormat.JSON,
    "text/plain": OutputFormat.TEXT,
    "application/x-subrip": OutputFormat.SRT,
    "text/srt": OutputFormat.SRT,
    "text/vtt": OutputFormat.VTT,
}


class UtteranceResult(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """One utterance: the best hypothesis, its span in seconds, and all hypotheses, best first."""

    transcript: str
    confidence: float
    words: list[WireWord]
    alternatives: list[WireResult]
    utterance_id: int
    channel: int
    start_time: float
    end_time: float


class ExtendedTranscription(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What `extended=true` gets: besides the plain body how far it is, 0 to 1, and every utterance by itself."""

    transcription_id: str
    duration: int | float
    inference_time: int | float
    status: str
    results: list[UtteranceResult]
    kind: str
    created_at: str
    progress: float
    audio: AudioProgress


class TranscriptionSummary(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A transcription in the list, without its text; of one that failed `error` has the kind of error."""

    transcription_id: str
    duration: int | float
    inference_time: int | float
    status: str
    kind: str
    created_at: str
    error: str | None = None


class TranscriptionList(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The newest transcriptions; `next` is the address of the following ones, null at the end."""

    transcriptions: list[TranscriptionSummary]
    next: str | None = None


def plain_body(transcription: Transcription) -> Done:
    """Exactly the fields of the reference: one result for each utterance, or all hypotheses of the only one."""
    summary = transcription.summary
    return shortened(
        Done(
            summary.id,
            duration(summary),
            inference_time(summary),
            summary.status.value,
            plain_results([without_speakers(one.alternatives) for one in transcription.utterances if not one.is_empty]),
        )
    )


def extended_body(transcription: Transcription) -> ExtendedTranscription:
    """The plain body's fields and more."""
    summary = transcription.summary
    settled_ms = transcription.settled_samples / _SAMPLES_PER_MS
    return ExtendedTranscription(
        summary.id,
        duration(summary),
        inference_time(summary),
        summary.status.value,
        [_utterance(one) for one in transcription.utterances if not one.is_empty],
        summary.kind.value,
        timestamp(summary.created_at),
        progress(transcription),
        AudioProgress(summary.received_samples / _SAMPLES_PER_MS, settled_ms),
    )


def summary_body(summary: Summary) -> TranscriptionSummary:
    """The transcription's line in the list."""
    error = None if summary.error is None else summary.error.problem.value.type
    return TranscriptionSummary(
        summary.id,
        duration(summary),
        inference_time(summary),
        summary.status.value,
        summary.kind.value,
        timestamp(summary.created_at),
        error,
    )


def progress(transcription: Transcription) -> float:
    """How much is recognized, 0 to 1; of a recording whose length nobody knows yet, of what has arrived."""
    summary = transcription.summary
    if summary.status is Status.DONE:
        return 1.0
    arrived = summary.received_bytes / summary.total_bytes if summary.total_bytes else 1.0
    recognized = transcription.settled_samples / summary.received_samples if summary.received_samples else 0.0
    return round(min(arrived, 1.0) * recognized, 4)


def duration(summary: Summary) -> int | float:
    """Seconds of sound received."""
    return round(summary.received_samples / SAMPLE_RATE) if summary.whole_seconds else seconds(summary.received_samples)


def inference_time(summary: Summary) -> int | float:
    """Seconds spent waiting on the recognizer."""
    return round(summary.inference_seconds) if summary.whole_seconds else round(summary.inference_seconds, 3)


def address_of(transcription_id: str) -> str:
    """Where a transcription is."""
    return f"/v1/speech/transcriptions/{transcription_id}"


def timestamp(epoch_seconds: float) -> str:
    """A point in time as RFC 3339 has it."""
    return datetime.fromtimestamp(epoch_seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def chosen_format(request: Request) -> OutputFormat:
    """What the client wants: `?format=`, else the first media type of `Accept` that there is, else JSON."""
    name = request.query_params.get("format")
    if name is not None:
        if name not in _BY_NAME:
            raise ClientError(
                Problem.INVALID_CONFIG, f"format is {quoted(name)}; it must be one of {', '.join(_BY_NAME)}"
            )
        return _BY_NAME[name]
    accepted = (part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "").split(","))
    return next((_BY_TYPE[kind] for kind in accepted if kind in _BY_TYPE), OutputFormat.JSON)


def is_extended(request: Request) -> bool:
    """Whether the query asks for the extended body; raises ClientError for what is no boolean."""
    text = request.query_params.get("extended", "false")
    if text not in ("true", "1", "false", "0"):
        raise ClientError(Problem.INVALID_CONFIG, f"extended is {quoted(text)}; it must be true or false")
    return text in ("true", "1")


def transcription_response(transcription: Transcription, written: OutputFormat, *, extended: bool) -> Response:
    """The transcription in one of the formats; text and captions hold what is settled so far."""
    spoken = [one for one in transcription.utterances if not one.is_empty]
    said, channels = [one.alternatives[0] for one in spoken], [one.channel for one in spoken]
    match written:
        case OutputFormat.JSON:
            body = msgspec.json.encode(extended_body(transcription) if extended else plain_body(transcription))
        case OutputFormat.TEXT:
            body = "".join(f"{one.transcript}\n" for one in said).encode()
        case OutputFormat.SRT:
            body = srt(said, channels).encode()
        case OutputFormat.VTT:
            body = vtt(said, channels).encode()
    return Response(body, media_type=_MEDIA_TYPES[written])


def _utterance(one: StoredUtterance) -> UtteranceResult:
    best = one.alternatives[0]
    return UtteranceResult(
        best.transcript,
        best.confidence,
        best.words,
        one.alternatives,
        one.number,
        one.channel,
        seconds(one.start),
        seconds(one.end),
    )
