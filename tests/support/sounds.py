"""Audio for tests: committed clips, marked frames, and samples that carry their own position."""

import csv
import io
import wave
from itertools import cycle

import numpy as np
from whisper_normalizer.english import EnglishTextNormalizer

from tests.support.places import CLIPS
from vad import FRAME_BYTES, FRAME_SAMPLES

_normalize = EnglishTextNormalizer()
SPEECH_FRAME = b"\x01\x00" * FRAME_SAMPLES
SILENT_FRAME = bytes(FRAME_BYTES)


def clip_pcm(name: str) -> bytes:
    """Return the samples of a committed clip, `int16[n_samples]` at 16 kHz."""
    with wave.open(str(CLIPS / name)) as clip:
        assert (clip.getframerate(), clip.getnchannels(), clip.getsampwidth()) == (16000, 1, 2)
        pcm: bytes = clip.readframes(clip.getnframes())
        return pcm


def wav(pcm: bytes, rate: int = 16_000, channels: int = 1) -> bytes:
    """Return a WAV file of interleaved `int16[n_frames * channels]`."""
    file = io.BytesIO()
    with wave.open(file, "wb") as clip:
        clip.setparams((channels, 2, rate, 0, "NONE", ""))
        clip.writeframes(pcm)
    return file.getvalue()


def cut(data: bytes, *sizes: int) -> list[bytes]:
    """Cut into pieces of these sizes, repeatedly."""
    pieces: list[bytes] = []
    start = 0
    for size in cycle(sizes):
        if start >= len(data):
            return pieces
        pieces.append(data[start : start + size])
        start += size
    return pieces


def clip_texts() -> dict[str, str]:
    """Return the texts of all committed clips by file name."""
    with (CLIPS / "manifest.tsv").open(encoding="utf-8") as manifest:
        return {row["file"]: row["text"] for row in csv.DictReader(manifest, delimiter="\t")}


def words_of(text: str) -> list[str]:
    """Return the words, normalized for case, punctuation and spelling: `four` and `4`, `harbour` and `harbor`."""
    normalized: str = _normalize(text)
    return normalized.split()


class MarkedClassifier:
    """Classifies frames whose first sample is odd as speech, whatever its parameters are."""

    def __init__(self, kind: str = "webrtc", aggressiveness: int = 3) -> None:
        self.kind = kind
        self.aggressiveness = aggressiveness

    def classify(self, frames: bytes) -> bytes:
        return bytes(first % 2 for first in frames[::FRAME_BYTES])


def numbered_pcm(pattern: list[tuple[bool, int]]) -> bytes:
    """Return samples that carry their frame number, and in the lowest bit whether the frame is speech.

    `pattern` lists (is_speech, frames); there may be up to 16,000 frames.
    """
    frames = [is_speech for is_speech, count in pattern for _ in range(count)]
    assert len(frames) < 1 << 14
    return b"".join(
        ((number << 1) | is_speech).to_bytes(2, "little") * FRAME_SAMPLES for number, is_speech in enumerate(frames)
    )


def frame_numbers(pcm: bytes) -> list[int]:
    """Read the frame numbers of numbered samples, one for each complete or incomplete frame."""
    numbers = np.frombuffer(pcm, "<i2") >> 1
    changes = np.flatnonzero(np.diff(numbers, prepend=-1))
    return [int(number) for number in numbers[changes]]
