"""Compute the log-mel spectrogram, the input of Whisper's encoder."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from vad import SAMPLE_RATE

Samples = NDArray[np.float32]
Features = NDArray[np.float32]

HOP_SAMPLES = 160  # one feature frame every 10 ms
WINDOW_SAMPLES = 400  # 25 ms
_FULL_SCALE = 32_768.0  # int16 divided by this lies in [-1, 1)
# Whisper's features depend on the level of the audio. Normalized, quiet speech is recognized as well as loud speech: at
# -30 dB, with white noise 10 dB below, 4.4 % of 226 words are wrong instead of 8.0 % (bench/engine/levels.py).
_FULL_PEAK = 10 ** (-3 / 20)
_FLOOR = 1e-10  # Whisper clamps the power before the logarithm,
_RANGE = 8.0  # and the logarithm to eight decades below its maximum


def samples_of(pcm: bytes | bytearray | memoryview) -> Samples:
    """Convert `int16[n_samples]` little-endian to `float32[n_samples]` in [-1, 1)."""
    return np.frombuffer(pcm, dtype="<i2").astype(np.float32) / np.float32(_FULL_SCALE)


def at_full_level(samples: Samples) -> Samples:
    """Scale `float32[n_samples]` to a peak of -3 dB of full scale; silence stays as it is."""
    peak = float(np.abs(samples).max()) if len(samples) else 0.0
    return samples * np.float32(_FULL_PEAK / peak) if peak > 0 else samples


def log_mel(samples: Samples, length_samples: int, n_mels: int = 80) -> Features:
    """Return `float32[n_mels, length_samples // 160]` for 16 kHz mono audio padded with zeros to `length_samples`.

    The numbers are those of openai/whisper `audio.py`: periodic Hann window, frames centred on every 160th sample
    with the audio mirrored at its start, Slaney mel scale, base-10 logarithm, clamped and scaled by `(x + 4) / 4`.
    The transform skips the padding, because the result for a frame of zeros is known. Raises ValueError if the audio
    is longer than `length_samples`.
    """
    if len(samples) > length_samples:
        raise ValueError(f"the sound has {len(samples)} samples; at most {length_samples} fit")
    n_frames = length_samples // HOP_SAMPLES
    half = WINDOW_SAMPLES // 2
    sounding = min(n_frames, -(-(len(samples) + half) // HOP_SAMPLES))
    padded = np.zeros(sounding * HOP_SAMPLES + WINDOW_SAMPLES, dtype=np.float32)
    padded[half : half + len(samples)] = samples
    padded[:half] = padded[half + 1 : WINDOW_SAMPLES + 1][::-1]
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW_SAMPLES)[::HOP_SAMPLES][:sounding]
    spectrum = np.fft.rfft(frames * _hann_window(), axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    mel = np.full((n_mels, n_frames), _FLOOR, dtype=np.float32)
    mel[:, :sounding] = _mel_filters(n_mels) @ power.T
    log = np.log10(np.maximum(mel, np.float32(_FLOOR)))
    return np.asarray((np.maximum(log, log.max() - _RANGE) + 4.0) / 4.0, dtype=np.float32)


@cache
def _hann_window() -> Samples:
    phase = 2 * np.pi * np.arange(WINDOW_SAMPLES) / WINDOW_SAMPLES
    return (0.5 - 0.5 * np.cos(phase)).astype(np.float32)


@cache
def _mel_filters(n_mels: int) -> NDArray[np.float32]:
    """Return the triangles `float32[n_mels, 201]` from 0 to 8 kHz, each of unit area (Slaney)."""
    bins_hz = np.fft.rfftfreq(WINDOW_SAMPLES, 1 / SAMPLE_RATE)
    corners_hz = _mel_to_hz(np.linspace(0.0, _hz_to_mel(SAMPLE_RATE / 2), n_mels + 2))
    widths = np.diff(corners_hz)
    slopes = corners_hz[:, None] - bins_hz[None, :]
    rising = -slopes[:-2] / widths[:-1, None]
    falling = slopes[2:] / widths[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    area = 2.0 / (corners_hz[2:] - corners_hz[:-2])
    return (triangles * area[:, None]).astype(np.float32)


# Slaney's Auditory Toolbox: linear below 1 kHz (15 mel), then 27 steps for every factor of 6.4.
_LINEAR_HZ = 200.0 / 3.0
_LOG_FROM_HZ = 1000.0
_LOG_FROM_MEL = _LOG_FROM_HZ / _LINEAR_HZ
_LOG_STEP = np.log(6.4) / 27.0


def _hz_to_mel(hz: float) -> float:
    return float(_LOG_FROM_MEL + np.log(hz / _LOG_FROM_HZ) / _LOG_STEP)


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    logarithmic = _LOG_FROM_HZ * np.exp(_LOG_STEP * (mel - _LOG_FROM_MEL))
    return np.where(mel < _LOG_FROM_MEL, mel * _LINEAR_HZ, logarithmic)
