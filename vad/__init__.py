"""Voice activity detection: frames of sound in, segments of speech out; pure and counted in samples."""

from importlib import import_module
from typing import TYPE_CHECKING

from vad.classification import STRICTEST, FrameClassifier, make_classifier, speech_samples
from vad.frames import FRAME_BYTES, FRAME_MS, FRAME_SAMPLES, SAMPLE_BYTES, SAMPLE_RATE, Framer, frames_in, split_frames
from vad.segmenter import Segmenter, segment
from vad.segments import (
    EndReason,
    SegmentAudio,
    SegmentEnded,
    SegmenterOptions,
    SegmentEvent,
    SegmentStarted,
    SpeechResumed,
)

if TYPE_CHECKING:
    from vad.webrtc import WebRtcClassifier

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
    "SpeechResumed",
    "WebRtcClassifier",
    "frames_in",
    "make_classifier",
    "segment",
    "speech_samples",
    "split_frames",
]


def __getattr__(name: str) -> object:
    # It needs numpy, which segmentation alone does not load.
    if name == "WebRtcClassifier":
        return import_module("vad.webrtc").WebRtcClassifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
