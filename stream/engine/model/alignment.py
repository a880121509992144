"""Find the times of words: by cross attention, corrected by the pauses in the audio."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream.engine.model.features import HOP_SAMPLES, Samples

# Attention turns to a word 100 ms after it began (measured with 1,052 words of 90 sentences with known times).
_LATE_SAMPLES = 1_600
_SHORTEST_WORD_SAMPLES = 640
# A frame is quiet if it is 35 dB below the loud ones, or within 6 dB of the faintest if noise fills the pauses.
_QUIET_DB = 35.0
_ABOVE_FLOOR_DB = 6.0
_LEAST_RANGE_DB = 12.0  # within less, pauses cannot be told from words
# Stop consonants are silent for up to 80 ms, and noise hides faint consonants for longer.
_PAUSE_FRAMES = 10
_PAUSE_IN_NOISE_FRAMES = 20
# Background sound before the first word may be above the limit for quiet. If it lasts so long, all of it counts as
# quiet up to a few frames before the first frame as loud as speech; the faint onset of a word is shorter.
_SPEECH_DB = 25.0
_ROOM_FRAMES = 15
_FAINT_ONSET_FRAMES = 8
# A pause separates two words if attention turned to the second nearby, a long pause wherever attention turned; words
# after punctuation are preferred.
_REACH_FRAMES = 25
_LONG_PAUSE_FRAMES = 30
_PUNCTUATION_FRAMES = 10
_PUNCTUATION = ",.?!;:"


@dataclass(frozen=True, slots=True)
class Pause:
    """A span of quiet, in frames of 10 ms."""

    start_frames: int
    end_frames: int

    @property
    def n_frames(self) -> int:
        return self.end_frames - self.start_frames


def levels(samples: Samples) -> NDArray[np.float32]:
    """Return the level of every 10 ms in dB, 0 for a full-scale square wave: `float32[ceil(n_samples / 160)]`."""
    n_frames = -(-len(samples) // HOP_SAMPLES)
    padded = np.zeros(n_frames * HOP_SAMPLES, dtype=np.float32)
    padded[: len(samples)] = samples
    power = np.square(padded).reshape(n_frames, HOP_SAMPLES).mean(axis=1)
    return np.asarray(10 * np.log10(power + 1e-9), dtype=np.float32)


def find_pauses(samples: Samples) -> list[Pause]:
    """Find the pauses, including the quiet at both ends of the audio however short it is."""
    if len(samples) < HOP_SAMPLES:
        return []
    smooth = np.convolve(np.pad(levels(samples), 1, mode="edge"), np.full(3, 1 / 3), "valid")
    floor, loud = np.quantile(smooth, (0.05, 0.95))
    if loud - floor < _LEAST_RANGE_DB:
        return []
    quiet = smooth < max(loud - _QUIET_DB, floor + _ABOVE_FLOOR_DB)
    shortest = _PAUSE_FRAMES if loud - floor >= _QUIET_DB else _PAUSE_IN_NOISE_FRAMES
    loud_from = int(np.argmax(smooth >= loud - _SPEECH_DB))
    if loud_from - int(np.argmin(quiet)) > _ROOM_FRAMES:
        quiet[: loud_from - _FAINT_ONSET_FRAMES] = True
    edges = np.flatnonzero(np.diff(np.concatenate(([False], quiet, [False])))).reshape(-1, 2)
    pauses = [Pause(int(start), int(end)) for start, end in edges]
    return [p for p in pauses if p.n_frames >= shortest or p.start_frames == 0 or p.end_frames == len(quiet)]


def word_spans(
    samples: Samples, words: Sequence[str], attended: Sequence[int], *, late_samples: int = _LATE_SAMPLES
) -> list[tuple[int, int]]:
    """Return the start and end in samples of each word: in order, without overlaps, inside the audio.

    `attended` is the sample at which attention turned to each word, so many `late_samples` after it began.
    """
    turns = [max(0, min(sample, len(samples)) - late_samples) for sample in attended] + [len(samples)]
    starts, ends = turns[:-1], turns[1:]
    frames = np.array(turns) / HOP_SAMPLES
    stops = np.array([0] + [_PUNCTUATION_FRAMES * word.endswith(tuple(_PUNCTUATION)) for word in words])
    last_frame = -(-len(samples) // HOP_SAMPLES)
    # The longest pause comes last and overrides shorter ones at the same word.
    for pause in sorted(find_pauses(samples), key=lambda pause: pause.n_frames):
        distances = np.maximum(0, np.maximum(pause.start_frames - frames, frames - pause.end_frames))
        following = int(np.argmin(distances - stops))
        is_near = distances[following] <= _REACH_FRAMES or pause.n_frames >= _LONG_PAUSE_FRAMES
        if pause.start_frames == 0:
            following = 0
        elif pause.end_frames == last_frame:
            following = len(words)
        elif not is_near:
            continue
        if following > 0:
            ends[following - 1] = pause.start_frames * HOP_SAMPLES
        if following < len(words):
            starts[following] = pause.end_frames * HOP_SAMPLES
    return _in_order(starts, ends, len(samples))


def _in_order(starts: list[int], ends: list[int], n_samples: int) -> list[tuple[int, int]]:
    """Separate the spans, each at least 40 ms long if the audio is long enough for all of them."""
    shortest = min(_SHORTEST_WORD_SAMPLES, n_samples // max(1, len(starts)))
    spans: list[tuple[int, int]] = []
    before = 0
    for start, end in zip(starts, ends, strict=True):
        begin = max(start, before)
        before = max(end, begin + shortest)
        spans.append((begin, before))
    limit = n_samples
    for index in range(len(spans) - 1, -1, -1):
        begin, end = spans[index]
        end = min(end, limit)
        limit = min(begin, end - shortest)
        spans[index] = (limit, end)
    return spans
