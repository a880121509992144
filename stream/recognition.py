"""Owns the recognition of one utterance: its audio goes up a stream, its hypotheses come back."""

import asyncio
import contextlib
from collections.abc import Callable

from stream.events import HypothesisReceived, OpenStream, RecognitionFailed
from stream.recognizer import RecognitionStream, Recognizer, RecognizerError
from vad import SAMPLE_BYTES, SAMPLE_RATE

# Sending less at a time costs more in messages than it gains in delay; more helps nobody.
_LEAST_SEND_BYTES = SAMPLE_RATE // 20 * SAMPLE_BYTES
_MOST_SEND_BYTES = SAMPLE_RATE * SAMPLE_BYTES
_OPEN_SECONDS = 10.0


class Recognition:
    """Carries out the session's orders for one utterance and reports what comes of it.

    `add` never waits: what is not sent yet is bounded by the longest utterance, 30 s or 960 kB.
    """

    def __init__(
        self,
        order: OpenStream,
        report: Callable[[HypothesisReceived | RecognitionFailed], None],
        *,
        final_seconds: float,
    ) -> None:
        self._utterance_id = order.utterance_id
        self._options = order.options
        self._report = report
        self._final_seconds = final_seconds
        self._pending = bytearray()
        self._wake = asyncio.Event()
        self._finished_at: float | None = None
        self._watchdog = asyncio.timeout(None)

    def add(self, pcm: bytes) -> None:
        """Queue the utterance's next samples, `int16[n_samples]`."""
        self._pending += pcm
        if len(self._pending) >= _LEAST_SEND_BYTES:
            self._wake.set()

    def finish(self) -> None:
        """No more audio follows; from now on the final hypothesis is due within `final_seconds`."""
        self._finished_at = asyncio.get_running_loop().time()
        self._wake.set()

    async def run(self, recognizer: Recognizer) -> None:
        """See the utterance through to its final hypothesis or its failure."""
        try:
            async with asyncio.timeout(_OPEN_SECONDS):
                stream = await recognizer.open(self._options)
            try:
                await self._converse(stream)
            finally:
                await stream.abandon()
        except* (RecognizerError, TimeoutError):
            self._report(RecognitionFailed(self._utterance_id))

    async def _converse(self, stream: RecognitionStream) -> None:
        async with self._watchdog, asyncio.TaskGroup() as tasks:
            sender = tasks.create_task(self._send(stream))
            async for hypothesis in stream.hypotheses():
                waited = self._waited_seconds() if hypothesis.is_final else 0.0
                self._report(HypothesisReceived(self._utterance_id, hypothesis, waited))
            sender.cancel()

    async def _send(self, stream: RecognitionStream) -> None:
        # A stream that has failed says so to the reader of its hypotheses.
        with contextlib.suppress(RecognizerError):
            while self._finished_at is None or self._pending:
                await self._wake.wait()
                self._wake.clear()
                while self._pending:
                    pcm = bytes(self._pending[:_MOST_SEND_BYTES])
                    del self._pending[: len(pcm)]
                    await stream.send(pcm)
            self._watchdog.reschedule(asyncio.get_running_loop().time() + self._final_seconds)
            await stream.finish()

    def _waited_seconds(self) -> float:
        now = asyncio.get_running_loop().time()
        return now - (now if self._finished_at is None else self._finished_at)
