"""Transcriptions as answers: the body of the reference, the extended body, text or subtitles."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from stream.protocols.farsava.messages import AudioProgress, Done, WireResult, WireWord
from stream.protocols.farsava.results import MOST_DONE_BYTES, plain_results, shortened, without_speakers
from stream.protocols.units import seconds
from stream.recordings.subtitles import srt_pieces, vtt_pieces
from stream.runtime.fairness import FairShare
from vad import SAMPLE_RATE
from web.rest.response.fields import (
    AnyStatus,
    ErrorKind,
    InferenceSeconds,
    KindField,
    Seconds,
    SettledStatus,
    Timestamp,
    TranscriptionId,
    timestamp,
)
from web.rest.response.formats import OutputFormat
from web.routes.operations import JSON_TYPE
from web.store.tables import Status
from web.store.transcriptions import Correction, StoredUtterance, Summary, Transcription

_SAMPLES_PER_MS = SAMPLE_RATE / 1000
MEDIA_TYPES = {
    OutputFormat.JSON: JSON_TYPE,
    OutputFormat.TEXT: "text/plain; charset=utf-8",
    OutputFormat.SRT: "application/x-subrip; charset=utf-8",
    OutputFormat.VTT: "text/vtt; charset=utf-8",
}
_RESULTS = b'"results":['
# Captions or utterances in a step of about a millisecond.
_PARTS_AT_ONCE = 10


class UtteranceResult(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """One utterance: the best hypothesis, its span in seconds, and all hypotheses, best first."""

    transcript: str
    confidence: float
    words: Annotated[list[WireWord], Meta(description="in the order in which they were said")]
    alternatives: list[WireResult]
    utterance_id: Annotated[int, Meta(description="counts the utterances from 1", extra_json_schema={"minimum": 1})]
    channel: int
    start_time: Annotated[float, Meta(description="seconds from the first sample")]
    end_time: Annotated[float, Meta(description="seconds from the first sample")]
    corrections: (
        Annotated[
            list[Correction],
            Meta(description="what the operator of a caption channel corrected or hid, by the line that it was there"),
        ]
        | msgspec.UnsetType
    ) = msgspec.UNSET


class ExtendedTranscription(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What `extended=true` gets: besides the plain body how far it is, 0 to 1, and every utterance by itself."""

    transcription_id: TranscriptionId
    duration: Seconds
    inference_time: InferenceSeconds
    status: SettledStatus
    results: Annotated[
        list[UtteranceResult],
        Meta(
            description="one for each utterance, its best hypothesis; of a single utterance all its hypotheses, "
            "best first"
        ),
    ]
    kind: KindField
    created_at: Timestamp
    progress: Annotated[
        float,
        Meta(
            description="how much of the recording is recognized, 0 to 1",
            extra_json_schema={"minimum": 0, "maximum": 1},
        ),
    ]
    audio: AudioProgress


class TranscriptionSummary(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A transcription in the list, without its text; of one that failed `error` has the kind of error."""

    transcription_id: TranscriptionId
    duration: Seconds
    inference_time: InferenceSeconds
    status: AnyStatus
    kind: KindField
    created_at: Timestamp
    error: ErrorKind = None


class TranscriptionList(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The newest transcriptions; `next` is the address of the following ones, null at the end."""

    transcriptions: Annotated[list[TranscriptionSummary], Meta(description="without their texts")]
    next: Annotated[str | None, Meta(description="the address of the following ones, null at the end")] = None


def plain_body(transcription: Transcription) -> Done:
    """Build the body of the reference: one result for each utterance, or all hypotheses of the only one."""
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
    """Build the extended body."""
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
    """Build the entry of a transcription in the list."""
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
    """Return the recognized share, 0 to 1; of what has arrived while the length is unknown."""
    summary = transcription.summary
    if summary.status is Status.DONE:
        return 1.0
    arrived = summary.received_bytes / summary.total_bytes if summary.total_bytes else 1.0
    recognized = transcription.settled_samples / summary.received_samples if summary.received_samples else 0.0
    return round(min(arrived, 1.0) * recognized, 4)


def duration(summary: Summary) -> int | float:
    """Return the seconds of audio received."""
    return round(summary.received_samples / SAMPLE_RATE) if summary.whole_seconds else seconds(summary.received_samples)


def inference_time(summary: Summary) -> int | float:
    """Return the seconds spent waiting on the recognizer."""
    return round(summary.inference_seconds) if summary.whole_seconds else round(summary.inference_seconds, 3)


def address_of(transcription_id: str) -> str:
    """Return the address of a transcription."""
    return f"/v1/speech/transcriptions/{transcription_id}"


async def transcription_response(
    transcription: Transcription, written: OutputFormat, fair_share: FairShare, *, extended: bool
) -> Response:
    """Write the transcription in a format; text and captions have what is settled so far."""
    body = await joined_in_turns(_written(transcription, written, extended=extended), fair_share)
    return Response(body, media_type=MEDIA_TYPES[written])


async def joined_in_turns(pieces: Iterator[bytes], fair_share: FairShare) -> bytes:
    """Join the pieces of a body as they are written.

    Hours of a transcription take half a second to write; other requests take turns in between.
    """
    parts = []
    for number, part in enumerate(pieces, start=1):
        parts.append(part)
        if not number % _PARTS_AT_ONCE:
            async with fair_share.turn():
                pass
    return b"".join(parts)


def _written(transcription: Transcription, written: OutputFormat, *, extended: bool) -> Iterator[bytes]:
    """Yield the body in steps; a step may be empty."""
    spoken = [one for one in transcription.utterances if not one.is_empty]
    best, channels = [one.alternatives[0] for one in spoken], [one.channel for one in spoken]
    match written:
        case OutputFormat.JSON:
            return _extended(transcription, spoken) if extended else _plain(transcription, spoken)
        case OutputFormat.TEXT:
            return (f"{one.transcript}\n".encode() for one in best)
        case OutputFormat.SRT:
            return (piece.encode() for piece in srt_pieces(best, channels))
        case OutputFormat.VTT:
            return (piece.encode() for piece in vtt_pieces(best, channels))


def _plain(transcription: Transcription, spoken: Sequence[StoredUtterance]) -> Iterator[bytes]:
    """Yield what `plain_body` is on the wire."""
    if len(spoken) < 2:
        yield msgspec.json.encode(plain_body(transcription))
        return
    body = msgspec.json.encode(plain_body(replace(transcription, utterances=())))
    head, tail = body[: body.index(_RESULTS) + len(_RESULTS)], body[body.rindex(b"]") :]
    results = []
    for one in spoken:
        results.append(msgspec.json.encode(without_speakers(one.alternatives[:1])[0]))
        yield b""
    excess_bytes = len(head) + sum(map(len, results)) + len(results) - 1 + len(tail) - MOST_DONE_BYTES
    for position, one in enumerate(spoken):
        if excess_bytes <= 0:
            break
        bare = msgspec.json.encode(msgspec.structs.replace(one.alternatives[0], words=[]))
        excess_bytes -= len(results[position]) - len(bare)
        results[position] = bare
        yield b""
    yield head + b",".join(results) + tail


def _extended(transcription: Transcription, spoken: Sequence[StoredUtterance]) -> Iterator[bytes]:
    """Yield what `extended_body` is on the wire."""
    body = msgspec.json.encode(extended_body(replace(transcription, utterances=())))
    head, _, tail = body.partition(_RESULTS)
    yield head + _RESULTS
    for number, one in enumerate(spoken):
        yield (b"," if number else b"") + msgspec.json.encode(_utterance(one))
    yield tail


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
        list(one.corrections) or msgspec.UNSET,
    )
