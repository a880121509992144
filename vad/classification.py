"""Classification of frames, speech or not: what classifiers have in common, and how they are made."""

from importlib import import_module
from typing import Protocol, cast

from vad.frames import FRAME_BYTES, FRAME_SAMPLES

STRICTEST = 3  # the aggressiveness that takes the least noise for speech
# Each has `make_classifier`. A module is imported when its classifier is first made: WebRTC's needs numpy, Silero's the
# ONNX Runtime.
_MODULES = {"webrtc": "vad.webrtc", "silero": "vad.silero"}


class FrameClassifier(Protocol):
    """Tells speech from everything else, in order; it may keep state between frames."""

    def classify(self, frames: bytes) -> bytes:
        """Classify whole frames, `int16[160 * n_frames]` at 16 kHz; return a byte for each, 1 for speech, else 0."""
        ...


def make_classifier(kind: str, aggressiveness: int) -> FrameClassifier:
    """Make a `webrtc` or a `silero` classifier, which rejects the least noise at 0 and the most at 3.

    Raises ValueError for any other kind or aggressiveness.
    """
    if kind not in _MODULES:
        raise ValueError(f"kind is {kind}; it must be {' or '.join(_MODULES)}")
    return cast(FrameClassifier, import_module(_MODULES[kind]).make_classifier(aggressiveness))


def speech_samples(classifier: FrameClassifier, pcm: bytes) -> int:
    """Return how many samples of `int16[n_samples]` are speech; an incomplete last frame is not counted."""
    return FRAME_SAMPLES * sum(classifier.classify(pcm[: len(pcm) // FRAME_BYTES * FRAME_BYTES]))
