"""Find where a segment that is too long is cut: in a pause, or at its quietest place."""

from array import array
from collections import deque
from operator import mul

# How to cut was chosen by the words that a cut costs, in read speech whose pauses were shortened to 80 to 150 ms: in
# the middle of the longest pause 0.18, at the quietest 50 ms 0.24, at the first frame without speech 0.24, anywhere
# 0.49. To begin the next segment a second earlier, and to drop the words before the cut by their times, cost 0.6.
_PAUSE_FRAMES = 3
_QUIET_FRAMES = 5
# Whoever speaks again after such a pause is cut in it without waiting for a better one.
_CLEAR_PAUSE_FRAMES = 8
# So much of a longer pause belongs to the speech after it.
_LEAD_FRAMES = 10


class CutSearch:
    """Search for the best cut in the last frames of a segment, which are added one by one."""

    def __init__(self) -> None:
        self._frames = 0
        self._best_frames = 0
        self._pause_frames = 0
        self._longest_pause_frames = 0
        self._energies: deque[int] = deque(maxlen=_QUIET_FRAMES)
        self._least_energy: int | None = None

    @property
    def best_frames(self) -> int:
        """How many of the frames are before the best cut so far; it never decreases."""
        return self._best_frames

    @property
    def is_in_clear_pause(self) -> bool:
        """Whether the best cut is in the present pause, which is long enough to cut there once speech goes on."""
        return self._pause_frames >= _CLEAR_PAUSE_FRAMES

    def add(self, frame: bytes, *, is_speech: bool) -> None:
        """Take the next frame, `int16[n_samples]` with at most 160 samples."""
        self._frames += 1
        self._pause_frames = 0 if is_speech else self._pause_frames + 1
        if self._pause_frames >= max(_PAUSE_FRAMES, self._longest_pause_frames):
            self._longest_pause_frames = self._pause_frames
            self._best_frames = self._frames - min(self._pause_frames // 2, _LEAD_FRAMES)
        if not self._longest_pause_frames:
            self._look_for_quiet(frame)

    def _look_for_quiet(self, frame: bytes) -> None:
        samples = array("h", frame)
        self._energies.append(sum(map(mul, samples, samples)))
        energy = sum(self._energies)
        if len(self._energies) < _QUIET_FRAMES or (self._least_energy is not None and energy > self._least_energy):
            return
        # In a sound that does not change no place is better than the last.
        is_steady = energy == self._least_energy
        self._best_frames = self._frames - (0 if is_steady else _QUIET_FRAMES // 2)
        self._least_energy = energy
