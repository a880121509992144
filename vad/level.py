"""Level adjustment of what a detector judges, so that it finds quiet speech as it finds loud speech."""

import math
from collections import deque

import numpy as np

from vad.frames import FRAME_MS, FRAME_SAMPLES

# All levels are RMS of a frame in dB of full scale. Measured over 15 clips at 0, -10, -20 and -30 dB, clean and in
# white, pink and babble noise 20 and 10 dB below: the share of speech in no utterance at -30 dB falls from 53 % to 0
# clean, from 91 % to 0.1 % in noise, and no words are lost or gained at 0 dB (`bench/engine/levels.py`).
_TARGET_DB = -20.0  # of the loudest frames; 3 dB more or less find the same
_MOST_GAIN_DB = 30.0
# To what noise may be raised: WebRTC's strictest mode takes pink noise of -40 dB for speech now and then, of -45 dB
# never.
_NOISE_DB = -45.0
# Audio fainter than two steps of PCM16 holds no noise of the room: gates, codecs and muted microphones send it.
_DIGITAL_SILENCE_DB = -84.0
# After somebody loud, somebody 20 dB quieter is found at once; 1.5 and 6 dB a second find the same.
_PEAK_FALL_DB_PER_SECOND = 3.0
# A click is over sooner and counts neither as speech nor, with its echo, as the noise of the room.
_SUSTAINED_FRAMES = 4
# The noise is the least of the last 1.5 s: continuous speech has closures of lips and tongue more often than that, and
# noise that begins is taken for speech no longer.
_BLOCK_FRAMES = 30
_BLOCKS = 5
_LARGEST = 32767.0
_LARGEST_ENERGY = _LARGEST**2


def _energy(level_db: float) -> float:
    """Sum of the squares of a frame of that level."""
    return float(FRAME_SAMPLES * 10 ** (level_db / 10) * 2.0**30)


class LevelAdjuster:
    """Raises frames towards a common level by up to 30 dB and never lowers them.

    The gain follows the loudest of what lasts, down at once and up slowly, and is bounded by the noise of the room:
    what is stationary, noise or tone, is not raised to where it would be taken for speech. It is highest in silence, so
    that speech is raised from its first frame, and follows from the frames alone.
    """

    def __init__(self) -> None:
        self._latest = deque([0.0] * _SUSTAINED_FRAMES, _SUSTAINED_FRAMES)
        self._peak = 1.0
        self._block_frames = 0
        self._block_least = math.inf
        self._before = 0.0
        self._least = deque([math.inf] * _BLOCKS, _BLOCKS)
        self._least_of_blocks = math.inf

    def adjust(self, frames: bytes) -> tuple[bytes, list[bool]]:
        """Raise whole frames, `int16[160 * n_frames]` little-endian, to the common level.

        Return them, and for each whether it is a pause: digital silence after some sound.
        """
        # Integers in float64: their sum is exact, so that every processor decides the same.
        samples = np.frombuffer(frames, dtype="<i2").astype(np.float64).reshape(-1, FRAME_SAMPLES)
        gains, paused = [], []
        is_raised = is_clipped = False
        for energy in np.vecdot(samples, samples).tolist():
            power_gain = self._next_power_gain(energy)
            gains.append(math.sqrt(power_gain) if power_gain > 1.0 else 1.0)
            paused.append(energy <= _DIGITAL_SILENCE and self._before > 0)
            is_raised = is_raised or power_gain > 1.0
            # No sample is larger than the root of the energy.
            is_clipped = is_clipped or power_gain * energy > _LARGEST_ENERGY
        if not is_raised:
            return frames, paused
        samples *= np.array(gains)[:, np.newaxis]
        if is_clipped:
            np.clip(samples, -_LARGEST - 1, _LARGEST, out=samples)
        return samples.astype("<i2").tobytes(), paused

    def _next_power_gain(self, energy: float) -> float:
        self._latest.append(energy)
        self._peak = max(min(self._latest), self._peak * _FALL, 1.0)
        if energy > _DIGITAL_SILENCE:
            self._block_least = min(self._block_least, max(energy, self._before))
            self._before = energy
        noise = min(self._block_least, self._least_of_blocks)
        self._block_frames += 1
        if self._block_frames == _BLOCK_FRAMES:
            self._least.append(self._block_least)
            self._least_of_blocks = min(self._least)
            self._block_least, self._block_frames = math.inf, 0
        return min(_MOST_POWER_GAIN, _TARGET / self._peak, _NOISE / noise)


_TARGET, _NOISE, _DIGITAL_SILENCE = (_energy(level_db) for level_db in (_TARGET_DB, _NOISE_DB, _DIGITAL_SILENCE_DB))
_MOST_POWER_GAIN = 10 ** (_MOST_GAIN_DB / 10)
_FALL = 10 ** (-_PEAK_FALL_DB_PER_SECOND * FRAME_MS / 1000 / 10)
