"""Voice activity detection: frames of sound in, segments of speech out; pure and counted in samples."""

from vad.classifier import STRICTEST, FrameClassifier, WebRtcClassifier, make_classifier, speech_samples
from vad.frames import FRAME_BYTES, FRAME_MS, FRAME_SAMPLES, SAMPLE_BYTES, SAMPLE_RATE, Framer, frames_in, split_frames
from vad.segmenter import (
    EndReason,
    SegmentAudio,
    SegmentEnded,
    Segmenter,
    SegmenterOptions,
    SegmentEvent,
    SegmentStarted,
    segment,
)

__all__ = [
    "FRAME_BYTES",
    "FRAME_MS",
    "FRAME_SAMPLES",
    "SAMPLE_BYTES",
    "SAMPLE_RATE",
    "STRICTEST",
    "EndReason",
    "FrameClassifier",
    "Framer",
    "SegmentAudio",
    "SegmentEnded",
    "SegmentEvent",
    "SegmentStarted",
    "Segmenter",
    "SegmenterOptions",
    "WebRtcClassifier",
    "frames_in",
    "make_classifier",
    "segment",
    "speech_samples",
    "split_frames",
]
