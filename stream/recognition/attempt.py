"""One attempt to recognize a stream: unsettled audio is sent again, then new audio; hypotheses come back."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from stream.recognition.recognizer import RecognitionStream, RecognizerError
from stream.recognition.replay import Placement, Replay
from stream.recognition.stall import StallTimeout
from stream.session.events import Hypothesis
from stream.timers import MovingTimeout, MovingTimer
from vad import SAMPLE_BYTES, SAMPLE_RATE, STRICTEST, WebRtcClassifier, speech_samples

# Sending more at a time gains nothing.
_MOST_SEND_BYTES = SAMPLE_RATE * SAMPLE_BYTES
# A forced final was measured to come within 0.15 s; a model that does not support it sends nothing.
_FORCED_SECONDS = 1.0
# Riva ends a stream that gets no audio for 60 s.
_KEEP_ALIVE_SECONDS = 30.0
_KEEP_ALIVE_SAMPLES = SAMPLE_RATE // 10


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a stream without end is begun anew, which frees the recognizer of what it has gathered.

    `after_seconds`: at the next final from then on; `window`: samples that are sent ahead of what the recognizer
    has reported as processed; `longest`: samples that may stay unsettled, more are settled by ending the attempt.
    """

    after_seconds: float = 240.0
    window: int = 20 * SAMPLE_RATE
    longest: int = 60 * SAMPLE_RATE


class Outcome(Enum):
    """How an attempt ended well: all it was sent is dealt with, or it may be left for a new one."""

    ENDED = auto()
    ROTATED = auto()


class StalledError(RecognizerError):
    """The recognizer owed an answer for too long."""


class Attempt:
    """Sends the audio of `replay` from its start, and follows it as it grows (`notify`).

    `is_taken` once the recognizer responded.
    `receive` gets each hypothesis and returns whether it settled a stretch; `sent` is called after each part that was
    sent, `working` whenever the recognizer says that it is at work; `least_send_samples` are sent
    at once, if not the last. With a `rotation` the stream has no end of its own.
    """

    def __init__(
        self,
        replay: Replay,
        stall: StallTimeout,
        receive: Callable[[Hypothesis, "Attempt"], bool],
        sent: Callable[[], None],
        *,
        working: Callable[[], None],
        least_send_samples: Callable[[], int],
        rotation: Rotation | None = None,
    ) -> None:
        self._working = working
        self._least_send_samples = least_send_samples
        self.placement = Placement(replay.start)
        self.is_taken = False
        self.queue_seconds = 0.0
        self._replay = replay
        self._stall = stall
        self._receive = receive
        self._sent = sent
        self._rotation = rotation
        # The session has found a single utterance to be speech; a stream without end has pauses, which owe no response.
        self._classifier = None if rotation is None else WebRtcClassifier(STRICTEST)
        self._processed = replay.start
        self._began = self._unsent_since = _now()
        self._sent_at: float | None = None
        self._is_ending = self._is_forced = False
        self._forced: asyncio.TimerHandle | None = None
        self._wake = asyncio.Event()
        self._watchdog = MovingTimeout()
        self._silence = MovingTimer(self._wake.set)
        self._answered = asyncio.Event()
        self.notify(0)

    @property
    def recognizer_seconds(self) -> float:
        """Time since the last audio was sent."""
        return 0.0 if self._sent_at is None else _now() - self._sent_at

    @property
    def unsent_bytes(self) -> int:
        return (self._replay.end - self.placement.sent) * SAMPLE_BYTES

    def notify(self, added_bytes: int) -> None:
        """The replay has grown or is complete."""
        if self.unsent_bytes == added_bytes:
            self._unsent_since = _now()
        if self._replay.is_complete or self.unsent_bytes >= self._least_send_samples() * SAMPLE_BYTES:
            self._wake.set()

    def force_endpoint(self) -> None:
        """Ask the recognizer to settle the audio so far; end the attempt if it does not do so within a second."""
        self._is_forced = True
        self._wake.set()

    async def run(self, stream: RecognitionStream) -> Outcome:
        """Converse until the stream has ended or may be left; raises RecognizerError."""
        try:
            return await self._converse(stream)
        except TimeoutError:
            raise StalledError("the recognizer stopped answering", retryable=True) from None

    async def _converse(self, stream: RecognitionStream) -> Outcome:
        failures: tuple[BaseException, ...] = ()
        try:
            async with self._watchdog, asyncio.TaskGroup() as tasks:
                sender = tasks.create_task(self._send(stream))
                outcome = await self._listen(stream)
                sender.cancel()
        except* RecognizerError as group:
            failures = group.exceptions
        finally:
            self._forget_forced()
            self._silence.close()
        for failure in failures:
            raise failure
        return outcome

    async def _listen(self, stream: RecognitionStream) -> Outcome:
        async for answer in stream.hypotheses():
            self.is_taken = True
            self._stall.responded(_now(), is_final=isinstance(answer, Hypothesis) and answer.is_final)
            self._watch()
            self._answered.set()
            if not isinstance(answer, Hypothesis):
                if answer.is_working:
                    self._working()
                continue
            if answer.is_final:
                self._forget_forced()
            has_settled_stretch = self._receive(answer, self)
            self._processed = max(self._processed, self.placement.stream_position(answer.processed))
            if has_settled_stretch and self._is_old:
                return Outcome.ROTATED
        return Outcome.ENDED

    async def _send(self, stream: RecognitionStream) -> None:
        # The reader of the hypotheses gets the failure of a stream.
        with contextlib.suppress(RecognizerError):
            while self._has_more:
                await self._wait_for_audio(stream)
                await self._send_audio(stream)
                await self._force(stream)
            self._sent_at = _now()
            self._stall.finished(self._sent_at)
            self._watch()
            await stream.finish()

    async def _wait_for_audio(self, stream: RecognitionStream) -> None:
        self._silence.move(_now() + _KEEP_ALIVE_SECONDS)
        await self._wake.wait()
        self._wake.clear()
        if self._silence.due is None:
            await stream.send(bytes(_KEEP_ALIVE_SAMPLES * SAMPLE_BYTES))
            self.placement.insert_silence(_KEEP_ALIVE_SAMPLES)

    async def _send_audio(self, stream: RecognitionStream) -> None:
        while self.unsent_bytes and not self._is_ending and await self._has_room():
            pcm = self._replay.read(self.placement.sent, _MOST_SEND_BYTES)
            self._sent_at = _now()
            self.queue_seconds = self._sent_at - self._unsent_since
            self._unsent_since = self._sent_at
            self.placement.send(len(pcm) // SAMPLE_BYTES)
            await stream.send(pcm)
            self._stall.sent(self._sent_at, self._speech_samples(pcm))
            self._watch()
            self._sent()

    async def _force(self, stream: RecognitionStream) -> None:
        if self._is_forced and not self.unsent_bytes:
            self._is_forced = False
            await stream.force_endpoint()
            self._forget_forced()
            self._forced = asyncio.get_running_loop().call_later(_FORCED_SECONDS, self._end_here)

    def _forget_forced(self) -> None:
        if self._forced is not None:
            self._forced.cancel()
            self._forced = None

    def _end_here(self) -> None:
        """End the stream, which settles its audio, because the recognizer did not settle it when asked."""
        self._is_ending = True
        self._wake.set()

    async def _has_room(self) -> bool:
        """Wait until the recognizer has caught up; False once so much is unsettled that the attempt has to end."""
        if self._rotation is None:
            return True
        while self.placement.sent - self._processed >= self._rotation.window and self._stall.is_owed:
            self._answered.clear()
            await self._answered.wait()
        # What owes no response counts as processed without one.
        processed = self._processed if self._stall.is_owed else self.placement.sent
        self._is_ending = processed - self._replay.start >= self._rotation.longest
        return not self._is_ending

    @property
    def _has_more(self) -> bool:
        return not self._is_ending and (self.unsent_bytes > 0 or not self._replay.is_complete)

    @property
    def _is_old(self) -> bool:
        return self._rotation is not None and _now() - self._began >= self._rotation.after_seconds

    def _speech_samples(self, pcm: bytes) -> int:
        """Return how many of the samples a response is owed for."""
        return len(pcm) // SAMPLE_BYTES if self._classifier is None else speech_samples(self._classifier, pcm)

    def _watch(self) -> None:
        self._watchdog.move(self._stall.due)


def _now() -> float:
    return asyncio.get_running_loop().time()
