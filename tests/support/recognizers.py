"""Recognizers for tests, whose results depend on the samples alone."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from stream.recognition.languages import matching_language
from stream.recognition.recognizer import (
    Capacity,
    LanguageNotServedError,
    RecognizerError,
    RecognizerFullError,
    ServerStatus,
)
from stream.session.events import Alternative, Hypothesis, RecognitionOptions, Word
from stream.waiting import Changes
from vad import SAMPLE_BYTES, SAMPLE_RATE

# One word for each of these spans, named by its number.
WORD_SAMPLES = SAMPLE_RATE // 4


def counted(samples: int, *, is_final: bool) -> Hypothesis:
    """Return the hypothesis after so many samples: `w0 w1 ...`, with times if it is final."""
    words = tuple(
        Word(f"w{n}", n * WORD_SAMPLES, (n + 1) * WORD_SAMPLES, 0.5) if is_final else Word(f"w{n}")
        for n in range(samples // WORD_SAMPLES)
    )
    return Hypothesis((Alternative(words, 0.5 if is_final else 0.0),), is_final=is_final, processed=samples)


class CountingStream:
    """Recognizes a further word with each quarter of a second of audio."""

    def __init__(self, options: RecognitionOptions) -> None:
        self.options = options
        self.pcm = b""
        self.is_abandoned = self.is_stalled = False
        self._changed = asyncio.Event()
        self._is_finished = False

    async def send(self, pcm: bytes) -> None:
        self.pcm += pcm
        self._changed.set()

    async def force_endpoint(self) -> None:
        """Ignore it."""

    async def finish(self) -> None:
        self._is_finished = True
        self._changed.set()

    async def hypotheses(self) -> AsyncIterator[Hypothesis]:
        yielded = 0
        while not self._is_finished:
            await self._changed.wait()
            self._changed.clear()
            received = len(self.pcm) // SAMPLE_BYTES // WORD_SAMPLES
            for words in range(yielded + 1, received + 1):
                yield counted(words * WORD_SAMPLES, is_final=False)
            yielded = received
        yield counted(len(self.pcm) // SAMPLE_BYTES, is_final=True)

    async def abandon(self, *, is_stalled: bool = False) -> None:
        self.is_abandoned = True
        self.is_stalled = is_stalled


class FailingStream(CountingStream):
    """Fails permanently after the first audio."""

    async def hypotheses(self) -> AsyncIterator[Hypothesis]:
        await self._changed.wait()
        yield counted(2 * WORD_SAMPLES, is_final=False)
        raise RecognizerError("PERMISSION_DENIED: no", retryable=False)


class MuteStream(CountingStream):
    """Accepts all audio and never yields a hypothesis."""

    async def hypotheses(self) -> AsyncIterator[Hypothesis]:
        await asyncio.Event().wait()
        yield Hypothesis()


@dataclass(kw_only=True)
class ScriptedRecognizer:
    """Opens the kinds of streams of its script in turn, then the last one again and again."""

    script: list[Callable[[RecognitionOptions], CountingStream]] = field(default_factory=lambda: [CountingStream])
    languages: tuple[str, ...] = ("en-US",)
    changes: Changes = field(default_factory=Changes)
    is_ready: bool = True
    most_phrases: int = 500
    tells_speakers: bool = False
    streams: list[CountingStream] = field(default_factory=list)
    # If set, no session is admitted.
    full: RecognizerFullError | None = None
    # The owners of the sessions that are admitted now.
    admitted_owners: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def admitted(self, _options: RecognitionOptions, owner: str = "") -> AsyncIterator[None]:
        if self.full is not None:
            raise self.full
        self.admitted_owners.append(owner)
        try:
            yield
        finally:
            self.admitted_owners.remove(owner)

    @property
    def servers(self) -> tuple[ServerStatus, ...]:
        return ()

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name == "is_ready":
            self.changes.signal()

    async def ready(self) -> None:
        await self.changes.wait_until(lambda: self.is_ready)

    async def capacity(self) -> Capacity:
        taken = len(self.admitted_owners)
        return Capacity(None, taken) if self.full is None else Capacity(taken, taken, 0)

    def match_language(self, language_code: str) -> str:
        match = matching_language(language_code, self.languages)
        if match is None:
            raise LanguageNotServedError(language_code, self.languages)
        return match

    def forces_endpoints(self, _asr_model: str) -> bool:
        return False

    async def open(self, options: RecognitionOptions) -> CountingStream:
        kind = self.script[min(len(self.streams), len(self.script) - 1)]
        stream = kind(options)
        self.streams.append(stream)
        return stream


class FloodingStream(CountingStream):
    """Yields hypotheses of two megabytes, finals included."""

    async def hypotheses(self) -> AsyncIterator[Hypothesis]:
        async for hypothesis in super().hypotheses():
            # A gRPC stream waits for each message, too.
            await asyncio.sleep(0)
            flood = tuple(Word("flood" * 2000, 0, 1) for _ in range(200))
            yield replace(hypothesis, alternatives=(Alternative(flood),))
