"""Classification of frames: speech or not."""

from typing import Protocol

import webrtcvad

from vad.frames import FRAME_BYTES, FRAME_SAMPLES, SAMPLE_RATE
from vad.level import LevelAdjuster

STRICTEST = 3  # WebRTC's mode that takes the least noise for speech


class FrameClassifier(Protocol):
    """Tells speech from everything else, in order; it may keep state between frames."""

    def classify(self, frames: bytes) -> bytes:
        """Classify whole frames, `int16[160 * n_frames]` at 16 kHz; return a byte for each, 1 for speech, else 0."""
        ...


class WebRtcClassifier:
    """The Gaussian-mixture detector of the WebRTC project, which hears a level-adjusted copy of the frames.

    Without that, its strictest mode takes speech below -44 dB of full scale for silence. `aggressiveness` is its
    operating mode: 0 lets the most through, 3 rejects the most.
    Raises ValueError for any other mode.
    """

    def __init__(self, aggressiveness: int) -> None:
        if aggressiveness not in range(4):
            raise ValueError(f"aggressiveness is {aggressiveness}; it must be between 0 and 3")
        self._detector = webrtcvad.Vad(aggressiveness)
        self._level = LevelAdjuster()

    def classify(self, frames: bytes) -> bytes:
        adjusted, paused = self._level.adjust(frames)
        is_speech = self._detector.is_speech
        # A gate's silence teaches the detector that there is no noise, and what the gate lets through would be speech.
        return bytes(
            [
                not is_paused and is_speech(adjusted[start : start + FRAME_BYTES], SAMPLE_RATE, FRAME_SAMPLES)
                for start, is_paused in zip(range(0, len(adjusted), FRAME_BYTES), paused, strict=True)
            ]
        )


def speech_samples(classifier: FrameClassifier, pcm: bytes) -> int:
    """Return how many samples of `int16[n_samples]` are speech; an incomplete last frame is not counted."""
    return FRAME_SAMPLES * sum(classifier.classify(pcm[: len(pcm) // FRAME_BYTES * FRAME_BYTES]))


def make_classifier(kind: str, aggressiveness: int) -> FrameClassifier:
    """Make a `webrtc` or a `silero` classifier; what Silero needs is loaded only then."""
    if kind == "silero":
        from vad.silero import SileroClassifier  # noqa: PLC0415

        return SileroClassifier(aggressiveness)
    if kind != "webrtc":
        raise ValueError(f"kind is {kind}; it must be webrtc or silero")
    return WebRtcClassifier(aggressiveness)
