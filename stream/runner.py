"""Owns the running of one session: bytes and commands in, orders carried out, events into the outbox."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from stream.audio import AudioDecoder
from stream.commands import Close, Configure, parse_command
from stream.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.events import (
    AbandonStream,
    AudioEnded,
    Configured,
    EndCause,
    FinishStream,
    FrameReceived,
    OpenStream,
    Order,
    SendAudio,
    SenderPaused,
    SessionInput,
)
from stream.outbox import Outbox
from stream.recognition import Recognition
from stream.recognizer import LanguageNotServedError, Recognizer
from stream.session import ClassifierFactory, Session, State
from vad import Framer, WebRtcClassifier

# So many frames take about 2.5 ms; other connections get their turn in between.
_FRAMES_PER_TURN = 100


@dataclass(frozen=True, slots=True)
class RunnerLimits:
    """Every wait of a session, in seconds.

    `pause`: silence of the sender that ends an open utterance; `idle`: silence that ends the session;
    `stream`: the longest session; `final`: how long a final may take after the utterance's last audio.
    """

    pause: float = 3.0
    idle: float = 30.0
    stream: float = 240 * 60.0
    final: float = 20.0


class MessageSource(Protocol):
    """Where a session's messages come from."""

    async def receive(self) -> bytes | str | None:
        """Wait for a message: audio, text, or None once the client is gone."""
        ...


class SessionRunner:
    """Runs the session of one connection."""

    def __init__(
        self,
        recognizer: Recognizer,
        config: SessionConfig,
        outbox: Outbox,
        limits: RunnerLimits,
        classifier_factory: ClassifierFactory = WebRtcClassifier,
    ) -> None:
        """Raises ClientError when the language of `config` is not served."""
        self._recognizer = recognizer
        self._outbox = outbox
        self._limits = limits
        self._session = Session(config, self._language(config), classifier_factory)
        self.config = config
        self._framer = Framer()
        self._decoder: AudioDecoder | None = None
        self._recognitions: dict[int, tuple[Recognition, asyncio.Task[None]]] = {}
        self._tasks = asyncio.TaskGroup()
        self._progress = asyncio.Event()
        self._waiting: asyncio.Timeout | None = None
        self._ordered_end: EndCause | None = None

    async def run(self, source: MessageSource) -> None:
        """Read until the audio ends, then drain; the last event in the outbox is Finished."""
        async with self._tasks:
            await self._read(source)
            while self._session.state is not State.CLOSED:
                await self._next_progress()

    def end(self, cause: EndCause) -> None:
        """Let the session drain and end, as soon as it has dealt with what it received."""
        self._ordered_end = cause
        self._stop_waiting()

    # --- messages in ---

    async def _read(self, source: MessageSource) -> None:
        clock = asyncio.get_running_loop().time
        heard = clock()
        limit = heard + self._limits.stream
        while self._is_reading:
            due = heard + (self._limits.pause if self._session.is_in_utterance else self._limits.idle)
            try:
                message = await self._next_message(source, min(due, limit))
                heard = clock()
                await self._take(message)
            except TimeoutError:
                if self._is_reading:
                    await self._run_out(is_over_limit=clock() >= limit)
            except ClientError as error:
                await self._frames(self._framer.flush())
                self._feed(AudioEnded(EndCause.ERROR, error))

    @property
    def _is_reading(self) -> bool:
        return self._session.state in (State.CONFIGURING, State.STREAMING)

    async def _next_message(self, source: MessageSource, due: float) -> bytes | str | None:
        try:
            async with asyncio.timeout_at(0 if self._ordered_end else due) as self._waiting:
                return await source.receive()
        finally:
            self._waiting = None

    async def _run_out(self, *, is_over_limit: bool) -> None:
        """Decide what it means that nothing came in time."""
        if self._ordered_end is not None:
            await self._end_audio(self._ordered_end)
        elif is_over_limit:
            await self._end_audio(EndCause.LIMIT)
        elif self._session.is_in_utterance:
            self._feed(SenderPaused())
        elif self._session.state is State.CONFIGURING:
            detail = f"no audio was received for {self._limits.idle:g} seconds"
            self._feed(AudioEnded(EndCause.IDLE, ClientError(Problem.IDLE_TIMEOUT, detail)))
        else:
            await self._end_audio(EndCause.IDLE)

    async def _take(self, message: bytes | str | None) -> None:
        match message:
            case None:
                await self._end_audio(EndCause.DISCONNECT)
            case bytes():
                await self._take_audio(message)
            case str():
                await self._take_command(message)

    async def _take_audio(self, message: bytes) -> None:
        if not message:
            return
        if self._decoder is None:
            self._decoder = AudioDecoder(self.config.audio_format)
        for pcm in self._decoder.push(message):
            await self._frames(*self._framer.push(pcm))

    async def _take_command(self, text: str) -> None:
        match parse_command(text):
            case Close():
                await self._end_audio(EndCause.CLOSE)
            case Configure(values):
                self.config = self.config.with_message(values, audio_began=self._decoder is not None)
                self._feed(Configured(self.config, self._language(self.config)))

    async def _end_audio(self, cause: EndCause) -> None:
        error = None
        try:
            for pcm in self._decoder.flush() if self._decoder is not None else ():
                await self._frames(*self._framer.push(pcm))
        except ClientError as fault:
            cause, error = EndCause.ERROR, fault
        await self._frames(self._framer.flush())
        self._feed(AudioEnded(cause, error))

    async def _frames(self, *frames: bytes) -> None:
        """Feed frames while the recognizer and the client keep up; wait where they do not."""
        for number, frame in enumerate(frame for frame in frames if frame):
            while self._session.is_full:
                await self._next_progress()
            await self._outbox.room()
            self._feed(FrameReceived(frame))
            if number % _FRAMES_PER_TURN == _FRAMES_PER_TURN - 1:
                await asyncio.sleep(0)

    def _language(self, config: SessionConfig) -> str:
        try:
            return self._recognizer.match_language(config.language_code)
        except LanguageNotServedError as error:
            served = ", ".join(error.served) or "none"
            raise ClientError(
                Problem.INVALID_CONFIG,
                f"languageCode is {error.language_code}, which no model of this server recognizes; served: {served}. "
                "To serve another language, point SHENAVA_MODEL at a Whisper model that knows it, "
                "or SHENAVA_RIVA_URI at a Riva server that does",
            ) from None

    # --- the session's word ---

    def _feed(self, event: SessionInput) -> None:
        self._session.receive(event)
        for order in self._session.take_orders():
            self._carry_out(order)
        for told in self._session.take_events():
            self._outbox.put(told)
        self._progress.set()
        if not self._is_reading:
            self._stop_waiting()

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time())

    def _carry_out(self, order: Order) -> None:
        match order:
            case OpenStream(utterance_id):
                recognition = Recognition(order, self._feed, final_seconds=self._limits.final)
                task = self._tasks.create_task(recognition.run(self._recognizer))
                task.add_done_callback(lambda _: self._recognitions.pop(utterance_id, None))
                self._recognitions[utterance_id] = recognition, task
            case SendAudio(utterance_id, pcm) if utterance_id in self._recognitions:
                self._recognitions[utterance_id][0].add(pcm)
            case FinishStream(utterance_id) if utterance_id in self._recognitions:
                self._recognitions[utterance_id][0].finish()
            case AbandonStream(utterance_id) if utterance_id in self._recognitions:
                self._recognitions[utterance_id][1].cancel()

    async def _next_progress(self) -> None:
        self._progress.clear()
        await self._progress.wait()
