"""Transcriptions as OpenAI's API answers them: `json` and `verbose_json`, and the parts that events share."""

import math
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from stream.lazy_import import lazy_import
from stream.protocols.openai.transcription_request import Granularity, TranscriptionRequest
from stream.protocols.units import seconds
from stream.session.events import Alternative, Finished, Settled, Word
from vad import SAMPLE_RATE

if TYPE_CHECKING:
    import babel
else:
    # It takes memory, which only a verbose answer needs.
    babel = lazy_import("babel")

# Whisper counts its windows in frames of 10 ms.
_SEEK_SAMPLES = SAMPLE_RATE // 100
_Time = Annotated[float, Meta(description="seconds from the first sample; 0 where the recognizer gives no times")]


class OpenAIUsage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much audio was recognized."""

    seconds: Annotated[float, Meta(description="seconds of audio")]
    type: Annotated[str, Meta(description="what is counted", extra_json_schema={"const": "duration"})] = "duration"


class OpenAILogprob(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How sure the recognizer is of a word: the natural logarithm of its confidence."""

    token: Annotated[str, Meta(description="the word, with a space before it unless it is the first")]
    logprob: Annotated[float, Meta(description="the logarithm of the word's confidence")]
    bytes: Annotated[list[int], Meta(description="the token in UTF-8")]


_Logprobs = Annotated[
    list[OpenAILogprob] | msgspec.UnsetType,
    Meta(description="with `include[]=logprobs`: of every word whose confidence is known"),
]


class OpenAITranscription(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer to `response_format=json`."""

    text: Annotated[str, Meta(description="the whole text")]
    usage: OpenAIUsage
    logprobs: _Logprobs = msgspec.UNSET


class OpenAISegment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An utterance, from its first word to its last."""

    id: Annotated[int, Meta(description="counts the segments from 0")]
    seek: Annotated[int, Meta(description="where the utterance begins in the audio, in hundredths of a second")]
    start: _Time
    end: _Time
    text: Annotated[str, Meta(description="its words, with a space before the first")]
    tokens: Annotated[list[int], Meta(description="always empty: the numbers mean nothing without the model")]
    temperature: Annotated[float, Meta(description="always 0: nothing is sampled")]
    avg_logprob: Annotated[
        float, Meta(description="the mean logarithm of the confidences of its words; 0 where they are unknown")
    ]
    compression_ratio: Annotated[
        float, Meta(description="the length of the text over its length as zlib compresses it, as Whisper has it")
    ]
    no_speech_prob: Annotated[float, Meta(description="always 0: what is no speech makes no segment")]


class OpenAIWord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A word and its time."""

    word: Annotated[str, Meta(description="with its punctuation")]
    start: _Time
    end: _Time


class OpenAIVerboseTranscription(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer to `response_format=verbose_json`."""

    task: Annotated[str, Meta(description="what was done", extra_json_schema={"const": "transcribe"})]
    language: Annotated[str, Meta(description="the English name of the language that was recognized")]
    duration: Annotated[float, Meta(description="seconds of audio")]
    text: Annotated[str, Meta(description="the whole text")]
    usage: OpenAIUsage
    segments: Annotated[
        list[OpenAISegment] | msgspec.UnsetType,
        Meta(description="unless `timestamp_granularities[]` is `word` alone"),
    ] = msgspec.UNSET
    words: Annotated[
        list[OpenAIWord] | msgspec.UnsetType, Meta(description="with `timestamp_granularities[]=word`")
    ] = msgspec.UNSET


def text_pieces(utterances: Iterable[Settled]) -> Iterator[str]:
    """Yield the text of settled utterances in their order, one at a time."""
    for number, one in enumerate(utterances):
        yield f"{' ' if number else ''}{one.hypothesis.best.transcript}"


def usage_of(finished: Finished) -> OpenAIUsage:
    """Return the audio of a recording, in seconds."""
    return OpenAIUsage(seconds(finished.received))


def json_pieces(finished: Finished, request: TranscriptionRequest) -> Iterator[bytes]:
    """Yield an `OpenAITranscription` in pieces; the work for each is that of an utterance."""
    return with_text(OpenAITranscription("", usage_of(finished)), finished, logprob_pieces(finished, request))


def verbose_pieces(finished: Finished, request: TranscriptionRequest, language_code: str) -> Iterator[bytes]:
    """Yield an `OpenAIVerboseTranscription` in pieces, as `json_pieces` does; the tag is that of the recognizer."""
    usage = usage_of(finished)
    body = OpenAIVerboseTranscription("transcribe", language_name(language_code), usage.seconds, "", usage)
    lists: list[Iterator[bytes]] = []
    if Granularity.SEGMENT in request.granularities:
        lists.append(_list("segments", ([segment(number, one)] for number, one in enumerate(finished.settled))))
    if Granularity.WORD in request.granularities:
        lists.append(_list("words", map(words, finished.settled)))
    return with_text(body, finished, chain.from_iterable(lists))


def logprob_pieces(finished: Finished, request: TranscriptionRequest) -> Iterator[bytes]:
    """Yield the field `logprobs` after other fields; nothing where it is not asked for."""
    if request.with_logprobs:
        yield from _list("logprobs", (logprobs(one, is_first=not n) for n, one in enumerate(finished.settled)))


def with_text(body: msgspec.Struct, finished: Finished, more_fields: Iterator[bytes]) -> Iterator[bytes]:
    """Yield a body as JSON in pieces: its empty `text` filled, and more fields after its own."""
    head, mark, tail = msgspec.json.encode(body).partition(b'"text":"')
    yield head + mark
    for text in text_pieces(finished.settled):
        yield msgspec.json.encode(text)[1:-1]
    yield tail[:-1]
    yield from more_fields
    yield b"}"


def segment(number: int, utterance: Settled) -> OpenAISegment:
    """Return a settled utterance as a segment."""
    best = utterance.hypothesis.best
    start, end = _span(utterance)
    return OpenAISegment(
        id=number,
        seek=utterance.start // _SEEK_SAMPLES,
        start=start,
        end=end,
        text=f" {best.transcript}",
        tokens=[],
        temperature=0.0,
        avg_logprob=_mean_logprob(best),
        compression_ratio=_compression_ratio(best.transcript),
        no_speech_prob=0.0,
    )


def words(utterance: Settled) -> list[OpenAIWord]:
    """Return the words of a settled utterance."""
    best = utterance.hypothesis.best
    return [OpenAIWord(word.text, seconds(word.start), seconds(word.end)) for word in best.words]


def logprobs(utterance: Settled, *, is_first: bool) -> list[OpenAILogprob]:
    """Return the words of a settled utterance whose confidence is known; `is_first` of the text."""
    return [
        _logprob(word, "" if is_first and not number else " ")
        for number, word in enumerate(utterance.hypothesis.best.words)
        if word.confidence > 0
    ]


def language_name(language_code: str) -> str:
    """Return the English name of a language, `english` for `en-US`; its tag where it has no name."""
    primary = language_code.partition("-")[0].lower()
    return str(babel.Locale("en").languages.get(primary, language_code)).lower()


def _span(utterance: Settled) -> tuple[float, float]:
    """The time from the first word to the last; of all of the utterance where words have no times."""
    timed = [word for word in utterance.hypothesis.best.words if word.end]
    if not timed:
        return seconds(utterance.start), seconds(utterance.processed)
    return seconds(timed[0].start), seconds(timed[-1].end)


def _logprob(word: Word, space: str) -> OpenAILogprob:
    token = f"{space}{word.text}"
    return OpenAILogprob(token, _logarithm(word.confidence), list(token.encode()))


def _mean_logprob(best: Alternative) -> float:
    known = [word.confidence for word in best.words if word.confidence > 0] or [best.confidence]
    return round(sum(map(_logarithm, known)) / len(known), 4)


def _logarithm(confidence: float) -> float:
    """The logarithm of a confidence, 0.0 for one that is unknown."""
    return round(math.log(min(confidence, 1.0)), 4) + 0.0 if confidence > 0 else 0.0


def _compression_ratio(text: str) -> float:
    data = text.encode()
    return round(len(data) / len(zlib.compress(data)), 4)


def _list(name: str, parts: Iterator[Sequence[msgspec.Struct]]) -> Iterator[bytes]:
    """Yield a field with all items of the parts."""
    yield f',"{name}":['.encode()
    is_first = True
    for part in parts:
        encoded = b",".join(map(msgspec.json.encode, part))
        yield encoded if is_first or not encoded else b"," + encoded
        is_first = is_first and not encoded
    yield b"]"
