"""Counts and traces the streams of any recognizer."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from stream.recognition.recognizer import (
    Acknowledged,
    Capacity,
    RecognitionStream,
    Recognizer,
    RecognizerError,
    RecognizerFullError,
    ServerStatus,
)
from stream.session.events import Hypothesis, RecognitionOptions
from web.observability.metrics import Metrics
from web.observability.tracing import Tracing


class CountedRecognizer:
    """A recognizer whose streams are counted and traced; everything else is the recognizer's own."""

    def __init__(self, recognizer: Recognizer, metrics: Metrics, tracing: Tracing) -> None:
        self._recognizer = recognizer
        self._metrics = metrics
        self._tracing = tracing

    @property
    def is_ready(self) -> bool:
        return self._recognizer.is_ready

    @property
    def most_phrases(self) -> int:
        return self._recognizer.most_phrases

    @property
    def tells_speakers(self) -> bool:
        return self._recognizer.tells_speakers

    @property
    def languages(self) -> tuple[str, ...]:
        return self._recognizer.languages

    @property
    def servers(self) -> Sequence[ServerStatus]:
        return self._recognizer.servers

    async def ready(self) -> None:
        await self._recognizer.ready()

    def match_language(self, language_code: str) -> str:
        return self._recognizer.match_language(language_code)

    def forces_endpoints(self, asr_model: str) -> bool:
        return self._recognizer.forces_endpoints(asr_model)

    @asynccontextmanager
    async def admitted(self, options: RecognitionOptions, owner: str = "") -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self._recognizer.admitted(options, owner))
            except RecognizerFullError as error:
                self._metrics.places_refused.labels(error.reason.value).inc()
                raise
            yield

    async def capacity(self) -> Capacity:
        return await self._recognizer.capacity()

    async def open(self, options: RecognitionOptions) -> RecognitionStream:
        self._tracing.begin_recognition()
        try:
            stream = await self._recognizer.open(options)
        except RecognizerError as error:
            self._failed("open", error)
            raise
        self._metrics.recognizer_streams.inc()
        # What nobody waits for says nothing about how fast words appear.
        is_timed = options.interim_results and not options.is_file
        return _CountedStream(stream, self._metrics, self._failed, is_timed=is_timed)

    def _failed(self, stage: str, error: RecognizerError) -> None:
        """Count what failed: a recognizer that is full has not."""
        if error.is_full:
            self._metrics.recognizer_held.inc()
        else:
            self._metrics.recognizer_failures.labels(stage).inc()


class _CountedStream:
    """A stream whose first text is timed, and whose failures are counted."""

    def __init__(
        self,
        stream: RecognitionStream,
        metrics: Metrics,
        failed: Callable[[str, RecognizerError], None],
        *,
        is_timed: bool,
    ) -> None:
        self._failed = failed
        self._stream = stream
        self._metrics = metrics
        self._began = asyncio.get_running_loop().time() if is_timed else None

    async def send(self, pcm: bytes) -> None:
        # Where this fails, the hypotheses say so, too.
        await self._stream.send(pcm)

    async def force_endpoint(self) -> None:
        await self._stream.force_endpoint()

    async def finish(self) -> None:
        await self._stream.finish()

    async def hypotheses(self) -> AsyncIterator[Hypothesis | Acknowledged]:
        try:
            async for hypothesis in self._stream.hypotheses():
                if self._began is not None and isinstance(hypothesis, Hypothesis) and hypothesis.best.words:
                    self._metrics.first_partial.observe(asyncio.get_running_loop().time() - self._began)
                    self._began = None
                yield hypothesis
        except RecognizerError as error:
            self._failed("stream", error)
            raise

    async def abandon(self, *, is_stalled: bool = False) -> None:
        if is_stalled:
            self._metrics.recognizer_failures.labels("stall").inc()
        await self._stream.abandon(is_stalled=is_stalled)
