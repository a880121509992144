"""The clips of a bench: audio, reference, the span of speech, and added noise."""

import csv
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vad import SAMPLE_RATE

_FRAME_SAMPLES = SAMPLE_RATE // 100
# A 10 ms frame belongs to the speech when it is within 40 dB of the clip's loudest.
_SPEECH_RANGE = 10 ** (-40 / 20)


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording, `int16[n_samples]` at 16 kHz mono; speech positions are seconds."""

    name: str
    pcm: bytes
    reference: str

    @property
    def seconds(self) -> float:
        return len(self.pcm) / 2 / SAMPLE_RATE

    def speech_span(self) -> tuple[float, float]:
        """Seconds at which the first speech frame begins and the last one ends."""
        samples = np.frombuffer(self.pcm, dtype="<i2").astype(np.float64)
        frames = samples[: len(samples) // _FRAME_SAMPLES * _FRAME_SAMPLES].reshape(-1, _FRAME_SAMPLES)
        peaks = np.abs(frames).max(axis=1)
        loud = np.flatnonzero(peaks >= peaks.max() * _SPEECH_RANGE)
        return loud[0] / 100, (loud[-1] + 1) / 100


def load_clips(directory: Path) -> list[Clip]:
    """Read a directory's `manifest.tsv`: columns `file` and `reference` or `text`."""
    with (directory / "manifest.tsv").open(encoding="utf-8") as manifest:
        rows = list(csv.DictReader(manifest, delimiter="\t"))
    return [_load(directory / row["file"], row.get("reference") or row["text"]) for row in rows]


def in_noise(samples: NDArray[np.float32], noise_db: float, seed: int) -> NDArray[np.float32]:
    """Return `float32[n_samples]` in white noise so far below them."""
    level = float(np.sqrt(np.mean(samples**2))) * 10 ** (-noise_db / 20)
    noise = level * np.random.default_rng(seed).standard_normal(len(samples))
    return (samples + noise).astype(np.float32)


def _load(path: Path, reference: str) -> Clip:
    with wave.open(str(path)) as recording:
        shape = recording.getframerate(), recording.getnchannels(), recording.getsampwidth()
        if shape != (SAMPLE_RATE, 1, 2):
            raise SystemExit(f"{path} has rate, channels and sample bytes {shape}; they must be (16000, 1, 2)")
        return Clip(path.name, recording.readframes(recording.getnframes()), reference)
