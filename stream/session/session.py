"""The session core: which samples belong to which utterance, what recognizers have to do, what the client may get.

It does no I/O: `receive` an event, then drain `take_orders` and `take_events`. Its only clock is the
count of received samples.
"""

from collections.abc import Sequence
from enum import Enum, auto

from stream.configuration.config import MANUAL, OFF
from stream.errors import ClientError, Problem
from stream.session.channel import Channel, ClassifierFactory
from stream.session.events import (
    START,
    AbandonStream,
    AudioEnded,
    AudioReceived,
    ClientEvent,
    Configured,
    Discarded,
    EndCause,
    FellBehind,
    Finalized,
    FinishStream,
    ForceEndpoint,
    Hypothesis,
    HypothesisReceived,
    LimitNears,
    OpenStream,
    Order,
    Origin,
    Progress,
    Ready,
    Reason,
    RecognitionFailed,
    SendAudio,
    SenderPaused,
    SessionInput,
    SpeechEnded,
    SpeechStarted,
    TurnEnded,
    TurnResumed,
    UtteranceDiscarded,
    UtteranceFinalized,
    Warned,
    WordsPaused,
)
from stream.session.finalizing import FinalizeCommands
from stream.session.output import SessionOutput
from stream.session.quiet import QuietWatch
from stream.session.turns import SpeechLevels, is_whole, judge, turn_confidence
from stream.session.utterance import Utterance
from vad import (
    FRAME_BYTES,
    FRAME_SAMPLES,
    SAMPLE_BYTES,
    SAMPLE_RATE,
    EndReason,
    SegmentAudio,
    SegmentEnded,
    SegmentEvent,
    SegmentStarted,
    SpeechResumed,
    make_classifier,
    split_frames,
)

# More than this many unsettled utterances mean that the recognizer is behind; audio then waits unread.
MOST_OPEN_UTTERANCES = 4
# As many failed utterances in a row are no accident any more.
MOST_FAILURES_IN_A_ROW = 3
_REASONS = {EndReason.ENDPOINT: Reason.ENDPOINT, EndReason.LONGEST: Reason.MAX_UTTERANCE}


class State(Enum):
    """CONFIGURING until the first frame, STREAMING until the audio ends, DRAINING until all is settled."""

    CONFIGURING = auto()
    STREAMING = auto()
    DRAINING = auto()
    CLOSED = auto()


class Session:
    """Follows one connection from its first sample to its last final.

    Utterances of a channel are settled in the order in which they were spoken; unsettled text of several may
    interleave. What of all this a client gets is its protocol's decision.
    """

    def __init__(
        self,
        configured: Configured,
        classifier_factory: ClassifierFactory = make_classifier,
        origin: Origin = START,
    ) -> None:
        self.state = State.CONFIGURING
        self._origin = origin
        self._classifier_factory = classifier_factory
        self._channels: list[Channel] = []
        self._next_config: Configured | None = None
        self._utterance_count = origin.utterances
        # For each command to finalize that is to be answered: the last utterance that it is about.
        self._finalizing = FinalizeCommands()
        self._failures_in_a_row = 0
        self._output = SessionOutput(origin)
        self._quiet = QuietWatch(origin.samples)
        self._ending: AudioEnded | None = None
        self._apply(configured)
        self._output.emit(Ready(self._config, self._options.language_code, self.progress))

    @property
    def is_full(self) -> bool:
        """Whether further frames have to wait for a final."""
        return sum(len(channel.unsettled) for channel in self._channels) >= MOST_OPEN_UTTERANCES

    @property
    def progress(self) -> Progress:
        """How far the session is."""
        return Progress(self._channels[0].position, min(channel.settled for channel in self._channels))

    @property
    def is_in_utterance(self) -> bool:
        return any(channel.speaking is not None for channel in self._channels)

    @property
    def ends_with_pause(self) -> bool:
        """Whether an utterance is open that ends when nothing is received for a while."""
        return self.is_in_utterance and not self._config.is_manual

    def receive(self, event: SessionInput) -> None:
        """Take an event; what follows from it is in `take_orders` and `take_events`."""
        if self.state is State.CLOSED:
            return
        match event:
            case AudioReceived(pcm):
                self._receive_audio(pcm)
            case Configured():
                self._configure(event)
            case UtteranceFinalized() | UtteranceDiscarded() | SenderPaused():
                self._end_utterances(event)
            case FellBehind() | LimitNears():
                self._warn(event)
            case AudioEnded():
                self._end_audio(event)
            case HypothesisReceived():
                self._receive_hypothesis(event)
            case RecognitionFailed():
                self._fail(event)

    def take_orders(self) -> list[Order]:
        """Return the orders since the last call."""
        return self._output.take_orders()

    def take_events(self) -> list[ClientEvent]:
        """Return the events since the last call."""
        return self._output.take_events()

    # --- audio in ---

    def _receive_audio(self, pcm: tuple[bytes, ...]) -> None:
        """Take frames; what follows from them is the same however many come at once."""
        if self.state is State.CONFIGURING:
            self._enter(State.STREAMING)
        if self.state is not State.STREAMING:
            return
        if len(pcm) == 1:
            rest = pcm[0]
            while rest:
                rest = rest[self._receive_part(rest) :]
            return
        for channel, samples in zip(self._channels, pcm, strict=True):
            channel.classify(samples)
        for frames in zip(*map(split_frames, pcm), strict=True):
            for channel, frame in zip(self._channels, frames, strict=True):
                events, _ = channel.push(frame)
                self._follow(channel, events, Reason.ENDPOINT)
            self._received(frames)

    def _receive_part(self, pcm: bytes) -> int:
        """Take frames of the only channel up to the end of a segment or a warning; return how many bytes."""
        part = pcm[: self._bytes_to_warning]
        events, rest = self._channels[0].push(part)
        taken = part[: len(part) - len(rest)]
        self._follow(self._channels[0], events, Reason.ENDPOINT)
        self._received([taken])
        return len(taken)

    def _received(self, pcm: Sequence[bytes]) -> None:
        self._output.samples.received += sum(map(len, pcm)) // SAMPLE_BYTES
        for channel in self._channels:
            self._emit_pause(channel, channel.earliest_onset)
        if self._watches_for_words and (detail := self._quiet.receive(pcm, self._decided)) is not None:
            self._output.emit(Warned("quiet", detail))

    @property
    def _bytes_to_warning(self) -> int | None:
        """After how many bytes of whole frames a warning may be due; None while none is."""
        missing = self._quiet.missing_samples(self._decided) if self._watches_for_words else None
        return None if missing is None else max(1, -(-missing // FRAME_SAMPLES)) * FRAME_BYTES

    @property
    def _watches_for_words(self) -> bool:
        """Whether missing words can be noticed: not with neither a detector nor unsettled text."""
        return self._config.vad != OFF or self._config.interim_results

    @property
    def _decided(self) -> int:
        """The sample before which all words are known: an open utterance may have words until it is settled."""
        if self._config.vad == OFF:
            return self._channels[0].position
        return min(channel.unsettled[0].start if channel.unsettled else channel.position for channel in self._channels)

    def _end_utterances(self, event: UtteranceFinalized | UtteranceDiscarded | SenderPaused) -> None:
        match event:
            case UtteranceFinalized(channel):
                self._finalize(channel)
            case UtteranceDiscarded():
                self._discard()
            case SenderPaused():
                self._cut(Reason.IDLE)

    def _finalize(self, number: int | None) -> None:
        for channel in self._channels:
            if number not in (None, channel.index):
                continue
            if self._config.vad != OFF or not self._options.forces_endpoints:
                self._follow(channel, channel.cut(), Reason.FINALIZE)
            elif channel.speaking is not None:
                channel.speaking.is_forced = True
                self._output.order(ForceEndpoint(channel.speaking.stream_id))
        self._finalizing.add(self._utterance_count, number)
        self._emit_finalized()

    def _discard(self) -> None:
        for channel in self._channels:
            utterance = channel.discard()
            if utterance is not None:
                self._output.samples.skipped += channel.position - utterance.start
                self._output.order(AbandonStream(utterance.stream_id))
        self._apply_next()
        self._output.emit(Discarded())
        self._emit_finalized()

    def _emit_finalized(self) -> None:
        """Answer the commands to finalize whose utterances are all settled."""
        for channel in self._finalizing.take(self._channels):
            self._output.emit(Finalized(channel))

    def _cut(self, reason: Reason) -> None:
        for channel in self._channels:
            self._follow(channel, channel.cut(), reason)

    def _follow(self, channel: Channel, segment_events: list[SegmentEvent], cut_reason: Reason) -> None:
        for event in segment_events:
            match event:
                case SegmentStarted(start, onset):
                    self._open_utterance(channel, start, onset)
                case SegmentAudio(_, pcm) if channel.speaking is not None:
                    self._output.order(SendAudio(channel.speaking.stream_id, pcm))
                    if channel.speaking.levels is not None:
                        channel.speaking.levels.add(pcm)
                case SpeechResumed(start) if channel.speaking is not None:
                    self._resume_turn(channel.speaking, start)
                case SegmentEnded(end, speech_end, reason):
                    self._finish_utterance(channel, end, speech_end, _REASONS.get(reason, cut_reason))
                    self._follow(channel, channel.resume(), cut_reason)

    def _open_utterance(self, channel: Channel, start: int, onset: int) -> None:
        self._emit_pause(channel, onset)
        self._utterance_count += 1
        utterance = Utterance(self._utterance_count, self._utterance_count, channel.index, start, start)
        channel.speaking = utterance
        channel.unsettled.append(utterance)
        is_detected = self._config.vad not in (MANUAL, OFF)
        utterance.onset = onset if is_detected else None
        utterance.levels = SpeechLevels() if self._config.is_adaptive else None
        self._output.samples.skipped += start - channel.segmented
        self._output.order(OpenStream(utterance.stream_id, self._options))
        if self._config.vad != OFF:
            self._output.emit(SpeechStarted(utterance.utterance_id, onset, channel.index, is_detected))

    def _finish_utterance(self, channel: Channel, end: int, speech_end: int, reason: Reason) -> None:
        utterance, channel.speaking = channel.speaking, None
        if utterance is None:
            return
        utterance.end = channel.segmented = end
        utterance.speech_end = speech_end
        utterance.reason = reason
        self._output.order(FinishStream(utterance.stream_id))
        if self._config.vad != OFF:
            self._output.emit(SpeechEnded(utterance.utterance_id, end, channel.index))
        if self._config.is_adaptive and reason is Reason.ENDPOINT:
            self._emit_turn_end(utterance, end, end - speech_end, is_eager=False)
        self._apply_next()

    # --- configuration ---

    def _configure(self, event: Configured) -> None:
        if self._config.is_manual and not event.config.is_manual:
            # No command to end the open utterance may come any more.
            self._cut(Reason.FINALIZE)
        if self.is_in_utterance:
            self._next_config = event
        else:
            self._apply(event)
        if not event.is_silent:
            self._output.emit(Ready(event.config, event.options.language_code, self.progress))

    def _apply_next(self) -> None:
        """Apply a configuration that waits for the end of an utterance."""
        if self._next_config is not None and not self.is_in_utterance:
            self._apply(self._next_config)

    def _apply(self, event: Configured) -> None:
        self._next_config = None
        self._config = event.config
        self._options = event.options
        if self.state is State.CONFIGURING:
            self._channels = [
                Channel(index, event.config, self._classifier_factory, self._origin.samples)
                for index in range(event.config.channels)
            ]
            self._output.begin(event.config.channels)
        for channel in self._channels:
            channel.configure(event.config)

    # --- hypotheses in ---

    def _receive_hypothesis(self, event: HypothesisReceived) -> None:
        channel, utterance = self._find(event.stream_id)
        if channel is None or utterance is None:
            return
        hypothesis = event.hypothesis
        if hypothesis.is_segment_final:
            self._utterance_count += 1
            channel.split(utterance, self._boundary(channel, utterance, hypothesis.processed), self._utterance_count)
            utterance.reason = Reason.FINALIZE if utterance.is_forced else Reason.RECOGNIZER
        utterance.receive(hypothesis, event.latency)
        self._judge_pause(channel, utterance, hypothesis)
        if hypothesis.best.words:
            self._quiet.find(self._channels[0].position)
        if hypothesis.is_final:
            self._output.inference_seconds += event.latency.recognizer_seconds
            self._failures_in_a_row = 0
        self._emit_news()

    def _judge_pause(self, channel: Channel, utterance: Utterance, hypothesis: Hypothesis) -> None:
        """Decide by an early text how long the present pause has to be to end the utterance."""
        is_current = utterance is channel.speaking and utterance.origin + hypothesis.processed >= channel.speech_end
        if utterance.levels is None or not is_current or not is_whole(hypothesis):
            return
        fall = utterance.levels.fall(channel.speech_end - utterance.start)
        utterance.verdict = judge(hypothesis, fall, self._config.hangover_ms, self._options.language_code)
        events = channel.set_hangover(utterance.verdict.hangover_frames)
        if utterance.verdict.is_eager and not events and not utterance.has_eager_end:
            utterance.has_eager_end = True
            silent_samples = channel.position - channel.speech_end
            self._emit_turn_end(utterance, channel.position, silent_samples, is_eager=True)
        self._follow(channel, events, Reason.ENDPOINT)

    def _emit_turn_end(self, utterance: Utterance, end: int, silent_samples: int, *, is_eager: bool) -> None:
        confidence = turn_confidence(utterance.verdict, silent_samples)
        self._output.emit(TurnEnded(utterance.utterance_id, end, confidence, is_eager, utterance.channel))

    def _resume_turn(self, utterance: Utterance, start: int) -> None:
        """Forget the verdict on a pause after which speech goes on."""
        utterance.verdict = None
        if utterance.has_eager_end:
            utterance.has_eager_end = False
            self._output.emit(TurnResumed(utterance.utterance_id, start, utterance.channel))

    def _boundary(self, channel: Channel, utterance: Utterance, processed: int) -> int:
        """Where the recognizer settled a stretch of its stream."""
        last = utterance.end if utterance.is_complete else channel.position
        return max(utterance.start, min(utterance.origin + processed, last)) if processed else last

    def _fail(self, failed: RecognitionFailed) -> None:
        channel, utterance = self._find(failed.stream_id)
        if channel is None or utterance is None:
            return
        if utterance is channel.speaking:
            self._follow(channel, channel.cut(), Reason.GAP)
        self._lose(utterance, utterance.origin + failed.settled)
        # A recognizer that sends text and no finals has not failed.
        self._failures_in_a_row += not failed.is_only_final_owed
        self._emit_news()
        if self._failures_in_a_row >= MOST_FAILURES_IN_A_ROW and self.state is not State.CLOSED:
            self._give_up()

    def _lose(self, utterance: Utterance, settled: int) -> None:
        """Settle an utterance with what is known of it; its audio from `settled` on is lost."""
        utterance.lose(settled)
        start, end = utterance.end - utterance.lost, utterance.end
        detail = (
            f"the recognizer failed; audio from {start / SAMPLE_RATE:.2f} to {end / SAMPLE_RATE:.2f} seconds "
            "may be missing in the text"
        )
        self._output.emit(Warned("gap", detail, start, end, utterance.channel))

    def _find(self, stream_id: int) -> tuple[Channel | None, Utterance | None]:
        for channel in self._channels:
            utterance = channel.find(stream_id)
            if utterance is not None:
                return channel, utterance
        return None, None

    # --- events out ---

    def _warn(self, event: FellBehind | LimitNears) -> None:
        match event:
            case FellBehind(whom):
                self._output.emit(Warned("slow", f"audio waits: {whom} is behind"))
            case LimitNears(seconds):
                self._output.emit(Warned("limit", f"the connection ends in {seconds:g} seconds"))

    def _emit_news(self) -> None:
        for channel in self._channels:
            while (utterance := channel.pop_settled()) is not None:
                channel.pauses.settle(self._output.emit_settled(utterance, self.progress))
                self._emit_pause(channel, channel.earliest_onset)
            if self._config.interim_results:
                self._output.emit_unsettled(channel, self.progress)
        self._emit_finalized()
        self._finish_if_drained()

    def _emit_pause(self, channel: Channel, decided: int) -> None:
        last_word_end = channel.pauses.take(decided, channel.unsettled)
        if last_word_end is not None:
            self._output.emit(WordsPaused(last_word_end, channel.index))

    # --- the end ---

    def _end_audio(self, event: AudioEnded) -> None:
        if self.state is State.DRAINING:
            return
        self._cut(Reason(event.cause.value))
        self._ending = event
        self._enter(State.DRAINING)
        self._finish_if_drained()

    def _give_up(self) -> None:
        detail = f"the recognizer failed {MOST_FAILURES_IN_A_ROW} times in a row; try again later"
        self._ending = AudioEnded(EndCause.ERROR, ClientError(Problem.RECOGNIZER_FAILED, detail))
        self._cut(Reason.ERROR)
        for channel in self._channels:
            for utterance in channel.unsettled:
                self._output.order(AbandonStream(utterance.stream_id))
                if not utterance.is_settled:
                    self._lose(utterance, utterance.start)
        self._enter(State.DRAINING)
        self._emit_news()

    def _finish_if_drained(self) -> None:
        if self._ending is None or self.state is not State.DRAINING or any(c.unsettled for c in self._channels):
            return
        for channel in self._channels:
            self._emit_pause(channel, channel.position)
            self._output.samples.skipped += channel.position - channel.segmented
        self._enter(State.CLOSED)
        self._output.emit_finished(self._channels[0].position, self._ending)

    def _enter(self, state: State) -> None:
        self.state = state
