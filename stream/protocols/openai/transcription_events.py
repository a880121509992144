"""The events of a streamed transcription, as server-sent events: text as it is settled, and never taken back."""

from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Meta

from stream.errors import ClientError
from stream.protocols.openai.errors import openai_error
from stream.protocols.openai.transcription import (
    OpenAILogprob,
    OpenAIUsage,
    logprob_pieces,
    logprobs,
    segment,
    usage_of,
    with_text,
)
from stream.protocols.openai.transcription_request import Granularity, ResponseFormat, TranscriptionRequest
from stream.session.events import Finished, Settled

COMMENT = b":\n\n"
"""An event that clients skip: it keeps a connection open while nothing is said."""
_DELTA, _SEGMENT, _DONE = "transcript.text.delta", "transcript.text.segment", "transcript.text.done"
_ERROR = "error"
_EVENT_END = b"\n\n"
_EVENT_NAMES = [_DELTA, _SEGMENT, _DONE, _ERROR]


class OpenAIStreamEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A server-sent event of a transcription; comments may stand between events."""

    event: Annotated[
        str,
        Meta(description="the same as `type` in the data", extra_json_schema={"enum": _EVENT_NAMES}),
    ]
    data: Annotated[
        str, Meta(description="JSON: `delta` has more text, `text` of the end all of it; an error as in refusals")
    ]


class TextDelta(msgspec.Struct, frozen=True):
    """More text; all deltas joined are the text of the end."""

    type: str
    delta: str
    logprobs: list[OpenAILogprob] | msgspec.UnsetType = msgspec.UNSET


class TextSegment(msgspec.Struct, frozen=True):
    """An utterance with its times in seconds; `speaker` is empty, as speakers are not told apart."""

    type: str
    id: str
    start: float
    end: float
    text: str
    speaker: str = ""


class TextDone(msgspec.Struct, frozen=True):
    """The end, with the whole text."""

    type: str
    text: str
    usage: OpenAIUsage


class TranscriptionEvents:
    """Writes the events of one transcription in their order."""

    def __init__(self, request: TranscriptionRequest) -> None:
        self._request = request
        self._with_segments = (
            request.response_format is ResponseFormat.VERBOSE_JSON and Granularity.SEGMENT in request.granularities
        )
        self._segments = 0

    def settled(self, utterance: Settled) -> bytes:
        """Write a settled utterance, the next one of the recording; nothing for one without words."""
        text = utterance.hypothesis.best.transcript
        if not text:
            return b""
        is_first, number = not self._segments, self._segments
        self._segments += 1
        found = logprobs(utterance, is_first=is_first) if self._request.with_logprobs else msgspec.UNSET
        written = _event(_DELTA, TextDelta(_DELTA, text if is_first else f" {text}", found))
        if self._with_segments:
            one = segment(number, utterance)
            written += _event(_SEGMENT, TextSegment(_SEGMENT, f"seg_{number}", one.start, one.end, one.text))
        return written

    def done_pieces(self, finished: Finished) -> Iterator[bytes]:
        """Yield the end of a recording that was recognized; the work for each piece is that of an utterance."""
        yield _head(_DONE)
        yield from with_text(TextDone(_DONE, "", usage_of(finished)), finished, logprob_pieces(finished, self._request))
        yield _EVENT_END


def failed(error: ClientError) -> bytes:
    """Write the end of a recording whose recognition failed; OpenAI's SDKs raise it as an error."""
    return _event(_ERROR, openai_error(error))


def _event(name: str, data: msgspec.Struct) -> bytes:
    """Write an event; JSON has no line breaks, which would end it."""
    return _head(name) + msgspec.json.encode(data) + _EVENT_END


def _head(name: str) -> bytes:
    return f"event: {name}\ndata: ".encode()
