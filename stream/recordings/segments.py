"""Owns the recognition of one segment of a recording by itself, apart from any session."""

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
    """The recognizer gave no final for a segment, however often it was asked."""


async def recognize_segment(
    recognizer: Recognizer,
    segment: Segment,
    options: RecognitionOptions,
    limits: RecognitionLimits,
    response_times: ResponseTimes | None = None,
) -> Settled:
    """Return the settled text of a segment, times on the recording's clock; raises SegmentFailedError.

    Its words are those that a live session would have settled for the same samples and options. `response_times` may be
    shared by the segments of one recording.
    """
    heard: list[HypothesisReceived | RecognitionFailed | FellBehind] = []
    response_times = response_times or ResponseTimes()
    recognition = Recognition(OpenStream(segment.number, options), heard.append, _nobody, limits, response_times)
    recognition.add(segment.pcm)
    recognition.finish()
    await recognition.run(recognizer)
    return settled_of(segment, heard)


def settled_of(segment: Segment, heard: Sequence[HypothesisReceived | RecognitionFailed | FellBehind]) -> Settled:
    """Join the stretches that the recognizer settled, mostly it is one; raises SegmentFailedError."""
    stretches: list[Settled] = []
    start = segment.start
    for event in heard:
        match event:
            case RecognitionFailed():
                raise SegmentFailedError(f"segment {segment.number} was given up")
            case HypothesisReceived(_, hypothesis) if hypothesis.is_final:
                end = (
                    min(segment.start + hypothesis.processed, segment.end)
                    if hypothesis.is_segment_final
                    else segment.end
                )
                stretches.append(_stretch(segment, start, end, event))
                start = end
    if not stretches:
        raise SegmentFailedError(f"segment {segment.number} got no final")
    return _joined(stretches)


def _stretch(segment: Segment, start: int, end: int, event: HypothesisReceived) -> Settled:
    utterance = Utterance(segment.number, segment.number, segment.channel, start, segment.start, end, end)
    utterance.reason = Reason.ENDPOINT
    utterance.hear(event.hypothesis, event.latency)
    return utterance.settled(event.latency.recognizer_seconds, Progress())


def _joined(stretches: list[Settled]) -> Settled:
    last = stretches[-1]
    if len(stretches) == 1:
        return last
    whole = Hypothesis(joined(stretch.hypothesis.best for stretch in stretches), is_final=True)
    spent = sum(stretch.inference_seconds for stretch in stretches)
    return replace(last, hypothesis=whole, start=stretches[0].start, inference_seconds=spent)


def _nobody() -> None:
    """Nobody waits for room here: all samples are there from the beginning."""
