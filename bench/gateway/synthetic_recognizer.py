"""A recognizer that produces the text of an hour in minutes, whatever its audio is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass

from stream.recognition.recognizer import Capacity, ServerStatus
from stream.session.events import Alternative, Hypothesis, RecognitionOptions, Word
from vad import SAMPLE_BYTES

# Read English: 150 words a minute, in lines of 12, each shown in as many states as it has words.
LINE = ["fishing", "boats", "left", "the", "harbor", "before", "the", "sun", "came", "up", "over", "it"]
WORD_SECONDS = 0.4


@dataclass(slots=True, kw_only=True)
class SyntheticRecognizer:
    """Produces a line of text every 4.8 s of its own time, which passes `pace` times as fast as the clock."""

    pace: float
    is_ready: bool = True
    most_phrases: int = 500
    tells_speakers: bool = False
    languages: tuple[str, ...] = ("en-US",)

    @property
    def servers(self) -> tuple[ServerStatus, ...]:
        """Return no servers: it is one itself."""
        return ()

    async def ready(self) -> None:
        """Return at once."""

    def match_language(self, language_code: str) -> str:
        """Return the only language there is."""
        return self.languages[0]

    def forces_endpoints(self, _asr_model: str) -> bool:
        return False

    def admitted(self, _options: RecognitionOptions, owner: str = "") -> AbstractAsyncContextManager[None]:
        """Admit every session, whoever its `owner` is."""
        del owner
        return nullcontext()

    async def capacity(self) -> Capacity:
        """Return no limit."""
        return Capacity()

    async def open(self, options: RecognitionOptions) -> "SyntheticStream":
        """Begin a stream."""
        return SyntheticStream(WORD_SECONDS / self.pace)


class SyntheticStream:
    """One stream; its time follows the audio, so that word times stay within it."""

    def __init__(self, word_seconds: float) -> None:
        self._word_seconds = word_seconds
        self._received_samples = 0
        self._is_finished = asyncio.Event()

    async def send(self, pcm: bytes) -> None:
        """Count the audio."""
        self._received_samples += len(pcm) // SAMPLE_BYTES

    async def force_endpoint(self) -> None:
        """Ignore it."""

    async def finish(self) -> None:
        """End after the line."""
        self._is_finished.set()

    async def hypotheses(self) -> AsyncIterator[Hypothesis]:
        """Yield line after line."""
        settled = 0
        while not self._is_finished.is_set():
            for n_words in range(1, len(LINE) + 1):
                await asyncio.sleep(self._word_seconds)
                if self._received_samples > settled:
                    yield self._hypothesis(LINE[:n_words], settled, is_final=False)
            await asyncio.sleep(self._word_seconds)
            if self._received_samples > settled:
                yield self._hypothesis(LINE, settled, is_final=True)
                settled = self._received_samples

    async def abandon(self, *, is_stalled: bool = False) -> None:
        """Stop."""
        self._is_finished.set()

    def _hypothesis(self, texts: list[str], begin: int, *, is_final: bool) -> Hypothesis:
        each = (self._received_samples - begin) // len(texts)
        words = tuple(
            Word(text, begin + n * each, begin + (n + 1) * each, 0.9) if is_final else Word(text)
            for n, text in enumerate(texts)
        )
        stable = max(len(texts) - 3, 0)
        return Hypothesis(
            (Alternative(words, 0.9 if is_final else 0.0),),
            is_final=is_final,
            is_segment_final=is_final and not self._is_finished.is_set(),
            stable_words=stable,
            processed=self._received_samples,
        )


def lines_in(minutes: float) -> int:
    """Return how many lines there are in so many minutes of its own time."""
    return int(60 * minutes / (WORD_SECONDS * (len(LINE) + 1)))
