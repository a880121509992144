"""Synthetic sounds without speech: noise, tones, music, machines, typing and wind."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vad import SAMPLE_RATE

Sound = NDArray[np.float32]
_Wave = NDArray[np.floating]
_SEED = 11


def nonspeech(name: str, seconds: float) -> Sound:
    """Return one of `NONSPEECH`, `float32[seconds * 16000]` in [-1, 1); the same at every call."""
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    sound = _SOUNDS[name](np.random.default_rng(_SEED), time)
    return np.clip(sound, -1, 1 - 2**-15).astype(np.float32)


def pcm_of(sound: Sound) -> bytes:
    """Return the sound as `int16[n_samples]`."""
    return (sound * 32768).astype("<i2").tobytes()


def _colored(random: np.random.Generator, time: _Wave, slope: float, level: float) -> _Wave:
    """Return noise whose power is proportional to `frequency ** -slope`."""
    return _shaped(random, time, lambda hz: np.maximum(hz, 20.0) ** (-slope / 2), level)


def _band(random: np.random.Generator, time: _Wave, low_hz: float, high_hz: float, level: float) -> _Wave:
    return _shaped(random, time, lambda hz: ((hz >= low_hz) & (hz <= high_hz)).astype(float), level)


def _shaped(random: np.random.Generator, time: _Wave, gain: Callable[[_Wave], _Wave], level: float) -> _Wave:
    n = len(time)
    spectrum = np.fft.rfft(random.standard_normal(n)) * gain(np.fft.rfftfreq(n, 1 / SAMPLE_RATE))
    wave = np.fft.irfft(spectrum, n)
    return np.asarray(level * wave / np.sqrt(np.mean(wave**2)))


def _harmonics(time: _Wave, hz: float, count: int) -> _Wave:
    return np.asarray(sum(np.sin(2 * np.pi * hz * k * time) / k for k in range(1, count + 1)))


def _notes(time: _Wave, seconds: float, chords: list[tuple[int, ...]]) -> _Wave:
    """Return plucked strings, one chord after the other."""
    wave = np.zeros_like(time)
    number = (time // seconds).astype(int) % len(chords)
    fading = np.exp(-3 * (time % seconds) / seconds)
    for index, chord in enumerate(chords):
        for hz in chord:
            wave += np.where(number == index, 0.15 * _harmonics(time, hz, 4) * fading, 0)
    return wave


def _drums(random: np.random.Generator, time: _Wave) -> _Wave:
    beat = time % 0.5
    kick = np.sin(2 * np.pi * 60 * beat) * np.exp(-beat * 20)
    snare = random.standard_normal(len(time)) * np.exp(-((time + 0.25) % 0.5) * 30)
    return np.asarray(0.4 * kick + 0.1 * snare)


def _clicks(random: np.random.Generator, time: _Wave, per_second: float, seconds: float, level: float) -> _Wave:
    """Return short bursts of noise at random times, of random level and colour."""
    n = len(time)
    wave = np.zeros(n)
    length = int(seconds * SAMPLE_RATE)
    for start in random.integers(0, max(1, n - length), int(per_second * n / SAMPLE_RATE)):
        burst = random.standard_normal(length) * np.exp(-np.linspace(0, 5, length))
        burst = np.convolve(burst, np.full(random.integers(1, 8), 1.0), "same")[: n - start]
        wave[start : start + length] += level * random.uniform(0.2, 1.0) * burst
    return wave


def _keypad(time: _Wave) -> _Wave:
    """Return DTMF tones, five a second with gaps."""
    rows, columns = (697, 770, 852, 941), (1209, 1336, 1477)
    wave = np.zeros_like(time)
    number = (time // 0.2).astype(int)
    for key in range(12):
        pair = np.sin(2 * np.pi * rows[key % 4] * time) + np.sin(2 * np.pi * columns[key % 3] * time)
        wave += np.where((number * 5 % 12 == key) & (time % 0.2 < 0.1), 0.15 * pair, 0)
    return wave


def signal_tone(
    *hertz: float, on_seconds: float, off_seconds: float, seconds: float, modulation_hertz: float = 0.0
) -> Sound:
    """Return a signal tone of a telephone network with a cadence: `float32[seconds * 16000]`."""
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    wave = sum((np.sin(2 * np.pi * hz * time) for hz in hertz), np.zeros_like(time)) / len(hertz)
    wave *= 1 - 0.5 * (modulation_hertz > 0) * (1 + np.cos(2 * np.pi * modulation_hertz * time))
    return np.asarray(0.2 * wave * (time % (on_seconds + off_seconds) < on_seconds), dtype=np.float32)


_SOUNDS: dict[str, Callable[[np.random.Generator, _Wave], _Wave]] = {
    "silence": lambda _, time: np.zeros(len(time)),
    "faint white noise": lambda r, time: _colored(r, time, 0.0, 0.0005),
    "white noise": lambda r, time: _colored(r, time, 0.0, 0.01),
    "loud white noise": lambda r, time: _colored(r, time, 0.0, 0.2),
    "faint pink noise": lambda r, time: _colored(r, time, 1.0, 0.002),
    "pink noise": lambda r, time: _colored(r, time, 1.0, 0.1),
    "brown noise": lambda r, time: _colored(r, time, 2.0, 0.1),
    "rumble": lambda r, time: _band(r, time, 15, 90, 0.2),
    "hum": lambda r, time: 0.1 * _harmonics(time, 50, 9) + _colored(r, time, 0.0, 0.001),
    "low tone": lambda _, time: 0.3 * np.sin(2 * np.pi * 220 * time),
    "tone": lambda _, time: 0.3 * np.sin(2 * np.pi * 1000 * time),
    "chords": lambda _, time: _notes(time, 1.2, [(262, 330, 392), (220, 262, 330), (175, 220, 262), (196, 247, 294)]),
    "arpeggio": lambda _, time: _notes(time, 0.2, [(262,), (330,), (392,), (523,), (392,), (330,)]),
    "vibrato": lambda _, time: 0.2 * _harmonics(time + 0.0005 * np.sin(2 * np.pi * 5.5 * time), 440, 6),
    "drums": _drums,
    "typing": lambda r, time: _clicks(r, time, 6.0, 0.015, 0.3),
    "applause": lambda r, time: _clicks(r, time, 120.0, 0.01, 0.15),
    "breathing": lambda r, time: _band(r, time, 300, 3000, 0.03) * np.maximum(0, np.sin(2 * np.pi * 0.3 * time)) ** 2,
    "wind": lambda r, time: _band(r, time, 20, 500, 0.2) * (0.3 + np.abs(np.sin(1.3 * time) * np.sin(3.1 * time))),
    "keypad": lambda _, time: _keypad(time),
    "ringing": lambda _, time: signal_tone(425, on_seconds=1.0, off_seconds=4.0, seconds=len(time) / SAMPLE_RATE),
    "busy": lambda _, time: signal_tone(480, 620, on_seconds=0.5, off_seconds=0.5, seconds=len(time) / SAMPLE_RATE),
    "clipped noise": lambda r, time: np.clip(_colored(r, time, 0.0, 1.0), -0.3, 0.3),
    "fan": lambda r, time: _band(r, time, 60, 2000, 0.08) * (1 + 0.5 * np.sin(2 * np.pi * 7 * time)),
    "engine": lambda r, time: (
        0.15 * _harmonics(time + 0.01 * np.sin(2 * np.pi * 0.2 * time), 85, 20) + _colored(r, time, 1.0, 0.02)
    ),
    "siren": lambda _, time: 0.2 * np.sin(2 * np.pi * (900 * time - 300 / np.pi * np.cos(np.pi * time))),
}
NONSPEECH = tuple(_SOUNDS)
