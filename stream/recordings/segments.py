"""Recognize one segment of a recording, without a session."""

from collections.abc import Sequence
from dataclasses import replace

from stream.recognition.assembly import joined
from stream.recognition.recognition import Recognition, RecognitionLimits
from stream.recognition.recognizer import Recognizer
from stream.recognition.stall import ResponseTimes
from stream.recordings.segmentation import Segment
from stream.session.events import (
    FellBehind,
    Hypothesis,
    HypothesisReceived,
    OpenStream,
    Progress,
    Reason,
    RecognitionFailed,
    RecognitionOptions,
    Settled,
)
from stream.session.utterance import Utterance


class SegmentFailedError(Exception):
    """The recognizer returned no final for a segment, after all retries."""


async def recognize_segment(
    recognizer: Recognizer,
    segment: Segment,
    options: RecognitionOptions,
    limits: RecognitionLimits,
    response_times: ResponseTimes | None = None,
) -> Settled:
    """Return the settled text of a segment, with times on the recording's clock; raises SegmentFailedError.

    A live session would settle the same words for the same samples and options. `response_times` may be shared by the
    segments of one recording.
    """
    received: list[HypothesisReceived | RecognitionFailed | FellBehind] = []
    response_times = response_times or ResponseTimes()
    recognition = Recognition(OpenStream(segment.number, options), received.append, _no_wait, limits, response_times)
    recognition.add(segment.pcm)
    recognition.finish()
    await recognition.run(recognizer)
    return settled_of(segment, received)


def settled_of(segment: Segment, received: Sequence[HypothesisReceived | RecognitionFailed | FellBehind]) -> Settled:
    """Join the parts that the recognizer settled, mostly a single one; raises SegmentFailedError."""
    parts: list[Settled] = []
    start = segment.start_samples
    for event in received:
        match event:
            case RecognitionFailed():
                raise SegmentFailedError(f"segment {segment.number} was given up")
            case HypothesisReceived(_, hypothesis) if hypothesis.is_final:
                end = segment.end_samples
                if hypothesis.is_segment_final:
                    end = min(segment.start_samples + hypothesis.processed, end)
                parts.append(_part(segment, start, end, event))
                start = end
    if not parts:
        raise SegmentFailedError(f"segment {segment.number} got no final")
    return _joined(parts)


def _part(segment: Segment, start: int, end: int, event: HypothesisReceived) -> Settled:
    utterance = Utterance(segment.number, segment.number, segment.channel, start, segment.start_samples, end, end)
    utterance.reason = Reason.ENDPOINT
    utterance.receive(event.hypothesis, event.latency)
    return utterance.settled(event.latency.recognizer_seconds, Progress())


def _joined(parts: list[Settled]) -> Settled:
    last = parts[-1]
    if len(parts) == 1:
        return last
    whole = Hypothesis(joined(part.hypothesis.best for part in parts), is_final=True)
    inference_seconds = sum(part.inference_seconds for part in parts)
    return replace(last, hypothesis=whole, start=parts[0].start, inference_seconds=inference_seconds)


def _no_wait() -> None:
    """Do nothing when there is room again: all samples are there from the beginning."""
