"""The runner of one session: messages in, the session's orders carried out, its events into the outbox."""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.recognition.options import ModelLookup, no_models, recognition_options
from stream.recognition.recognition import RecognitionLimits
from stream.recognition.recognizer import Recognizer
from stream.runtime.audio_intake import AudioIntake, Frames, Meter, unmetered
from stream.runtime.fairness import FairShare, WorkLimit
from stream.runtime.outbox import Outbox
from stream.runtime.recognitions import Recognitions
from stream.session.channel import ClassifierFactory
from stream.session.commands import (
    ClientInput,
    Close,
    Command,
    Configure,
    Discard,
    Finalize,
    KeepAlive,
    Refused,
    Reply,
)
from stream.session.deadlines import Deadline, Deadlines, RunnerLimits
from stream.session.events import (
    START,
    AudioEnded,
    AudioReceived,
    Configured,
    EndCause,
    FellBehind,
    LimitNears,
    Origin,
    Progress,
    SenderPaused,
    SessionInput,
    UtteranceDiscarded,
    UtteranceFinalized,
)
from stream.session.session import Session, State
from stream.timers import MovingTimeout
from vad import make_classifier

# A client that sends faster than it is read always has a next message; so long they are still taken after an order.
_LAST_READ_SECONDS = 0.5


def _ignore(_: SessionConfig) -> None:
    """Do nothing about the first audio."""


class MessageSource(Protocol):
    """Where a session's messages come from."""

    async def receive(self) -> bytes | str | None:
        """Wait for a message: audio, text, or None once the client is gone."""
        ...


class SessionRunner:
    """Runs the session of one connection.

    `options` are those with which it begins, `newest_frames` what was received last.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        config: SessionConfig,
        outbox: Outbox,
        limits: RunnerLimits,
        *,
        read: Callable[[bytes | str], tuple[ClientInput, ...]],
        classifier_factory: ClassifierFactory = make_classifier,
        look_up: ModelLookup = no_models,
        meter: Meter = unmetered,
        fair_share: FairShare | None = None,
        is_recording: bool = False,
        on_audio: Callable[[SessionConfig], None] = _ignore,
        origin: Origin = START,
    ) -> None:
        """Take a `config` that was looked up, and the protocol's reader of messages, which may raise ClientError.

        `on_audio` is called with the configuration in force when the first audio comes. `origin` is where a session
        begins that goes on with an earlier one. Raises ClientError when the
        language or vocabulary of the configuration is not served.
        """
        self._recognizer = recognizer
        self._outbox = outbox
        self._limits = limits
        self._read_message = read
        self._on_audio = on_audio
        self._look_up = look_up
        self._meter = meter
        self._fair_share = fair_share or FairShare()
        self._session_id = uuid.uuid4().hex
        configured = self._configured(config)
        self._session = Session(configured, classifier_factory, origin)
        self.config = config
        self.options = configured.options
        self._is_recording = is_recording
        self._intake: AudioIntake | None = None
        self.newest_frames: Frames = ()
        self._tasks = asyncio.TaskGroup()
        self._progress = asyncio.Event()
        self._recognitions = Recognitions(
            recognizer,
            RecognitionLimits(
                limits.final_seconds,
                limits.stall_seconds,
                least_send_samples=lambda: self._fair_share.load.least_send_samples,
            ),
            self._tasks,
            report=self._feed,
            progressed=self._progress.set,
        )
        self._waiting: MovingTimeout | None = None
        self._ordered_end: AudioEnded | None = None
        self._last_read = 0.0

    async def run(self, source: MessageSource) -> None:
        """Read until the audio ends, then drain; the last event in the outbox is Finished."""
        try:
            with self._fair_share.load.session():
                await self._run(source)
        finally:
            if self._intake is not None:
                self._intake.close()

    async def _run(self, source: MessageSource) -> None:
        async with self._tasks:
            self._pass_on()
            await self._read(source)
            while self._session.state is not State.CLOSED:
                await self._next_progress()

    def end(self, cause: EndCause, error: ClientError | None = None) -> None:
        """Let the session drain and end, as soon as it has dealt with what it received; then emit the `error`.

        The first order counts.
        """
        if self._ordered_end is None:
            self._ordered_end = AudioEnded(cause, error)
            self._last_read = asyncio.get_running_loop().time() + _LAST_READ_SECONDS
            self._stop_waiting()

    @property
    def progress(self) -> Progress:
        """How far the session is."""
        return self._session.progress

    def replace_phrases(self, old: Sequence[str], new: Sequence[str]) -> None:
        """Replace phrases that were added to a looked-up configuration, for the utterances after the open one.

        Raises ClientError if the recognizer does not take the new ones; the old ones then stay.
        """
        trained = self.config.trained_phrases
        kept = trained[: len(trained) - len(old)]
        config = replace(self.config, trained_phrases=(*kept, *new))
        self._feed(replace(self._configured(config), is_silent=True))
        self.config = config

    # --- messages in ---

    async def _read(self, source: MessageSource) -> None:
        now = asyncio.get_running_loop().time()
        self._deadlines, self._work_limit = Deadlines(self._limits, now), WorkLimit(self._fair_share, now)
        while self._is_reading:
            try:
                async with MovingTimeout() as deadline:
                    while self._is_reading:
                        await self._take(await self._next_message(source, deadline))
            except TimeoutError:
                if self._is_reading:
                    await self._run_out()
            except ClientError as error:
                self._flush_frames()
                self._feed(AudioEnded(EndCause.ERROR, error))

    @property
    def _is_reading(self) -> bool:
        return self._session.state in (State.CONFIGURING, State.STREAMING)

    async def _next_message(self, source: MessageSource, deadline: MovingTimeout) -> bytes | str | None:
        """Wait for the next message; raises TimeoutError when a deadline passes."""
        due = self._deadlines.next(in_utterance=self._session.ends_with_pause)
        if self._ordered_end is not None:
            due = 0
            if asyncio.get_running_loop().time() >= self._last_read:
                raise TimeoutError
        deadline.move(due)
        self._waiting = deadline
        try:
            message = await source.receive()
        finally:
            self._waiting = None
            deadline.move(None)
        return message

    async def _run_out(self) -> None:
        """Decide what it means that nothing came in time."""
        if self._ordered_end is not None:
            await self._end_audio(self._ordered_end.cause, self._ordered_end.error)
            return
        now = asyncio.get_running_loop().time()
        match self._deadlines.passed(now, in_utterance=self._session.ends_with_pause):
            case Deadline.PAUSE:
                self._feed(SenderPaused())
            case Deadline.NOTICE:
                self._feed(LimitNears(self._limits.notice_seconds))
            case Deadline.STREAM:
                await self._end_audio(EndCause.LIMIT)
            case Deadline.IDLE if self._session.state is State.CONFIGURING:
                detail = f"no audio was received for {self._limits.idle_seconds:g} seconds"
                self._feed(AudioEnded(EndCause.IDLE, ClientError(Problem.IDLE_TIMEOUT, detail)))
            case Deadline.IDLE:
                await self._end_audio(EndCause.IDLE)

    async def _take(self, message: bytes | str | None) -> None:
        clock = self._fair_share.work_clock
        began = clock()
        inputs = () if message is None else self._read_message(message)
        work_seconds = clock() - began
        has_audio = any(isinstance(one, bytes) for one in inputs)
        self._deadlines.received(asyncio.get_running_loop().time(), is_audio=has_audio)
        if message is None:
            await self._end_audio(EndCause.DISCONNECT)
            return
        is_plain_audio = isinstance(message, bytes) and has_audio
        if not is_plain_audio:
            # A command may be answered, and nobody may read the answers.
            await self._outbox.room()
        for one in inputs:
            if self._is_reading:
                work_seconds += await self._take_input(one)
        if not is_plain_audio:
            await self._step(work_seconds)

    async def _take_input(self, one: ClientInput) -> float:
        """Deal with audio, a command or a reply; return how many seconds of work that was beside the audio."""
        match one:
            case bytes() if one:
                await self._take_audio(one)
            case bytes():
                await self._step()
            case Reply():
                await self._outbox.room()
                self._outbox.put(one)
            case command:
                return await self._take_command(command)
        return 0.0

    async def _step(self, work_seconds: float = 0.0) -> None:
        """Let others have their turn after a step that brought no audio."""
        await self._work_limit.step(asyncio.get_running_loop().time(), work_seconds=work_seconds)

    async def _take_audio(self, message: bytes) -> None:
        if self._intake is None:
            self._on_audio(self.config)
            self._intake = AudioIntake(
                replace(self.config.audio_format, is_recording=self._is_recording),
                most_seconds=self._limits.audio_seconds,
                meter=self._meter,
                fair_share=self._fair_share,
                work_limit=self._work_limit,
                room=self._room,
                deliver=self._deliver,
            )
        await self._intake.push(message)

    def _deliver(self, frames: Frames) -> None:
        self.newest_frames = frames
        self._feed(AudioReceived(frames))

    def _configured(self, config: SessionConfig) -> Configured:
        options = recognition_options(config, self._recognizer)
        return Configured(config, replace(options, session_id=self._session_id))

    async def _take_command(self, command: Command) -> float:
        """Carry out a command; return how many seconds of work it was."""
        clock = self._fair_share.work_clock
        began = clock()
        match command:
            case Close():
                await self._end_audio(EndCause.CLOSE)
                return 0.0
            case Finalize(channel):
                self._feed(UtteranceFinalized(channel))
            case Discard():
                self._feed(UtteranceDiscarded())
            case KeepAlive():
                pass
            case Configure():
                return await self._configure(command)
        return clock() - began

    async def _configure(self, command: Configure) -> float:
        """Apply a configuration; return how many seconds of work it was."""
        clock = self._fair_share.work_clock
        began = clock()
        try:
            config = self.config.with_message(command.values, audio_began=self._intake is not None)
            # Others work while this one waits for the database.
            before = clock() - began
            config = await self._look_up(config)
            began = clock() - before
            configured = self._configured(config)
        except ClientError as error:
            if not command.goes_on:
                raise
            self._outbox.put(Reply(Refused(command.label, error)))
        else:
            self._feed(configured)
            self.config = config
        return clock() - began

    async def _end_audio(self, cause: EndCause, error: ClientError | None = None) -> None:
        try:
            if self._intake is not None:
                await self._intake.finish()
        except ClientError as fault:
            cause, error = EndCause.ERROR, fault
        self._flush_frames()
        self._feed(AudioEnded(cause, error))

    def _flush_frames(self) -> None:
        if self._intake is not None:
            self._intake.flush()

    async def _room(self) -> None:
        """Wait until the recognizer and the client keep up."""
        if self._is_recognizer_behind:
            self._feed(FellBehind("the recognizer"))
            while self._is_recognizer_behind:
                await self._next_progress()
        if self._outbox.is_full:
            self._feed(FellBehind("the reader of the messages"))
            await self._outbox.room()

    @property
    def _is_recognizer_behind(self) -> bool:
        return self._session.is_full or self._recognitions.is_behind

    # --- orders and events out ---

    def _feed(self, event: SessionInput) -> None:
        self._session.receive(event)
        self._pass_on()

    def _pass_on(self) -> None:
        """Carry out the orders of the session, and queue its events."""
        for order in self._session.take_orders():
            self._recognitions.carry_out(order)
        for event in self._session.take_events():
            self._outbox.put(event)
        self._progress.set()
        if not self._is_reading:
            self._stop_waiting()

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.expire()

    async def _next_progress(self) -> None:
        self._progress.clear()
        await self._progress.wait()
