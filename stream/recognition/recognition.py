"""Recognize one stream, however many attempts it takes: audio goes up, hypotheses come back."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import structlog

from stream.recognition.assembly import Assembly
from stream.recognition.attempt import Attempt, Outcome, Rotation, StalledError
from stream.recognition.numbers.hypotheses import with_digits
from stream.recognition.recognizer import Recognizer, RecognizerError
from stream.recognition.replay import Replay
from stream.recognition.retry import Retry
from stream.recognition.stall import ResponseTimes, StallTimeout
from stream.session.events import FellBehind, Hypothesis, HypothesisReceived, Latency, OpenStream, RecognitionFailed
from vad import SAMPLE_BYTES, SAMPLE_RATE, STRICTEST, WebRtcClassifier, speech_samples

_OPEN_SECONDS = 10.0
# Sending less at a time costs more in messages than it gains in delay.
LEAST_SEND_SAMPLES = SAMPLE_RATE // 20
# More than the longest utterance.
MOST_UNSENT_BYTES = 32 * SAMPLE_RATE * SAMPLE_BYTES
# The shortest words are longer.
_LEAST_SPEECH = SAMPLE_RATE // 10
_MOST_SILENT_ENDS = 2
# How long an utterance waits for a recognizer that is full: far longer than any client stays without a message.
_MOST_HELD_SECONDS = 600.0
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RecognitionLimits:
    """How long a final may take after the stream's last audio, and an owed response until a new attempt is made.

    At least `least_send_samples` are sent at once.
    """

    final_seconds: float = 20.0
    stall_seconds: float = 5.0
    rotation: Rotation = field(default_factory=Rotation)
    least_send_samples: Callable[[], int] = lambda: LEAST_SEND_SAMPLES


class Recognition:
    """Carries out the session's orders for one stream and reports what comes of it.

    A stream that fails is begun again from the last settled sample, so that no word is lost and none comes twice.
    A recognizer that is full is no failure: the stream is held until there is room, and `FellBehind` is reported once.
    `add` never waits: what is not settled is bounded by the longest utterance, and with `vad=off` by the rotation
    and by the runner, which reads no more while `unsent_bytes` is past its bound. `sent` is called after each part
    that was sent.
    """

    def __init__(
        self,
        order: OpenStream,
        report: Callable[[HypothesisReceived | RecognitionFailed | FellBehind], None],
        sent: Callable[[], None],
        limits: RecognitionLimits,
        response_times: ResponseTimes,
    ) -> None:
        self._stream_id = order.stream_id
        self._options = order.options
        self._report = report
        self._sent = sent
        self._limits = limits
        self._response_times = response_times
        self._replay = Replay()
        self._assembly = Assembly(order.options)
        self._attempt: Attempt | None = None
        self._stalls = 0
        self._is_forced = False
        self._silent_ends = 0
        self._furthest = 0
        self._held_since: float | None = None
        self._due: float | None = None
        self._latest_due = 0.0
        self._deadline: asyncio.Timeout | None = None

    @property
    def unsent_bytes(self) -> int:
        if self._attempt is None:
            return (self._replay.end - self._replay.start) * SAMPLE_BYTES
        return self._attempt.unsent_bytes

    def add(self, pcm: bytes) -> None:
        """Queue the stream's next samples, `int16[n_samples]`."""
        self._replay.append(pcm)
        self._notify(len(pcm))

    def force_endpoint(self) -> None:
        """Let the recognizer settle the text so far, without the end of the stream."""
        self._is_forced = True
        if self._attempt is not None:
            self._attempt.force_endpoint()

    def finish(self) -> None:
        """No more audio follows; from now on the final hypothesis is due within the limit."""
        self._replay.is_complete = True
        self._due = _now() + self._limits.final_seconds
        self._latest_due = self._due + _MOST_HELD_SECONDS
        self._reschedule()
        self._notify(0)

    async def run(self, recognizer: Recognizer) -> None:
        """See the stream through to its final hypothesis or its failure."""
        try:
            await self._recognize_in_time(recognizer)
        except (RecognizerError, TimeoutError) as error:
            _log.warning("recognition_failed", stream_id=self._stream_id, error=str(error) or "no final in time")
            if isinstance(error, TimeoutError) and self._is_only_final_owed:
                self._response_times.waited_in_vain()
            self._report(RecognitionFailed(self._stream_id, self._assembly.settled, self._is_only_final_owed))

    async def _recognize_in_time(self, recognizer: Recognizer) -> None:
        try:
            async with asyncio.timeout_at(self._due) as self._deadline:
                await self._recognize(recognizer)
        finally:
            self._deadline = None

    def _reschedule(self) -> None:
        if self._deadline is not None and not self._deadline.expired():
            self._deadline.reschedule(self._due)

    def _put_off(self, seconds: float = 0.0) -> None:
        """The recognizer is well and has much to do: the final is due as late as if the audio had just ended."""
        if self._due is not None:
            self._due = max(self._due, min(_now() + seconds + self._limits.final_seconds, self._latest_due))
            self._reschedule()

    def _notify(self, added_bytes: int) -> None:
        if self._attempt is not None:
            self._attempt.notify(added_bytes)

    async def _recognize(self, recognizer: Recognizer) -> None:
        retry = Retry(_now(), random.random)
        while True:
            try:
                outcome = await self._try(recognizer)
                if outcome is Outcome.ENDED:
                    self._check_end()
            except RecognizerError as error:
                # One that broke at its very end may have settled everything before.
                if not self._is_settled_to_the_end:
                    await self._pause(retry, error)
                    continue
                outcome = Outcome.ENDED
            if outcome is Outcome.ENDED and self._settle():
                return

    async def _try(self, recognizer: Recognizer) -> Outcome:
        """Make one attempt from the last settled sample on; raises RecognizerError."""
        is_continuous = self._options.finds_endpoints_ms is not None
        self._attempt = attempt = Attempt(
            self._replay,
            StallTimeout(
                self._response_times, self._limits.stall_seconds, self._limits.final_seconds, stalls=self._stalls
            ),
            self._receive,
            self._sent,
            working=self._is_worked_on,
            least_send_samples=self._limits.least_send_samples,
            rotation=self._limits.rotation if is_continuous else None,
        )
        if self._is_forced:
            attempt.force_endpoint()
        try:
            async with asyncio.timeout(_OPEN_SECONDS):
                stream = await recognizer.open(self._options)
        except TimeoutError:
            raise StalledError("the recognizer opened no stream in time", retryable=True) from None
        is_stalled = False
        try:
            return await attempt.run(stream)
        except StalledError:
            is_stalled = True
            raise
        finally:
            await stream.abandon(is_stalled=is_stalled)

    def _check_end(self) -> None:
        """Raise RecognizerError if the stream ended as if all was well, but with text or speech that no final settles.

        Unsettled text may lack the last words, even where it comes with the position of the end. Where there was never
        a word, and it ends so again, there may be nothing to say.
        """
        assert self._attempt is not None  # noqa: S101
        sent = self._attempt.placement.sent
        known = max(self._assembly.known_to(sent), self._replay.start)
        unknown = self._replay.read(known, (sent - known) * SAMPLE_BYTES)
        is_silent = speech_samples(WebRtcClassifier(STRICTEST), unknown) < _LEAST_SPEECH
        if self._assembly.has_unsettled_words:
            self._response_times.ended_without_final()
            if is_silent and self._response_times.never_settles:
                return
        elif is_silent or self._silent_ends >= _MOST_SILENT_ENDS:
            return
        else:
            self._silent_ends += 1
        raise RecognizerError("the stream ended without a final", retryable=True)

    async def _pause(self, retry: Retry, error: RecognizerError) -> None:
        """Wait before the next attempt; raises the error when there is to be none."""
        if error.is_full:
            await self._hold(retry, error)
            return
        now = _now()
        if self._assembly.processed > self._furthest:
            self._furthest = self._assembly.processed
            retry.progressed(now)
        self._stalls = self._stalls + 1 if isinstance(error, StalledError) else 0
        was_taken = self._attempt is not None and self._attempt.is_taken
        delay = retry.delay(now, was_taken=was_taken, hint_seconds=error.retry_after_seconds)
        # From one that answers to the end and never settles no final will come.
        is_hopeless = self._stalls > 0 and self._is_only_final_owed and self._response_times.never_settles
        if not error.retryable or delay is None or is_hopeless:
            raise error
        _log.info("recognition_retried", stream_id=self._stream_id, error=str(error), delay_seconds=round(delay, 3))
        await asyncio.sleep(delay)

    @property
    def _is_settled_to_the_end(self) -> bool:
        return self._replay.is_complete and self._assembly.is_settled_to(self._replay.end)

    @property
    def _is_only_final_owed(self) -> bool:
        """Whether there is unsettled text of all of the audio, so that only the final is owed."""
        return self._replay.is_complete and self._assembly.speaks_of(self._replay.end)

    async def _hold(self, retry: Retry, error: RecognizerError) -> None:
        """Wait for a recognizer that is full; raises the error when that has taken too long."""
        now = _now()
        if self._held_since is None:
            self._held_since = now
            _log.info("recognition_held", stream_id=self._stream_id, error=str(error))
            self._report(FellBehind("the recognizer"))
        if now - self._held_since >= _MOST_HELD_SECONDS:
            raise error
        delay = retry.held(error.retry_after_seconds)
        self._put_off(delay)
        await asyncio.sleep(delay)

    def _is_worked_on(self) -> None:
        self._held_since = None
        self._put_off()

    def _receive(self, hypothesis: Hypothesis, attempt: Attempt) -> bool:
        """Pass on what is new; return whether it settled a stretch of the stream."""
        self._held_since = None
        if hypothesis.is_final:
            self._response_times.settled()
        assembled = self._assembly.take(hypothesis, attempt.placement)
        self._replay.settle(self._assembly.settled)
        if assembled is None:
            return False
        if assembled.is_segment_final or not self._is_settled_to_the_end:  # else the final follows at once
            self._report_hypothesis(assembled, attempt)
        return assembled.is_segment_final

    def _settle(self) -> bool:
        """Everything that was sent is dealt with; return whether that was all."""
        assert self._attempt is not None  # noqa: S101
        position = self._attempt.placement.sent
        is_over = self._replay.is_complete and position == self._replay.end
        final = self._assembly.settle_rest(position)
        self._replay.settle(position)
        self._report_hypothesis(replace(final, is_segment_final=not is_over), self._attempt)
        return is_over

    def _report_hypothesis(self, hypothesis: Hypothesis, attempt: Attempt) -> None:
        self._is_forced &= not hypothesis.is_final
        latency = Latency(attempt.queue_seconds, attempt.recognizer_seconds)
        self._report(HypothesisReceived(self._stream_id, with_digits(hypothesis, self._options), latency))


def _now() -> float:
    return asyncio.get_running_loop().time()
