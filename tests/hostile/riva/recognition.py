"""Recognize one stream of numbered audio without faults: interims on the way, finals at pauses and at the end."""

import math
from dataclasses import dataclass

from tests.hostile.riva.audio import NumberedWord, WordReader
from vad import SAMPLE_BYTES


@dataclass(frozen=True, slots=True)
class Transcript:
    """The unsettled words after `position` samples of the stream; a final settles them."""

    words: tuple[NumberedWord, ...]
    position: int
    is_final: bool


class Recognition:
    """Recognizes one stream: a final after `stop_samples` of silence, an interim after each `interim_samples` of audio.

    The result depends on the samples, not on how they were cut into messages.
    """

    def __init__(
        self, stop_samples: float = math.inf, interim_samples: float = math.inf, reader: WordReader | None = None
    ) -> None:
        self.reader = reader or WordReader()
        self._stop_samples = stop_samples
        self._interim_samples = interim_samples
        self._next_interim = interim_samples
        self._settled = 0
        self._has_settled = False
        self._rest = b""

    def push(self, pcm: bytes) -> list[Transcript]:
        """Take the next audio, which may end inside a sample; return the transcripts that it completes."""
        pcm = self._rest + pcm
        whole_bytes = len(pcm) // SAMPLE_BYTES * SAMPLE_BYTES
        self._rest = pcm[whole_bytes:]
        audio = memoryview(pcm)[:whole_bytes]
        transcripts: list[Transcript] = []
        while audio:
            # No pause is complete and no interim is due before this sample.
            due = min(self._pause_end(), self._next_interim, self.reader.position + len(audio) // SAMPLE_BYTES)
            piece_bytes = int(due - self.reader.position) * SAMPLE_BYTES
            self.reader.push(audio[:piece_bytes])
            audio = audio[piece_bytes:]
            transcripts += self._due()
        return transcripts

    def settle(self) -> list[Transcript]:
        """Settle the words so far, if any; the stream goes on."""
        words = self.reader.words_from(self._settled)
        if not words:
            return []
        self._settled += len(words)
        self._has_settled = True
        return [Transcript(tuple(words), self.reader.position, is_final=True)]

    def finish(self) -> list[Transcript]:
        """Settle the rest; a stream without words gets an empty final, one without audio none."""
        if transcripts := self.settle():
            return transcripts
        if self._has_settled or not self.reader.position:
            return []
        return [Transcript((), self.reader.position, is_final=True)]

    def _pause_end(self) -> float:
        """Return the earliest end of the pause after the unsettled words, or after words that may follow."""
        begin = self.reader.speech_end if self.reader.words_from(self._settled) else self.reader.position
        return begin + self._stop_samples

    def _due(self) -> list[Transcript]:
        is_interim_due = self.reader.position >= self._next_interim
        if is_interim_due:
            self._next_interim += self._interim_samples
        if self.reader.position >= self._pause_end():
            return self.settle()
        if is_interim_due:
            return [Transcript(tuple(self.reader.words_from(self._settled)), self.reader.position, is_final=False)]
        return []
