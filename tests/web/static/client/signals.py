"""Sounds that are known exactly, and how far a resampled one is from what it should be."""

import numpy as np
import numpy.typing as npt
import soxr

Samples = npt.NDArray[np.float64]  # `[n_samples]`, full scale is 1

RATE = 16_000
# What the start and the end of a sound lose to the silence around them: 50 ms.
EDGE = RATE // 20


def tone(rate: int, frequency: float, seconds: float = 1.0) -> Samples:
    """A sine of half of full scale, at `rate` in Hz."""
    samples: Samples = 0.5 * np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate)
    return samples


def tones(rate: int, top: float) -> Samples:
    """Sines between 50 Hz and `top`, none of them a multiple of another."""
    frequencies = np.geomspace(50, top, 23)
    samples: Samples = np.mean([tone(rate, frequency) for frequency in frequencies], axis=0)
    return samples


def noise(rate: int, top: float, *, seed: int = 0) -> Samples:
    """One second of noise, the same in each run, with nothing above `top` in Hz."""
    return below(np.random.default_rng(seed).uniform(-0.5, 0.5, rate), rate, top)


def below(samples: Samples, rate: int, top: float) -> Samples:
    """The part of a sound that lies below `top` in Hz."""
    spectrum = np.fft.rfft(samples)
    spectrum[np.fft.rfftfreq(len(samples), 1 / rate) > top] = 0
    kept: Samples = np.fft.irfft(spectrum, len(samples))
    return kept


def by_soxr(samples: Samples, rate: int, wanted: int = RATE) -> Samples:
    """The same sound at another rate, in soxr's best quality."""
    resampled: Samples = soxr.resample(samples, rate, wanted, quality="VHQ")
    return resampled


def inner(samples: Samples) -> Samples:
    """A sound at 16 kHz without its edges."""
    return samples[EDGE:-EDGE]


def signal_to_noise(got: Samples, wanted: Samples) -> float:
    """How far `got` is from `wanted`, both at 16 kHz and the same in time and in gain; in dB."""
    assert abs(len(got) - len(wanted)) <= 1
    length = min(len(got), len(wanted))
    got, wanted = inner(got[:length]), inner(wanted[:length])
    return level(wanted) - level(got - wanted)


def level(samples: Samples) -> float:
    """Power in dB."""
    return float(10 * np.log10(np.mean(samples**2)))
