"""One channel of a session: its segmenter and its utterances, in the order in which they were spoken."""

from collections import deque
from typing import Protocol

from stream.configuration.config import MANUAL, OFF, SessionConfig
from stream.session.pauses import PauseWatch
from stream.session.utterance import Utterance
from vad import FRAME_BYTES, FRAME_SAMPLES, FrameClassifier, Segmenter, SegmentEvent


class ClassifierFactory(Protocol):
    """Makes the frame classifier of a kind (`webrtc`, `silero`) for an aggressiveness from 0 to 3."""

    def __call__(self, kind: str, aggressiveness: int, /) -> FrameClassifier: ...


class Channel:
    """Turns frames into segments; `unsettled` are the utterances whose final has not been emitted."""

    def __init__(
        self, index: int, config: SessionConfig, classifier_factory: ClassifierFactory, position: int = 0
    ) -> None:
        """Begin at a position of the session's clock."""
        self.index = index
        self.unsettled: deque[Utterance] = deque()
        self.speaking: Utterance | None = None
        self.segmented = position
        self.pauses = PauseWatch(config.pause_ms)
        self._classifier_factory = classifier_factory
        self._segmenter = Segmenter(config.segmenter_options, position)
        self._detector = config.vad, config.vad_aggressiveness
        self._classifier = self._make_classifier()
        self._classified = b""

    @property
    def position(self) -> int:
        """The sample that comes next."""
        return self._segmenter.position

    @property
    def settled(self) -> int:
        """The sample before which everything is in an emitted final or skipped for good."""
        return self.unsettled[0].start if self.unsettled else self._segmenter.held_from

    @property
    def earliest_onset(self) -> int:
        """The sample before which the speech of no further utterance begins."""
        if self._classifier is None:
            return self.position
        return self.position - self._segmenter.options.onset_window_frames * FRAME_SAMPLES

    def configure(self, config: SessionConfig) -> None:
        """Apply a changed configuration; only between utterances."""
        self._segmenter.options = config.segmenter_options
        if self._detector != (config.vad, config.vad_aggressiveness):
            self._detector = config.vad, config.vad_aggressiveness
            self._classifier = self._make_classifier()
            self._classified = b""

    def push(self, pcm: bytes) -> tuple[list[SegmentEvent], bytes]:
        """Take frames, `int16[n_samples]`, up to the end of a segment; return what happened, and the other frames.

        The other frames are to be pushed next. A frame shorter than 10 ms is the last of the channel, and no speech.
        """
        self.classify(pcm)
        n_frames = -(-len(pcm) // FRAME_BYTES)
        events, taken = self._segmenter.push(pcm, self._classified[:n_frames])
        self._classified = self._classified[taken:]
        return events, pcm[taken * FRAME_BYTES :]

    def classify(self, pcm: bytes) -> None:
        """Classify the frames that are pushed next, all at once: frame by frame costs several times as much."""
        n_frames, first = -(-len(pcm) // FRAME_BYTES), len(self._classified)
        if first >= n_frames:
            return
        whole = pcm[first * FRAME_BYTES : len(pcm) // FRAME_BYTES * FRAME_BYTES]
        if self._classifier is not None and whole:
            self._classified += self._classifier.classify(whole)
        self._classified += bytes(n_frames - len(self._classified))

    @property
    def speech_end(self) -> int:
        """The end of the latest speech of the open segment."""
        return self._segmenter.speech_end

    def set_hangover(self, frames: int) -> list[SegmentEvent]:
        """End the open segment after `frames` without speech, unless speech goes on before."""
        return self._segmenter.set_hangover(frames)

    def resume(self) -> list[SegmentEvent]:
        """Open the next segment at once if it begins with audio that was received before the last one was cut."""
        return self._segmenter.resume()

    def cut(self) -> list[SegmentEvent]:
        """End the open segment here."""
        return self._segmenter.cut()

    def discard(self) -> Utterance | None:
        """Drop the open segment and what may become part of one; return its utterance, which is no longer unsettled."""
        utterance, self.speaking = self.speaking, None
        self._segmenter.cut()
        self._segmenter.forget()
        if utterance is not None:
            self.unsettled.remove(utterance)
            self.segmented = self.position
        return utterance

    def find(self, stream_id: int) -> Utterance | None:
        """Return the utterance that a stream is about, unless it is settled: nothing that comes later changes it."""
        return next((u for u in self.unsettled if u.stream_id == stream_id and not u.is_settled), None)

    def split(self, utterance: Utterance, position: int, next_id: int) -> None:
        """End an utterance at `position` because the recognizer settled it; its stream goes on with the next."""
        following = Utterance(next_id, utterance.stream_id, self.index, position, utterance.origin)
        following.end, following.speech_end, following.reason = utterance.end, utterance.speech_end, utterance.reason
        utterance.end = utterance.speech_end = position
        if self.speaking is utterance:
            self.speaking = following
        self.unsettled.insert(self.unsettled.index(utterance) + 1, following)

    def pop_settled(self) -> Utterance | None:
        """Take the earliest utterance away if it is settled."""
        first = self.unsettled[0] if self.unsettled else None
        if first is None or not first.is_settled or not first.is_complete:
            return None
        return self.unsettled.popleft()

    def _make_classifier(self) -> FrameClassifier | None:
        kind, aggressiveness = self._detector
        if kind == OFF:
            return None
        # Commands end a manual utterance; where it is too long, it is cut at a frame without speech.
        return self._classifier_factory("webrtc" if kind == MANUAL else kind, aggressiveness)
