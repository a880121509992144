"""Classification of frames by the detector of the WebRTC project."""

import webrtcvad

from vad.frames import FRAME_BYTES, FRAME_SAMPLES, SAMPLE_RATE
from vad.level import LevelAdjuster


class WebRtcClassifier:
    """The Gaussian-mixture detector of the WebRTC project, applied to a level-adjusted copy of the frames.

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


def make_classifier(aggressiveness: int) -> WebRtcClassifier:
    """Make a classifier; raises ValueError for an aggressiveness that is not from 0 to 3."""
    return WebRtcClassifier(aggressiveness)
