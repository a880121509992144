"""Down-mix of any number of channels to one that loses none: not by its phase, and not beside silent ones."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_Samples = npt.NDArray[np.float32]
_Numbers = npt.NDArray[np.float64]

# FFmpeg's names. Dialogue is in the centre of a film; the channels of low effects hold no speech.
_CENTRE = "FC"
_EFFECTS = ("LFE", "LFE2")
# Amplitude of the others beside a sounding centre: they are music there. A voice that comes from the side has to stay
# audible, so that they are taken in full when they have a hundred times the energy of the centre.
_BESIDE_CENTRE = 0.1
_WITHOUT_CENTRE = 100.0
# Energies fade by a factor of e in this time. What gets louder is followed within a block all the same, and a pause
# between words changes little.
_MEMORY_SECONDS = 0.25
# Differences over a quarter of a millisecond stand for the band of speech: they are largest at 2 kHz, and 22 dB less of
# mains hum is in them, and nothing of a constant offset.
_DIFFERENCE_HERTZ = 4000
# Correlation from which on two channels are opposed; that of speech of two talkers stays within 0.3.
_OPPOSED = 0.5
# Energy of a block below which there is nothing to compare.
_FAINTEST = 16.0
_PEAK = 32767.0


class Mixer:
    """Mixes channels down to one, at the level of the loudest.

    Channels that carry the same give that again, whatever their phase: one that is opposed to those before it is
    inverted. Channels that carry different things are added, and attenuated to the power of the loudest. There is one
    coefficient for each channel; it follows from energies and correlations, which are forgotten within a second,
    and glides through each block to its new value. Energies are those of the band of speech.

    `places` names the channels as FFmpeg does ("FL", "FC", "LFE"), "" is an unknown place. A block has `block_frames`,
    which is 10 ms for the speeds to be as above.
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

        Only the last call of all may have an incomplete block at its end.
        """
        chosen = frames[:, self._kept].astype(np.float64)
        whole = len(chosen) // self._block_frames * self._block_frames
        parts = [self._blocks(chosen[start:end]) for start, end in ((0, whole), (whole, len(chosen))) if start < end]
        return np.concatenate([*parts, np.zeros(0)]).astype(np.float32)[:, np.newaxis]

    def _blocks(self, frames: _Numbers) -> _Numbers:
        """Mix whole blocks, or a single shorter one."""
        length = min(self._block_frames, len(frames))
        shape = (-1, length, len(self._kept))
        # Integers in float64: their sums are exact, so that every processor has the same.
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
        """Take the covariance of a block's differences, `[n][n]`, and its peaks; return the coefficients at its end."""
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
        """How much of each channel is taken for what it is."""
        centre = 0.0 if self._centre is None else self._covariance[self._centre][self._centre]
        if not centre:
            return [1.0] * len(self._covariance)
        return [
            1.0 if n == self._centre else min(1.0, max(_BESIDE_CENTRE, row[n] / centre / _WITHOUT_CENTRE))
            for n, row in enumerate(self._covariance)
        ]

    def _align(self, weights: list[float]) -> float:
        """Invert what is opposed to the sum of those before it, the centre first; return the energy of the sum."""
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
