"""The decision about one frame: speech or not."""

from typing import Protocol

import webrtcvad

from vad.frames import FRAME_BYTES, FRAME_SAMPLES, SAMPLE_RATE
from vad.level import LevelAdjuster

STRICTEST = 3  # WebRTC's mode that takes the least noise for speech


class FrameClassifier(Protocol):
    """Tells speech from everything else, frame by frame and in order; it may keep state between frames."""

    def is_speech(self, frame: bytes) -> bool:
        """Judge one frame, `int16[160]` at 16 kHz."""
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

    def is_speech(self, frame: bytes) -> bool:
        adjusted = self._level.adjust(frame)
        # A gate's silence teaches the detector that there is no noise, and what the gate lets through would be speech.
        return not self._level.is_paused and bool(self._detector.is_speech(adjusted, SAMPLE_RATE))


def speech_samples(classifier: FrameClassifier, pcm: bytes) -> int:
    """How much of `int16[n_samples]` is speech, in samples; what makes no whole frame is not counted."""
    starts = range(0, len(pcm) - FRAME_BYTES + 1, FRAME_BYTES)
    return FRAME_SAMPLES * sum(classifier.is_speech(pcm[start : start + FRAME_BYTES]) for start in starts)


def make_classifier(kind: str, aggressiveness: int) -> FrameClassifier:
    """Make a `webrtc` or a `silero` classifier; what Silero needs is loaded only then."""
    if kind == "silero":
        from vad.silero import SileroClassifier  # noqa: PLC0415

        return SileroClassifier(aggressiveness)
    if kind != "webrtc":
        raise ValueError(f"kind is {kind}; it must be webrtc or silero")
    return WebRtcClassifier(aggressiveness)
