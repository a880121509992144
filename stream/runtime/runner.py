"""Owns the running of one session: bytes and commands in, orders carried out, events into the outbox."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from itertools import islice
from typing import Protocol

from stream.audio import AudioDecoder, Samples
from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.protocols.farsava.commands import Close, Configure, Finalize, KeepAlive, parse_command
from stream.recognition.options import ModelLookup, no_models, recognition_options
from stream.recognition.recognition import MOST_UNSENT_BYTES, Recognition, RecognitionLimits
from stream.recognition.recognizer import Recognizer
from stream.recognition.stall import Habits
from stream.runtime.fairness import Lead, Pace, Turns
from stream.runtime.outbox import Outbox
from stream.session.channel import ClassifierFactory
from stream.session.deadlines import Deadline, Deadlines, RunnerLimits
from stream.session.events import (
    AbandonStream,
    AudioEnded,
    Configured,
    EndCause,
    FellBehind,
    FinishStream,
    ForceEndpoint,
    FrameReceived,
    LimitNears,
    OpenStream,
    Order,
    SendAudio,
    SenderPaused,
    SessionInput,
    UtteranceFinalized,
)
from stream.session.session import Session, State
from vad import FRAME_SAMPLES, SAMPLE_BYTES, SAMPLE_RATE, Framer, make_classifier

# A client that sends faster than it is read always has a next message; so long they are still taken after an order.
_LAST_READ_SECONDS = 0.5

Meter = Callable[[float], Awaitable[None]]
"""Is told of audio that was received, in seconds; raises ClientError when there may be no more."""


async def unmetered(_: float) -> None:
    """Let there be as much audio as there is."""


class MessageSource(Protocol):
    """Where a session's messages come from."""

    async def receive(self) -> bytes | str | None:
        """Wait for a message: audio, text, or None once the client is gone."""
        ...


class SessionRunner:
    """Runs the session of one connection; `options` are those with which it begins."""

    def __init__(  # noqa: PLR0913
        self,
        recognizer: Recognizer,
        config: SessionConfig,
        outbox: Outbox,
        limits: RunnerLimits,
        classifier_factory: ClassifierFactory = make_classifier,
        *,
        look_up: ModelLookup = no_models,
        meter: Meter = unmetered,
        turns: Turns | None = None,
        is_recording: bool = False,
    ) -> None:
        """Take a `config` that was looked up; raises ClientError when its language or vocabulary is not served."""
        self._recognizer = recognizer
        self._outbox = outbox
        self._limits = limits
        self._look_up = look_up
        self._meter = meter
        self._turns = turns or Turns()
        self._received_samples = 0
        self._session_id = uuid.uuid4().hex
        configured = self._configured(config)
        self._session = Session(configured, classifier_factory)
        self.config = config
        self.options = configured.options
        self._is_recording = is_recording
        self._framers: list[Framer] = []
        self._decoder: AudioDecoder | None = None
        self._recognition_limits = RecognitionLimits(limits.final, limits.stall)
        self._habits = Habits()
        self._recognitions: dict[int, tuple[Recognition, asyncio.Task[None]]] = {}
        self._tasks = asyncio.TaskGroup()
        self._progress = asyncio.Event()
        self._waiting: asyncio.Timeout | None = None
        self._ordered_end: AudioEnded | None = None
        self._last_read = 0.0

    async def run(self, source: MessageSource) -> None:
        """Read until the audio ends, then drain; the last event in the outbox is Finished."""
        try:
            async with self._tasks:
                self._pass_on()
                await self._read(source)
                while self._session.state is not State.CLOSED:
                    await self._next_progress()
        finally:
            if self._decoder is not None:
                self._decoder.close()

    def end(self, cause: EndCause, error: ClientError | None = None) -> None:
        """Let the session drain and end, as soon as it has dealt with what it received; then tell the `error`.

        The first order counts.
        """
        if self._ordered_end is None:
            self._ordered_end = AudioEnded(cause, error)
            self._last_read = asyncio.get_running_loop().time() + _LAST_READ_SECONDS
            self._stop_waiting()

    # --- messages in ---

    async def _read(self, source: MessageSource) -> None:
        now = asyncio.get_running_loop().time()
        self._deadlines, self._pace = Deadlines(self._limits, now), Pace(self._turns, now)
        while self._is_reading:
            due = self._deadlines.next(in_utterance=self._session.is_in_utterance)
            try:
                message = await self._next_message(source, due)
                self._deadlines.heard(asyncio.get_running_loop().time(), is_audio=isinstance(message, bytes))
                await self._take(message)
            except TimeoutError:
                if self._is_reading:
                    await self._run_out()
            except ClientError as error:
                await self._flush_frames()
                self._feed(AudioEnded(EndCause.ERROR, error))

    @property
    def _is_reading(self) -> bool:
        return self._session.state in (State.CONFIGURING, State.STREAMING)

    async def _next_message(self, source: MessageSource, due: float) -> bytes | str | None:
        if self._ordered_end is not None:
            due = 0
            if asyncio.get_running_loop().time() >= self._last_read:
                raise TimeoutError
        try:
            async with asyncio.timeout_at(due) as self._waiting:
                return await source.receive()
        finally:
            self._waiting = None

    async def _run_out(self) -> None:
        """Decide what it means that nothing came in time."""
        if self._ordered_end is not None:
            await self._end_audio(self._ordered_end.cause, self._ordered_end.error)
            return
        now = asyncio.get_running_loop().time()
        match self._deadlines.passed(now, in_utterance=self._session.is_in_utterance):
            case Deadline.PAUSE:
                self._feed(SenderPaused())
            case Deadline.NOTICE:
                self._feed(LimitNears(self._limits.notice))
            case Deadline.STREAM:
                await self._end_audio(EndCause.LIMIT)
            case Deadline.IDLE if self._session.state is State.CONFIGURING:
                detail = f"no audio was received for {self._limits.idle:g} seconds"
                self._feed(AudioEnded(EndCause.IDLE, ClientError(Problem.IDLE_TIMEOUT, detail)))
            case Deadline.IDLE:
                await self._end_audio(EndCause.IDLE)

    async def _take(self, message: bytes | str | None) -> None:
        match message:
            case None:
                await self._end_audio(EndCause.DISCONNECT)
            case bytes() if message:
                await self._take_audio(message)
            case bytes():
                await self._step()
            case str():
                # A command may be answered, and nobody may read the answers.
                await self._outbox.room()
                await self._step(work_seconds=await self._take_command(message))

    async def _step(self, sound_seconds: float = 0.0, work_seconds: float = 0.0) -> None:
        """Let others have their turn after a step that brought so much sound and took so long."""
        await self._pace.step(asyncio.get_running_loop().time(), sound_seconds, work_seconds)

    async def _take_audio(self, message: bytes) -> None:
        if self._decoder is None:
            self._decoder = AudioDecoder(replace(self.config.audio_format, is_recording=self._is_recording))
            self._framers = [Framer() for _ in range(self.config.channels)]
            self._lead = Lead(asyncio.get_running_loop().time())
        steps, clock = self._decoder.push(message), self._turns.work_clock
        began = clock()
        while (samples := next(steps, None)) is not None:
            await self._samples(samples, clock() - began)
            began = clock()

    def _configured(self, config: SessionConfig) -> Configured:
        options = recognition_options(config, self._recognizer)
        return Configured(config, replace(options, session_id=self._session_id))

    async def _take_command(self, text: str) -> float:
        """Carry out a command; return how many seconds of work it was."""
        clock = self._turns.work_clock
        began = clock()
        match parse_command(text):
            case Close():
                await self._end_audio(EndCause.CLOSE)
                return 0.0
            case Finalize():
                self._feed(UtteranceFinalized())
            case KeepAlive():
                pass
            case Configure(values):
                config = self.config.with_message(values, audio_began=self._decoder is not None)
                # Others work while this one waits for the database.
                before = clock() - began
                config = await self._look_up(config)
                began = clock() - before
                self._feed(self._configured(config))
                self.config = config
        return clock() - began

    async def _end_audio(self, cause: EndCause, error: ClientError | None = None) -> None:
        try:
            async for samples in self._flushed():
                await self._samples(samples)
        except ClientError as fault:
            cause, error = EndCause.ERROR, fault
        await self._flush_frames()
        self._feed(AudioEnded(cause, error))

    async def _flushed(self) -> AsyncIterator[Samples]:
        """Yield what the decoder held back; a whole film is looked through beside the event loop."""
        if self._decoder is None:
            return
        rest = self._decoder.flush()
        if self._decoder.needs_file:
            while (samples := await asyncio.to_thread(next, rest, None)) is not None:
                yield samples
        else:
            for samples in rest:
                yield samples

    async def _samples(self, samples: Samples, work_seconds: float = 0.0) -> None:
        """Feed the frames that the samples of each channel complete."""
        received = len(samples[0]) // SAMPLE_BYTES
        self._check_length(received)
        await self._step(received / SAMPLE_RATE, work_seconds)
        if not received:
            return
        await self._meter(received / SAMPLE_RATE)
        framed = zip(*(framer.push(pcm) for framer, pcm in zip(self._framers, samples, strict=True)), strict=True)
        while frames := list(islice(framed, self._turns.frames(asyncio.get_running_loop().time()))):
            await self._keep_pace()
            async with self._turn(len(frames)):
                for frame in frames:
                    self._session.receive(FrameReceived(frame))
                self._pass_on()

    def _turn(self, frames: int) -> AbstractAsyncContextManager[None]:
        """Wait behind others that are ahead of their time, if this one is."""
        now = asyncio.get_running_loop().time()
        if self._lead.take(frames * FRAME_SAMPLES / SAMPLE_RATE, now):
            return self._turns.turn()
        if self._lead.is_live:
            self._turns.see_live(now)
        return nullcontext()

    def _check_length(self, more_samples: int) -> None:
        self._received_samples += more_samples
        if self._received_samples > self._limits.audio * SAMPLE_RATE:
            raise ClientError(Problem.TOO_LARGE, f"the audio is longer than {self._limits.audio:g} seconds")

    async def _flush_frames(self) -> None:
        rest = tuple(framer.flush() for framer in self._framers)
        if any(rest):
            self._feed(FrameReceived(rest))

    async def _keep_pace(self) -> None:
        """Give others their turn, and wait until the recognizer and the client keep up."""
        await asyncio.sleep(0)
        if self._is_recognizer_behind:
            self._feed(FellBehind("the recognizer"))
            while self._is_recognizer_behind:
                await self._next_progress()
        if self._outbox.is_full:
            self._feed(FellBehind("the reader of the messages"))
            await self._outbox.room()

    @property
    def _is_recognizer_behind(self) -> bool:
        unsent = (recognition.unsent_bytes for recognition, _ in self._recognitions.values())
        return self._session.is_full or any(bytes_ > MOST_UNSENT_BYTES for bytes_ in unsent)

    # --- the session's word ---

    def _feed(self, event: SessionInput) -> None:
        self._session.receive(event)
        self._pass_on()

    def _pass_on(self) -> None:
        """Carry out what the session orders, and queue what it tells."""
        for order in self._session.take_orders():
            self._carry_out(order)
        for told in self._session.take_events():
            self._outbox.put(told)
        self._progress.set()
        if not self._is_reading:
            self._stop_waiting()

    def _stop_waiting(self) -> None:
        # A wait that has just run out is over all the same, and must not be changed any more.
        if self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(asyncio.get_running_loop().time())

    def _carry_out(self, order: Order) -> None:
        match order:
            case OpenStream(stream_id):
                recognition = Recognition(order, self._feed, self._progress.set, self._recognition_limits, self._habits)
                task = self._tasks.create_task(recognition.run(self._recognizer))
                task.add_done_callback(lambda _: self._recognitions.pop(stream_id, None))
                self._recognitions[stream_id] = recognition, task
            case SendAudio(stream_id, pcm) if stream_id in self._recognitions:
                self._recognitions[stream_id][0].add(pcm)
            case ForceEndpoint(stream_id) if stream_id in self._recognitions:
                self._recognitions[stream_id][0].force_endpoint()
            case FinishStream(stream_id) if stream_id in self._recognitions:
                self._recognitions[stream_id][0].finish()
            case AbandonStream(stream_id) if stream_id in self._recognitions:
                self._recognitions[stream_id][1].cancel()

    async def _next_progress(self) -> None:
        self._progress.clear()
        await self._progress.wait()
