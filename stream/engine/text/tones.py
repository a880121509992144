"""Detect the signal tones of telephone networks (ringing, dialling, busy), which decoders take for words."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream.engine.model.features import Samples

# Measured with tones of 350 to 620 Hz for 2 s, single and in pairs, with and without a cadence, modulated by 17 and
# 25 Hz, clipped, in white noise of 20 and 10 dB SNR: the lines had 0.92 of the power or more, 0.88 if clipped in noise
# of 10 dB. Of 4,604 pieces of read and synthetic speech, 0.6 to 3 s long, two had as much.
_TONE_SHARE = 0.92
# Of 853 utterances that the detector cuts from tones with the cadences of 15 countries, at 8 and 16 kHz, all had 0.978
# or more; of 849 pieces of speech, single words among them, none had more than 0.88.
_CLEAR_TONE_SHARE = 0.97
# With speech over a tone, the power outside the lines in a quarter of a second is larger than this share of the power
# of the loudest window (6 dB below the tone: 0.02 to 0.1); of the edges of bursts it is 0.018.
_REST_SHARE = 0.02
_WINDOW, _HOP = 2048, 512  # 128 ms resolve lines 16 Hz apart
_LINES = 3
_LINE_BINS = 4  # on both sides: 31 Hz, the width of the modulation of a ringing tone
_LOWEST_BIN = 8  # below 62 Hz lies hum
_LOWEST_LINE_BIN = 43  # 336 Hz: no signal tone is lower, and the pitch of nearly every voice is
_NOISE_MEDIANS = 3  # multiples of the median bin that are subtracted as noise, whose spectrum is nearly flat
_LOUD_SHARE = 0.1  # of the power of the loudest window: windows below are pauses
_FAINT_SHARE = 0.01  # windows below may be noise, windows above may be speech after the tone
_FEWEST_WINDOWS = 8  # 0.35 s: a vowel may be steady for less
_REST_WINDOWS = 8
_SPEECH_WINDOWS = 4  # so many in a row without lines are speech, the edge of a burst has fewer
# A window is of a tone alone if less of its power is outside the lines. With a word over a tone, 0 to 12 dB below it,
# half of the loud windows or more were; of 97 sounds without speech or tones nine in ten had none.
_ALONE_SHARE = 0.02
_LEAST_ALONE = 0.3


Powers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lines:
    """The three strongest lines: powers `float64[n_windows]` of all bins and of those outside the lines."""

    whole: Powers
    rest: Powers

    @property
    def is_loud(self) -> NDArray[np.bool_]:
        return np.asarray(self.whole >= _LOUD_SHARE * self.whole.max())

    @property
    def share(self) -> float:
        """The share of the power of the loud windows that lies in the lines, from 0 to 1."""
        whole = self.whole[self.is_loud].sum()
        return float(1 - self.rest[self.is_loud].sum() / whole) if whole > 0 else 0.0

    @property
    def alone_share(self) -> float:
        """The share of the loud windows that are of a tone alone, from 0 to 1."""
        alone = (self.rest < _ALONE_SHARE * self.whole)[self.is_loud]
        return float(alone.mean()) if len(alone) else 0.0

    @property
    def has_speech(self) -> bool:
        """Whether there is something else than the lines, over or between them."""
        loudest = self.whole.max()
        rests = np.convolve(self.rest, np.ones(_REST_WINDOWS) / _REST_WINDOWS)
        other = (self.rest > 0.5 * self.whole) & (self.whole > _FAINT_SHARE * loudest)
        runs = np.convolve(other, np.ones(_SPEECH_WINDOWS))
        return bool(rests.max() > _REST_SHARE * loudest or runs.max() >= _SPEECH_WINDOWS)


def is_tone(samples: Samples) -> bool:
    """Whether `float32[n_samples]` at 16 kHz may be a signal tone with any cadence.

    The power of a signal tone stays in a few narrow lines, while a voice has many harmonics that move.
    """
    return line_share(samples) >= _TONE_SHARE


def is_clear_tone(samples: Samples) -> bool:
    """Whether `float32[n_samples]` at 16 kHz is a signal tone and nothing else, so that no decode is needed."""
    lines = _find_lines(samples)
    return lines.share >= _CLEAR_TONE_SHARE and not lines.has_speech


def has_more_than_tone(samples: Samples) -> bool:
    """Whether `float32[n_samples]` at 16 kHz has a signal tone, and something else over it or between its bursts."""
    lines = _find_lines(samples)
    return lines.alone_share >= _LEAST_ALONE and lines.has_speech


def line_share(samples: Samples) -> float:
    """Return the share of the power of the loud windows in the three strongest lines; 0 for very short sounds."""
    lines = _find_lines(samples)
    return lines.share if np.count_nonzero(lines.is_loud) >= _FEWEST_WINDOWS else 0.0


def _find_lines(samples: Samples) -> _Lines:
    padded = np.pad(samples, (0, max(0, _WINDOW - len(samples))))
    windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    windows = (windows - windows.mean(axis=1, keepdims=True)) * np.hanning(_WINDOW)
    power = np.square(np.abs(np.fft.rfft(windows, axis=1)))
    power[:, :_LOWEST_BIN] = 0
    power = np.maximum(power - _NOISE_MEDIANS * np.median(power, axis=1, keepdims=True), 0)
    whole = power.sum(axis=1)
    of_bins = power[whole >= _LOUD_SHARE * whole.max()].sum(axis=0)
    for _ in range(_LINES):
        line = _LOWEST_LINE_BIN + int(of_bins[_LOWEST_LINE_BIN:].argmax())
        around = slice(max(0, line - _LINE_BINS), line + _LINE_BINS + 1)
        of_bins[around] = 0
        power[:, around] = 0
    return _Lines(whole=whole, rest=power.sum(axis=1))
