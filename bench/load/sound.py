"""What the streams of a load say: clips with their texts, or synthetic speech, in chunks of 100 ms."""

import csv
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vad import SAMPLE_BYTES, SAMPLE_RATE

CHUNK_SECONDS = 0.1
CHUNK_BYTES = int(SAMPLE_RATE * CHUNK_SECONDS) * SAMPLE_BYTES
_SYNTHETIC_SECONDS = 4.0
_PAUSE_SECONDS = 1.0


class SoundError(Exception):
    """The sound cannot be read; `str()` says why."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A sound in chunks, `int16[1600]` each, and its text, empty if it is not known."""

    chunks: tuple[bytes, ...]
    text: str = ""

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.chunks) * CHUNK_SECONDS


def synthetic(*, is_half_silent: bool) -> tuple[Clip, ...]:
    """Return four seconds that every detector takes for speech without a pause, and as many of silence if wanted.

    A voiced sound: harmonics of a gliding pitch with the resonances of a vowel, whose loudness follows syllables.
    """
    times = np.arange(int(_SYNTHETIC_SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    pitch_hz = 120 + 20 * np.sin(2 * np.pi * 0.5 * times)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE
    sound = np.zeros_like(times)
    for harmonic in range(1, 30):
        hz = 120 * harmonic
        gain = sum(np.exp(-(((hz - formant_hz) / 150) ** 2)) for formant_hz in (500, 1500, 2500)) + 0.05
        sound += gain * np.sin(harmonic * phase)
    sound *= 0.9 + 0.1 * np.sin(2 * np.pi * 4 * times)
    pcm = (8000 * sound / np.abs(sound).max()).astype("<i2").tobytes()
    return (_clip(pcm + (bytes(len(pcm)) if is_half_silent else b"")),)


def clips_in(directory: Path, *, is_half_silent: bool) -> tuple[Clip, ...]:
    """Read the WAV files that `manifest.tsv` names (columns `file`, and `text` or `reference`), or all of a directory.

    A second of silence follows each clip, or as much as the clip lasts. Raises SoundError.
    """
    try:
        clips = [_read(path, text, is_half_silent=is_half_silent) for path, text in _listed(directory)]
    except (OSError, EOFError, wave.Error, KeyError, UnicodeDecodeError) as error:
        raise SoundError(f"{directory} has no clips that can be read: {error}") from error
    if not clips:
        raise SoundError(f"{directory} has no WAV files; it needs some of 16 kHz, mono and 16 bits")
    return tuple(clips)


def _listed(directory: Path) -> Sequence[tuple[Path, str]]:
    manifest = directory / "manifest.tsv"
    if not manifest.exists():
        return [(path, "") for path in sorted(directory.glob("*.wav"))]
    with manifest.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [(directory / row["file"], row.get("text") or row.get("reference") or "") for row in rows]


def _read(path: Path, text: str, *, is_half_silent: bool) -> Clip:
    with wave.open(str(path)) as recording:
        shape = recording.getframerate(), recording.getnchannels(), recording.getsampwidth()
        if shape != (SAMPLE_RATE, 1, SAMPLE_BYTES):
            raise SoundError(f"{path} has the rate, channels and sample bytes {shape}; they must be (16000, 1, 2)")
        pcm = recording.readframes(recording.getnframes())
    silence = len(pcm) if is_half_silent else int(_PAUSE_SECONDS * SAMPLE_RATE) * SAMPLE_BYTES
    return _clip(pcm + bytes(silence), text)


def _clip(pcm: bytes, text: str = "") -> Clip:
    whole = pcm + bytes(-len(pcm) % CHUNK_BYTES)
    return Clip(tuple(whole[start : start + CHUNK_BYTES] for start in range(0, len(whole), CHUNK_BYTES)), text)
