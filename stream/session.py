"""Owns the decisions of one connection: which samples belong to which utterance, what is ordered, what is told.

A core without I/O: `receive` an event, then drain `take_orders` and `take_events`. Its only clock is the
count of received samples.
"""

from collections import deque
from enum import Enum, auto
from typing import Protocol

from stream.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.events import (
    AbandonStream,
    AudioEnded,
    ClientEvent,
    Configured,
    EndCause,
    Finished,
    FinishStream,
    FrameReceived,
    Hypothesis,
    HypothesisReceived,
    OpenStream,
    Order,
    Reason,
    RecognitionFailed,
    RecognitionOptions,
    SendAudio,
    SenderPaused,
    SessionInput,
    Settled,
    Totals,
)
from stream.utterance import Utterance
from vad import (
    FRAME_BYTES,
    SAMPLE_BYTES,
    EndReason,
    FrameClassifier,
    SegmentAudio,
    SegmentEnded,
    Segmenter,
    SegmentEvent,
    SegmentStarted,
    WebRtcClassifier,
)

# More than this many unsettled utterances mean that the recognizer is behind; audio then waits unread.
MOST_OPEN_UTTERANCES = 4
_REASONS = {EndReason.ENDPOINT: Reason.ENDPOINT, EndReason.LONGEST: Reason.MAX_UTTERANCE}
# As many failed utterances in a row are no accident any more.
MOST_FAILURES_IN_A_ROW = 3


class State(Enum):
    """CONFIGURING until the first frame, STREAMING until the audio ends, DRAINING until all is settled."""

    CONFIGURING = auto()
    STREAMING = auto()
    DRAINING = auto()
    CLOSED = auto()


class ClassifierFactory(Protocol):
    """Makes the frame classifier for an aggressiveness from 0 to 3."""

    def __call__(self, aggressiveness: int, /) -> FrameClassifier: ...


class Session:
    """Follows one connection from its first sample to its last final.

    Utterances are settled in the order in which they were spoken, and nothing of an utterance is told
    before all earlier ones are settled.
    """

    def __init__(
        self, config: SessionConfig, language_code: str, classifier_factory: ClassifierFactory = WebRtcClassifier
    ) -> None:
        self.state = State.CONFIGURING
        self.config = config
        self._language_code = language_code
        self._classifier_factory = classifier_factory
        self._classifier = classifier_factory(config.vad_aggressiveness)
        self._segmenter = Segmenter(config.segmenter_options)
        self._next_config: Configured | None = None
        self._open: deque[Utterance] = deque()
        self._speaking: Utterance | None = None
        self._utterance_count = 0
        self._failures_in_a_row = 0
        self._segmented = 0
        self._totals = Totals()
        self._inference_seconds = 0.0
        self._settled: list[Settled] = []
        self._ending: AudioEnded | None = None
        self._orders: list[Order] = []
        self._events: list[ClientEvent] = []

    @property
    def is_full(self) -> bool:
        """Whether further frames have to wait for a final."""
        return len(self._open) >= MOST_OPEN_UTTERANCES

    @property
    def is_in_utterance(self) -> bool:
        return self._speaking is not None

    def receive(self, event: SessionInput) -> None:
        """Take in what happened; what it leads to is in `take_orders` and `take_events`."""
        if self.state is State.CLOSED:
            return
        match event:
            case FrameReceived(pcm):
                self._receive_frame(pcm)
            case Configured():
                self._configure(event)
            case SenderPaused():
                self._follow(self._segmenter.cut(), Reason.IDLE)
            case AudioEnded():
                self._end_audio(event)
            case HypothesisReceived(utterance_id, hypothesis, waited_seconds):
                self._receive_hypothesis(utterance_id, hypothesis, waited_seconds)
            case RecognitionFailed(utterance_id):
                self._fail(utterance_id)

    def take_orders(self) -> list[Order]:
        orders, self._orders = self._orders, []
        return orders

    def take_events(self) -> list[ClientEvent]:
        events, self._events = self._events, []
        return events

    # --- audio in ---

    def _receive_frame(self, pcm: bytes) -> None:
        if self.state is State.CONFIGURING:
            self._enter(State.STREAMING)
        if self.state is not State.STREAMING:
            return
        self._count(received=len(pcm) // SAMPLE_BYTES)
        is_whole = len(pcm) == FRAME_BYTES
        is_speech = is_whole and self._classifier.is_speech(pcm)
        self._follow(self._segmenter.push(pcm, is_speech), Reason.ENDPOINT)

    def _follow(self, segment_events: list[SegmentEvent], cut_reason: Reason) -> None:
        for event in segment_events:
            match event:
                case SegmentStarted(start):
                    self._open_utterance(start)
                case SegmentAudio(_, pcm):
                    self._send(pcm)
                case SegmentEnded(end, _, reason):
                    self._finish_utterance(end, _REASONS.get(reason, cut_reason))

    def _open_utterance(self, start: int) -> None:
        self._utterance_count += 1
        utterance = Utterance(self._utterance_count, start)
        self._speaking = utterance
        self._open.append(utterance)
        self._count(skipped=start - self._segmented)
        options = RecognitionOptions(
            self._language_code, max(1, self.config.max_alternatives), self.config.interim_results
        )
        self._orders.append(OpenStream(utterance.utterance_id, options))

    def _send(self, pcm: bytes) -> None:
        if self._speaking is not None:
            self._orders.append(SendAudio(self._speaking.utterance_id, pcm))

    def _finish_utterance(self, end: int, reason: Reason) -> None:
        utterance, self._speaking = self._speaking, None
        if utterance is None:
            return
        utterance.end = self._segmented = end
        utterance.reason = reason
        self._orders.append(FinishStream(utterance.utterance_id))
        if self._next_config is not None:
            self._apply(self._next_config)

    def _count(self, *, received: int = 0, recognized: int = 0, skipped: int = 0, lost: int = 0) -> None:
        totals = self._totals
        self._totals = Totals(
            totals.received + received, totals.recognized + recognized, totals.skipped + skipped, totals.lost + lost
        )

    # --- configuration ---

    def _configure(self, event: Configured) -> None:
        if self._speaking is None:
            self._apply(event)
        else:
            self._next_config = event

    def _apply(self, event: Configured) -> None:
        self._next_config = None
        if event.config.vad_aggressiveness != self.config.vad_aggressiveness:
            self._classifier = self._classifier_factory(event.config.vad_aggressiveness)
        self.config = event.config
        self._language_code = event.language_code
        self._segmenter.options = event.config.segmenter_options

    # --- hypotheses in ---

    def _receive_hypothesis(self, utterance_id: int, hypothesis: Hypothesis, waited_seconds: float) -> None:
        utterance = self._find(utterance_id)
        if utterance is None:
            return
        utterance.hear(hypothesis)
        if hypothesis.is_final:
            self._inference_seconds += waited_seconds
            self._failures_in_a_row = 0
        self._tell()

    def _fail(self, utterance_id: int) -> None:
        utterance = self._find(utterance_id)
        if utterance is None:
            return
        if utterance is self._speaking:
            self._follow(self._segmenter.cut(), Reason.GAP)
        utterance.reason = Reason.GAP
        utterance.is_settled = utterance.is_lost = True
        self._failures_in_a_row += 1
        self._tell()
        if self._failures_in_a_row >= MOST_FAILURES_IN_A_ROW and self.state is not State.CLOSED:
            self._give_up()

    def _find(self, utterance_id: int) -> Utterance | None:
        """The utterance, unless it is settled: nothing that comes later changes it."""
        return next((u for u in self._open if u.utterance_id == utterance_id and not u.is_settled), None)

    # --- what the client is told ---

    def _tell(self) -> None:
        while self._open and self._open[0].is_settled and self._open[0].is_complete:
            self._settle(self._open.popleft())
        if self._open and self._open[0].has_news:
            self._events.append(self._open[0].unsettled(self._inference_seconds))
        self._finish_if_drained()

    def _settle(self, utterance: Utterance) -> None:
        if utterance.is_lost:
            self._count(lost=utterance.length)
        else:
            self._count(recognized=utterance.length)
        settled = utterance.settled(self._inference_seconds)
        if settled.hypothesis.best.words:
            self._settled.append(settled)
        self._events.append(settled)

    # --- the end ---

    def _end_audio(self, event: AudioEnded) -> None:
        if self.state is State.DRAINING:
            return
        self._follow(self._segmenter.cut(), Reason(event.cause.value))
        self._ending = event
        self._enter(State.DRAINING)
        self._finish_if_drained()

    def _give_up(self) -> None:
        detail = f"the recognizer failed {MOST_FAILURES_IN_A_ROW} times in a row; try again later"
        self._ending = AudioEnded(EndCause.ERROR, ClientError(Problem.RECOGNIZER_FAILED, detail))
        self._follow(self._segmenter.cut(), Reason.ERROR)
        for utterance in self._open:
            self._orders.append(AbandonStream(utterance.utterance_id))
            utterance.is_settled = utterance.is_lost = True
        self._enter(State.DRAINING)
        self._tell()

    def _finish_if_drained(self) -> None:
        if self._ending is None or self._open or self.state is not State.DRAINING:
            return
        self._count(skipped=self._segmenter.position - self._segmented)
        self._enter(State.CLOSED)
        self._events.append(
            Finished(
                tuple(self._settled), self._totals, self._inference_seconds, self._ending.cause, self._ending.error
            )
        )

    def _enter(self, state: State) -> None:
        self.state = state
