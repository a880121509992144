"""Owns the honest recognition of one stream of numbered audio: interims as it goes, finals at pauses and the end."""

import math
from dataclasses import dataclass

from tests.hostile.riva.audio import Ear, HeardWord
from vad import SAMPLE_BYTES


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of the unsettled words after `position` samples of the stream; a final settles them."""

    words: tuple[HeardWord, ...]
    position: int
    is_final: bool


class Recognition:
    """Hears one stream; `stop_samples` of silence settle what was said, `interim_samples` of audio bring an interim.

    What it says depends on the samples and not on how they were cut into messages.
    """

    def __init__(
        self, stop_samples: float = math.inf, interim_samples: float = math.inf, ear: Ear | None = None
    ) -> None:
        self.ear = ear or Ear()
        self._stop_samples = stop_samples
        self._interim_samples = interim_samples
        self._next_interim = interim_samples
        self._settled = 0
        self._has_settled = False
        self._rest = b""

    def hear(self, pcm: bytes) -> list[Told]:
        """Hear the next audio, which may end inside a sample."""
        pcm = self._rest + pcm
        whole_bytes = len(pcm) // SAMPLE_BYTES * SAMPLE_BYTES
        self._rest = pcm[whole_bytes:]
        audio = memoryview(pcm)[:whole_bytes]
        told: list[Told] = []
        while audio:
            # No pause can be complete and no interim due before this sample.
            due = min(self._pause_end(), self._next_interim, self.ear.position + len(audio) // SAMPLE_BYTES)
            piece_bytes = int(due - self.ear.position) * SAMPLE_BYTES
            self.ear.hear(audio[:piece_bytes])
            audio = audio[piece_bytes:]
            told += self._due()
        return told

    def settle(self) -> list[Told]:
        """Settle what was said, if anything; the stream goes on."""
        words = self.ear.words_from(self._settled)
        if not words:
            return []
        self._settled += len(words)
        self._has_settled = True
        return [Told(tuple(words), self.ear.position, is_final=True)]

    def finish(self) -> list[Told]:
        """Settle the rest; a stream in which nothing was said gets an empty final, one without audio none."""
        if told := self.settle():
            return told
        return [] if self._has_settled or not self.ear.position else [Told((), self.ear.position, is_final=True)]

    def _pause_end(self) -> float:
        """Where the pause after the unsettled words will be complete; before there are any, the earliest it can be."""
        begin = self.ear.speech_end if self.ear.words_from(self._settled) else self.ear.position
        return begin + self._stop_samples

    def _due(self) -> list[Told]:
        is_interim_due = self.ear.position >= self._next_interim
        if is_interim_due:
            self._next_interim += self._interim_samples
        if self.ear.position >= self._pause_end():
            return self.settle()
        if is_interim_due:
            return [Told(tuple(self.ear.words_from(self._settled)), self.ear.position, is_final=False)]
        return []
