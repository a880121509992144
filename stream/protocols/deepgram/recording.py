"""Deepgram's answer about a whole recording."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta

from stream.protocols.deepgram.messages import (
    MODEL_ID,
    Alternative,
    DeepgramModelInfo,
    DeepgramWord,
    Seconds,
    model_info,
)
from stream.protocols.deepgram.paragraphs import DeepgramParagraphs, paragraphs
from stream.protocols.deepgram.parameters import ListenRequest
from stream.protocols.deepgram.results import alternative, confidence, timestamp
from stream.protocols.units import seconds
from stream.session.events import Finished, Settled


class DeepgramMetadata(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """About the request: `sha256` of the recording, `created` at its end, `duration` in seconds."""

    transaction_key: Annotated[str, Meta(description="has no meaning any more")]
    request_id: Annotated[str, Meta(description="the id under which the transcription is kept")]
    sha256: Annotated[str, Meta(description="of the bytes of the recording")]
    created: Annotated[str, Meta(description="RFC 3339, in UTC")]
    duration: Annotated[float, Meta(description="seconds of audio")]
    channels: Annotated[int, Meta(description="how many were recognized")]
    models: Annotated[list[str], Meta(description="the ids of the models")]
    model_info: Annotated[dict[str, DeepgramModelInfo], Meta(description="the models by id")]
    tags: Annotated[list[str] | msgspec.UnsetType, Meta(description="those of the request")] = msgspec.UNSET


class DeepgramAlternative(msgspec.Struct, frozen=True):
    """The text of a channel; with paragraphs where they were asked for."""

    transcript: str
    confidence: float
    words: Annotated[list[DeepgramWord], Meta(description="in their order")]
    paragraphs: DeepgramParagraphs | msgspec.UnsetType = msgspec.UNSET


class DeepgramChannel(msgspec.Struct, frozen=True):
    """A channel; `alternatives` has one text."""

    alternatives: Annotated[list[DeepgramAlternative], Meta(description="one")]


class DeepgramUtterance(msgspec.Struct, frozen=True):
    """One utterance; `start` and `end` in seconds."""

    start: Seconds
    end: Seconds
    confidence: float
    channel: Annotated[int, Meta(description="counts from 0")]
    transcript: str
    words: Annotated[list[DeepgramWord], Meta(description="in their order")]
    id: Annotated[str, Meta(description="names this utterance alone")]


class DeepgramResults(msgspec.Struct, frozen=True):
    """The text by channel, and by utterance where that was asked for."""

    channels: Annotated[list[DeepgramChannel], Meta(description="in their order")]
    utterances: Annotated[
        list[DeepgramUtterance] | msgspec.UnsetType, Meta(description="where they were asked for")
    ] = msgspec.UNSET


class DeepgramTranscription(msgspec.Struct, frozen=True):
    """A recognized recording."""

    metadata: DeepgramMetadata
    results: DeepgramResults


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognized:
    """A recording that was recognized: what was asked for, its id and digest, when it was done, its channels."""

    request: ListenRequest
    request_id: str
    sha256: str
    done_at: float
    channels: int
    finished: Finished


def transcription(recognized: Recognized) -> DeepgramTranscription:
    """Return the answer about a recording; for hours of talk it takes a tenth of a second."""
    request, finished = recognized.request, recognized.finished
    spoken = [settled for settled in finished.settled if settled.hypothesis.best.words]
    metadata = DeepgramMetadata(
        transaction_key="deprecated",
        request_id=recognized.request_id,
        sha256=recognized.sha256,
        created=timestamp(recognized.done_at),
        duration=seconds(finished.received),
        channels=recognized.channels,
        models=[MODEL_ID],
        model_info={MODEL_ID: model_info(request.model)},
        tags=list(request.tags) or msgspec.UNSET,
    )
    channels = [
        _channel([one for one in spoken if one.channel == channel], request) for channel in range(recognized.channels)
    ]
    utterances = [_utterance(one, request) for one in spoken] if request.utterances else msgspec.UNSET
    return DeepgramTranscription(metadata, DeepgramResults(channels, utterances))


def _channel(spoken: Sequence[Settled], request: ListenRequest) -> DeepgramChannel:
    texts = [_best(one, request) for one in spoken]
    words = [word for text in texts for word in text.words]
    made = paragraphs(one.hypothesis.best.words for one in spoken) if request.paragraphs else msgspec.UNSET
    transcript = " ".join(text.transcript for text in texts)
    return DeepgramChannel([DeepgramAlternative(transcript, _mean_confidence(texts), words, made)])


def _mean_confidence(texts: Iterable[Alternative]) -> float:
    """Return the mean confidence of all words."""
    known = [(text.confidence, len(text.words)) for text in texts if text.confidence]
    n_words = sum(count for _, count in known)
    return confidence(sum(value * count for value, count in known) / n_words) if n_words else 0.0


def _utterance(settled: Settled, request: ListenRequest) -> DeepgramUtterance:
    text = _best(settled, request)
    first, last = settled.hypothesis.best.words[0], settled.hypothesis.best.words[-1]
    return DeepgramUtterance(
        seconds(first.start),
        seconds(last.end),
        text.confidence,
        settled.channel,
        text.transcript,
        text.words,
        str(uuid.uuid4()),
    )


def _best(settled: Settled, request: ListenRequest) -> Alternative:
    best = settled.hypothesis.best
    return alternative(best, is_formatted=request.is_formatted, has_speakers=request.wants_speakers)
