"""Mix any number of channels down to one without losing any, whatever their phases and levels are."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_Samples = npt.NDArray[np.float32]
_Numbers = npt.NDArray[np.float64]

# FFmpeg's names. The centre of a film has the dialogue; the low-frequency effects have no speech.
_CENTRE = "FC"
_EFFECTS = ("LFE", "LFE2")
# Amplitude of the other channels, mostly music, beside a centre that is not silent. They are used in full at a hundred
# times the energy of the centre, because a voice may come from the side.
_BESIDE_CENTRE = 0.1
_WITHOUT_CENTRE = 100.0
# Time constant of the decay of energies. Rising levels are followed within a block all the same, and a pause between
# words changes little.
_MEMORY_SECONDS = 0.25
# Differences over a quarter of a millisecond emphasize the band of speech: the gain is highest at 2 kHz, 22 dB lower
# for mains hum, and zero for a constant offset.
_DIFFERENCE_HERTZ = 4000
# Negative correlation from which two channels count as opposed; the speech of two talkers stays within 0.3.
_OPPOSED = 0.5
# Energy of a block below which channels are not compared.
_FAINTEST = 16.0
_PEAK = 32767.0


class Mixer:
    """Mixes channels down to one, at the level of the loudest.

    Equal channels yield the same signal whatever their phases: a channel that is opposed to those before it is
    inverted. Different channels are added, and attenuated to the power of the loudest. Each channel has a coefficient
    that follows from energies and correlations of the last second, in the band of speech, and changes linearly within
    each block.

    `places` names the channels as FFmpeg does ("FL", "FC", "LFE"), "" for an unknown place. A block has
    `block_frames`; the time constants above assume 10 ms.
    """

    def __init__(self, places: Sequence[str], block_frames: int, rate: int) -> None:
        self._kept = [index for index, place in enumerate(places) if place not in _EFFECTS] or [0]
        kept = [places[index] for index in self._kept]
        self._centre = kept.index(_CENTRE) if _CENTRE in kept else None
        self._order = sorted(range(len(kept)), key=lambda n: n != self._centre)
        self._block_frames = block_frames
        self._fading = math.exp(-block_frames / rate / _MEMORY_SECONDS)
        self._covariance = [[0.0] * len(kept) for _ in kept]
        self._signs = [1.0] * len(kept)
        self._before: _Numbers = np.zeros((max(1, rate // _DIFFERENCE_HERTZ), len(kept)))
        self._coefficients: list[float] | None = None

    def mix(self, frames: _Samples) -> _Samples:
        """Return `float32[n_frames, 1]` for `float32[n_frames, n_channels]`, both in units of int16.

        Only the last call may end with an incomplete block.
        """
        chosen = frames[:, self._kept].astype(np.float64)
        whole = len(chosen) // self._block_frames * self._block_frames
        parts = [self._blocks(chosen[start:end]) for start, end in ((0, whole), (whole, len(chosen))) if start < end]
        return np.concatenate([*parts, np.zeros(0)]).astype(np.float32)[:, np.newaxis]

    def _blocks(self, frames: _Numbers) -> _Numbers:
        """Mix whole blocks, or a single shorter one."""
        length = min(self._block_frames, len(frames))
        shape = (-1, length, len(self._kept))
        # Sums of integers in float64 are exact, so that the result is the same on every processor.
        known = np.concatenate([self._before, frames])
        changes = (frames - known[: len(frames)]).reshape(shape)
        self._before = known[len(frames) :]
        blocks = frames.reshape(shape)
        energies = (changes.transpose(0, 2, 1) @ changes).tolist()
        peaks = np.abs(blocks).max(axis=1).tolist()
        before, after = [], []
        for energy, peak in zip(energies, peaks, strict=True):
            coefficients = self._next_coefficients(energy, peak)
            before.append(coefficients if self._coefficients is None else self._coefficients)
            after.append(coefficients)
            self._coefficients = coefficients
        starts, ends = (np.array(some)[:, :, np.newaxis] for some in (before, after))
        mixed = (blocks @ ends)[:, :, 0]
        if before != after:
            rising = np.arange(1, length + 1) / length
            mixed += ((blocks @ (starts - ends))[:, :, 0]) * (1 - rising)
        return np.asarray(mixed.reshape(-1))

    def _next_coefficients(self, energy: list[list[float]], peaks: list[float]) -> list[float]:
        """Return the coefficients at the end of a block, from the covariance `[n][n]` of its differences and peaks."""
        fading = self._fading
        covariance = self._covariance = [
            [fading * old + new for old, new in zip(*rows, strict=True)]
            for rows in zip(self._covariance, energy, strict=True)
        ]
        loudest = max(row[n] for n, row in enumerate(covariance))
        if loudest < _FAINTEST:
            return [1 / len(covariance)] * len(covariance)
        weights = self._weights()
        total = self._align(weights)
        level = math.sqrt(max(row[n] * weights[n] ** 2 for n, row in enumerate(covariance)) / total)
        highest = sum(weight * peak for weight, peak in zip(weights, peaks, strict=True))
        level = min(1.0, level, _PEAK / highest if highest > _PEAK else 1.0)
        return [level * weight * sign for weight, sign in zip(weights, self._signs, strict=True)]

    def _weights(self) -> list[float]:
        """Return the weight of each channel by its place."""
        centre = 0.0 if self._centre is None else self._covariance[self._centre][self._centre]
        if not centre:
            return [1.0] * len(self._covariance)
        return [
            1.0 if n == self._centre else min(1.0, max(_BESIDE_CENTRE, row[n] / centre / _WITHOUT_CENTRE))
            for n, row in enumerate(self._covariance)
        ]

    def _align(self, weights: list[float]) -> float:
        """Invert channels that are opposed to the sum of those before, centre first; return the energy of the sum."""
        total = 0.0
        added: list[int] = []
        for n in self._order:
            row = self._covariance[n]
            own = weights[n] ** 2 * row[n]
            shared = weights[n] * sum(weights[m] * self._signs[m] * row[m] for m in added)
            if self._signs[n] * shared < -_OPPOSED * math.sqrt(total * own):
                self._signs[n] = -self._signs[n]
            total = max(0.0, total + own + 2 * self._signs[n] * shared)
            added.append(n)
        return total
