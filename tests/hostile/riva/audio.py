"""Audio whose samples carry word numbers, and a reader for any cut of it.

Word n takes 250 ms at 16 kHz: 50 ms of zeros, 2,399 marked samples, 50 ms of zeros. A marked sample is the
number above a floor; its sign follows a square wave of 160 Hz, which WebRTC's detector takes for speech. A word is read
if more than half of its marked samples are there: their count is odd, so a cut gives each word to exactly one side.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vad import FRAME_SAMPLES, SAMPLE_BYTES, SAMPLE_RATE

WORD_SAMPLES = SAMPLE_RATE // 4
MARK_START = SAMPLE_RATE // 20
MARK_SAMPLES = 2_399
LEAST_READ_SAMPLES = MARK_SAMPLES // 2 + 1
PAUSE_MS = 800
_FLOOR = 1_000
MOST_NUMBERS = 32_768 - _FLOOR
_HALF_WAVE_SAMPLES = 50
_BLOCK_BYTES = 1 << 20
_WAVE = np.where(np.arange(MARK_SAMPLES) // _HALF_WAVE_SAMPLES % 2 == 0, 1, -1).astype("<i2")
_SPOKEN = re.compile(r"\bw(\d+)\b", re.IGNORECASE)


class NumberedWord(NamedTuple):
    """A word and the span of its marked samples, counted from the first sample of the reader."""

    number: int
    start: int
    end: int


def silence(milliseconds: int) -> bytes:
    """Return zeros."""
    return bytes(milliseconds * SAMPLE_RATE // 1000 * SAMPLE_BYTES)


def numbered_speech(groups: Sequence[int], first: int = 0, *, pause_ms: int = PAUSE_MS) -> bytes:
    """Return groups of so many words, numbered from `first`, with pauses between the groups but not at the ends.

    Raises ValueError for a number that does not fit: there are 31,768, more than two hours of speech.
    """
    if first < 0 or first + sum(groups) > MOST_NUMBERS:
        raise ValueError(f"words {first} to {first + sum(groups) - 1} do not fit; there are {MOST_NUMBERS}")
    spoken, number = [], first
    for count in groups:
        spoken.append(b"".join(_word(n) for n in range(number, number + count)))
        number += count
    return silence(pause_ms).join(spoken)


def read_words(pcm: bytes) -> list[NumberedWord]:
    """Read the words in any cut of numbered audio; half a sample at its end is dropped."""
    reader = WordReader()
    audio = memoryview(pcm)[: len(pcm) // SAMPLE_BYTES * SAMPLE_BYTES]
    for start in range(0, len(audio), _BLOCK_BYTES):
        reader.push(audio[start : start + _BLOCK_BYTES])
    return reader.words


def spoken_numbers(text: str) -> list[int]:
    """The numbers in a transcript such as `w12 w13`, whatever its punctuation."""
    return [int(number) for number in _SPOKEN.findall(text)]


class WordReader:
    """Reads words from audio in pieces; the result does not depend on the cuts."""

    def __init__(self) -> None:
        self.position = 0
        self._closed: list[NumberedWord] = []
        self._open: _Piece | None = None

    @property
    def words(self) -> list[NumberedWord]:
        """All words so far; a word is there as soon as more than half of it was read."""
        return self.words_from(0)

    def words_from(self, index: int) -> list[NumberedWord]:
        """The words from this index of `words` on."""
        words = self._closed[index:]
        if self._open and self._open.samples >= LEAST_READ_SAMPLES and index <= len(self._closed):
            words.append(self._open.word)
        return words

    @property
    def speech_end(self) -> int:
        """The end of the last marked sample so far."""
        return self._open.end if self._open else 0

    def push(self, pcm: bytes | memoryview) -> None:
        """Take the next whole samples, `int16[n_samples]`."""
        for number, start, end in _marked_runs(np.frombuffer(pcm, "<i2")):
            self._take(number, self.position + start, self.position + end)
        self.position += len(pcm) // SAMPLE_BYTES

    def _take(self, number: int, start: int, end: int) -> None:
        while start < end:
            piece = self._open
            if piece is None or piece.number != number or start >= piece.start + MARK_SAMPLES:
                if piece and piece.samples >= LEAST_READ_SAMPLES:
                    self._closed.append(piece.word)
                self._open = piece = _Piece(number=number, start=start)
            piece.end = min(end, piece.start + MARK_SAMPLES)
            piece.samples += piece.end - start
            start = piece.end


class NumberedClassifier:
    """Classifies frames with marked samples as speech, whatever its parameters are."""

    def __init__(self, kind: str = "webrtc", aggressiveness: int = 3) -> None:
        self.kind = kind
        self.aggressiveness = aggressiveness

    def classify(self, frames: bytes) -> bytes:
        samples = np.frombuffer(frames, "<i2").reshape(-1, FRAME_SAMPLES)
        return bytes(np.any(np.abs(samples.astype(np.int32)) >= _FLOOR, axis=1).tolist())


@dataclass(slots=True, kw_only=True)
class _Piece:
    """The part of one word that was read; gaps are not counted in `samples`."""

    number: int
    start: int
    end: int = 0
    samples: int = 0

    @property
    def word(self) -> NumberedWord:
        return NumberedWord(self.number, self.start, self.end)


def _word(number: int) -> bytes:
    samples = np.zeros(WORD_SAMPLES, "<i2")
    samples[MARK_START : MARK_START + MARK_SAMPLES] = _WAVE * np.int16(_FLOOR + number)
    return samples.tobytes()


def _marked_runs(samples: npt.NDArray[np.int16]) -> Iterator[tuple[int, int, int]]:
    """Yield number, start and end of every run of samples that carry one number."""
    numbers = np.maximum(np.abs(samples.astype(np.int32)) - _FLOOR, -1)
    edges = np.concatenate(([0], np.flatnonzero(np.diff(numbers)) + 1, [len(numbers)])).tolist()
    for start, end in itertools.pairwise(edges):
        if start < end and (number := int(numbers[start])) >= 0:
            yield number, start, end
