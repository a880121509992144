"""Owns the recognition of one stream: its audio goes up, its hypotheses come back."""

import asyncio
import contextlib
from collections.abc import Callable

from stream.events import HypothesisReceived, Latency, OpenStream, RecognitionFailed
from stream.recognizer import RecognitionStream, Recognizer, RecognizerError
from vad import SAMPLE_BYTES, SAMPLE_RATE

# Sending less at a time costs more in messages than it gains in delay; more helps nobody.
_LEAST_SEND_BYTES = SAMPLE_RATE // 20 * SAMPLE_BYTES
_MOST_SEND_BYTES = SAMPLE_RATE * SAMPLE_BYTES
_OPEN_SECONDS = 10.0
# More than the longest utterance.
MOST_UNSENT_BYTES = 32 * SAMPLE_RATE * SAMPLE_BYTES


class Recognition:
    """Carries out the session's orders for one stream and reports what comes of it.

    `add` never waits: what is not sent yet is bounded by the longest utterance, 30 s or 960 kB, and with
    `vad=off` by the runner, which reads no more while `unsent_bytes` is past that. `sent` is called after
    each part that was sent.
    """

    def __init__(
        self,
        order: OpenStream,
        report: Callable[[HypothesisReceived | RecognitionFailed], None],
        sent: Callable[[], None],
        *,
        final_seconds: float,
    ) -> None:
        self._stream_id = order.stream_id
        self._options = order.options
        self._report = report
        self._sent = sent
        self._final_seconds = final_seconds
        self._pending = bytearray()
        self._pending_since = 0.0
        self._queue_seconds = 0.0
        self._sent_at = 0.0
        self._is_finished = False
        self._wake = asyncio.Event()
        self._watchdog = asyncio.timeout(None)

    @property
    def unsent_bytes(self) -> int:
        return len(self._pending)

    def add(self, pcm: bytes) -> None:
        """Queue the stream's next samples, `int16[n_samples]`."""
        if not self._pending:
            self._pending_since = _now()
        self._pending += pcm
        if len(self._pending) >= _LEAST_SEND_BYTES:
            self._wake.set()

    def finish(self) -> None:
        """No more audio follows; from now on the final hypothesis is due within `final_seconds`."""
        self._is_finished = True
        self._wake.set()

    async def run(self, recognizer: Recognizer) -> None:
        """See the stream through to its final hypothesis or its failure."""
        try:
            async with asyncio.timeout(_OPEN_SECONDS):
                stream = await recognizer.open(self._options)
            try:
                await self._converse(stream)
            finally:
                await stream.abandon()
        except* (RecognizerError, TimeoutError):
            self._report(RecognitionFailed(self._stream_id))

    async def _converse(self, stream: RecognitionStream) -> None:
        async with self._watchdog, asyncio.TaskGroup() as tasks:
            sender = tasks.create_task(self._send(stream))
            async for hypothesis in stream.hypotheses():
                latency = Latency(self._queue_seconds, _now() - self._sent_at if self._sent_at else 0.0)
                self._report(HypothesisReceived(self._stream_id, hypothesis, latency))
            sender.cancel()

    async def _send(self, stream: RecognitionStream) -> None:
        # A stream that has failed says so to the reader of its hypotheses.
        with contextlib.suppress(RecognizerError):
            while not self._is_finished or self._pending:
                await self._wake.wait()
                self._wake.clear()
                await self._send_pending(stream)
            self._watchdog.reschedule(_now() + self._final_seconds)
            self._sent_at = _now()
            await stream.finish()

    async def _send_pending(self, stream: RecognitionStream) -> None:
        while self._pending:
            pcm = bytes(self._pending[:_MOST_SEND_BYTES])
            del self._pending[: len(pcm)]
            self._queue_seconds = _now() - self._pending_since
            self._pending_since = self._sent_at = _now()
            await stream.send(pcm)
            self._sent()


def _now() -> float:
    return asyncio.get_running_loop().time()
