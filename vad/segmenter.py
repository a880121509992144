"""Segmentation: where speech begins and ends, and which samples belong to it."""

from dataclasses import dataclass
from enum import Enum, auto

from vad.classification import FrameClassifier
from vad.frames import FRAME_BYTES, FRAME_SAMPLES, SAMPLE_BYTES


class EndReason(Enum):
    """Why a segment ended."""

    ENDPOINT = auto()
    LONGEST = auto()
    CUT = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmenterOptions:
    """All spans in 10 ms frames.

    Speech opens a segment when `onset_frames` of the last `onset_window_frames` are speech; an `onset_frames` of 0
    opens one at the first frame, whatever it holds. The segment reaches back `preroll_frames` before
    those that opened it and ends after `hangover_frames` without speech. In the last
    `longest_search_frames` before `longest_frames` it ends at the first frame that is not speech.
    """

    hangover_frames: int
    onset_frames: int = 8
    onset_window_frames: int = 12
    preroll_frames: int = 30
    longest_frames: int = 2000
    longest_search_frames: int = 200

    def __post_init__(self) -> None:
        onset, window = self.onset_frames, self.onset_window_frames
        preroll, hangover, longest = self.preroll_frames, self.hangover_frames, self.longest_frames
        if not 0 <= onset <= window:
            raise ValueError(f"onset_frames is {onset}; it must be between 0 and onset_window_frames, {window}")
        if preroll < 0 or hangover < 1:
            raise ValueError(f"preroll_frames is {preroll}, hangover_frames {hangover}; at least 0 and 1 are needed")
        if longest <= (least := self.longest_search_frames + preroll + window):
            raise ValueError(
                f"longest_frames is {longest}; it must exceed {least}, the sum of longest_search_frames, "
                "preroll_frames and onset_window_frames"
            )


@dataclass(frozen=True, slots=True)
class SegmentStarted:
    """Speech was found; `start` is the segment's first sample, `onset` the first of the speech in it."""

    start: int
    onset: int


@dataclass(frozen=True, slots=True)
class SegmentAudio:
    """The next samples of the open segment, `int16[n_samples]`, beginning at sample `start`."""

    start: int
    pcm: bytes


@dataclass(frozen=True, slots=True)
class SegmentEnded:
    """The segment is complete: it holds all samples before `end`; its last speech ended at `speech_end`."""

    end: int
    speech_end: int
    reason: EndReason


@dataclass(frozen=True, slots=True)
class SpeechResumed:
    """Speech goes on at sample `start`, after a pause whose hangover was set."""

    start: int


SegmentEvent = SegmentStarted | SegmentAudio | SegmentEnded | SpeechResumed


class Segmenter:
    """Finds segments in a stream of frames; positions are samples, the first one that of the first frame.

    Segments never overlap and are never changed afterwards: the pre-roll stops at the end of the
    previous segment. After a segment was cut at its longest, the next one opens at once, so that
    continuous speech loses no sample.
    """

    def __init__(self, options: SegmenterOptions, position: int = 0) -> None:
        self.options = options
        self._position = position
        self._open = False
        self._start = position
        self._speech_end = position
        self._silent_frames = 0
        # Set for the present pause only; None for that of the options.
        self._hangover_frames: int | None = None
        self._continues = False
        # The latest frames outside of segments, and the classification of each.
        self._recent_pcm = bytearray()
        self._recent_speech = bytearray()

    @property
    def position(self) -> int:
        """Samples received so far."""
        return self._position

    @property
    def held_from(self) -> int:
        """The earliest sample that may still become part of a segment; everything before is decided."""
        return self._start if self._open else self._position - len(self._recent_pcm) // SAMPLE_BYTES

    @property
    def is_open(self) -> bool:
        return self._open

    @property
    def speech_end(self) -> int:
        """The end of the latest speech of the open segment."""
        return self._speech_end

    def set_hangover(self, frames: int) -> list[SegmentEvent]:
        """End the open segment after `frames` without speech, at once if it has had as many; speech takes that back."""
        if not self._open:
            return []
        self._hangover_frames = frames
        return [self._end_segment(EndReason.ENDPOINT)] if self._silent_frames >= frames else []

    def push(self, pcm: bytes, speech: bytes) -> tuple[list[SegmentEvent], int]:
        """Take the next frames, `int16[n_samples]`, with a byte in `speech` for each: 1 for speech, 0 for none.

        Only the stream's last frame may be shorter than 10 ms. Return what happened and how many frames were taken:
        no more follow the end of a segment, so that the next one may begin with other options.
        """
        if self._open:
            return self._extend(pcm, speech, 0)
        taken = self._search(pcm, speech)
        if taken is None:
            return [], len(speech)
        started = self._started()
        if taken == len(speech):
            return started, taken
        events, taken = self._extend(pcm, speech, taken)
        return started + events, taken

    def cut(self) -> list[SegmentEvent]:
        """End the open segment here; what comes next needs a new onset."""
        self._continues = False
        return [self._end_segment(EndReason.CUT)] if self._open else []

    def forget(self) -> None:
        """Drop the frames outside of segments, so that no later segment reaches back to them."""
        self._recent_pcm.clear()
        self._recent_speech.clear()

    def _search(self, pcm: bytes, speech: bytes) -> int | None:
        """Look for the onset of a segment; return how many frames there are up to it, or None for no onset."""
        options = self.options
        most_frames = options.preroll_frames + options.onset_window_frames
        # Frames without speech make no onset of frames that were none.
        if not any(speech) and not self._continues and not self._is_onset():
            self._remember(pcm, speech)
            self._forget(most_frames)
            return None
        for index in range(len(speech)):
            frame = pcm[index * FRAME_BYTES : (index + 1) * FRAME_BYTES]
            self._remember(frame, speech[index : index + 1])
            if self._continues or self._is_onset():
                return index + 1
            self._forget(most_frames)
        return None

    def _is_onset(self) -> bool:
        onset_frames = self.options.onset_frames
        return self._recent_speech.count(1, -self.options.onset_window_frames) >= onset_frames

    def _remember(self, pcm: bytes, speech: bytes) -> None:
        self._recent_pcm += pcm
        self._recent_speech += speech
        self._position += len(pcm) // SAMPLE_BYTES

    def _forget(self, most_frames: int) -> None:
        excess_frames = len(self._recent_speech) - most_frames
        if excess_frames > 0:
            del self._recent_speech[:excess_frames]
            del self._recent_pcm[: excess_frames * FRAME_BYTES]

    def _started(self) -> list[SegmentEvent]:
        frames, options = len(self._recent_speech), self.options
        first = 0 if self._continues else max(0, frames - options.onset_window_frames)
        opening = self._recent_speech.find(1, first)
        closing = self._recent_speech.rfind(1, first) + 1
        if opening < 0:
            opening = first
        pcm = bytes(self._recent_pcm[max(0, opening - options.preroll_frames) * FRAME_BYTES :])
        self._recent_pcm.clear()
        self._recent_speech.clear()
        self._start = self._position - len(pcm) // SAMPLE_BYTES
        onset = max(self._start, self._position - (frames - opening) * FRAME_SAMPLES)
        self._silent_frames = frames - closing
        self._speech_end = max(self._start, self._position - self._silent_frames * FRAME_SAMPLES)
        self._open = True
        self._continues = False
        return [SegmentStarted(self._start, onset), SegmentAudio(self._start, pcm)]

    def _extend(self, pcm: bytes, speech: bytes, first: int) -> tuple[list[SegmentEvent], int]:
        """Add frames from number `first` on to the open segment, up to its end; return the number of the next frame."""
        begin, last = self._position, len(pcm) // SAMPLE_BYTES
        ended: SegmentEnded | None = None
        events: list[SegmentEvent] = []
        index = first
        while index < len(speech) and ended is None:
            is_speech = speech[index]
            index += 1
            self._position = begin + min(index * FRAME_SAMPLES, last) - first * FRAME_SAMPLES
            if is_speech:
                if self._hangover_frames is not None:
                    self._hangover_frames = None
                    events.append(SpeechResumed(begin + (index - 1 - first) * FRAME_SAMPLES))
                self._silent_frames = 0
                self._speech_end = self._position
            else:
                self._silent_frames += 1
            ended = self._ended(is_speech=bool(is_speech))
        events.append(SegmentAudio(begin, pcm[first * FRAME_BYTES : index * FRAME_BYTES]))
        if ended is not None:
            events.append(ended)
        return events, index

    def _ended(self, *, is_speech: bool) -> SegmentEnded | None:
        """Decide whether the open segment ends behind the latest frame."""
        options = self.options
        if self._silent_frames >= (self._hangover_frames or options.hangover_frames):
            return self._end_segment(EndReason.ENDPOINT)
        frames = (self._position - self._start) // FRAME_SAMPLES
        longest = options.longest_frames
        if frames >= longest or (frames >= longest - options.longest_search_frames and not is_speech):
            self._continues = True
            return self._end_segment(EndReason.LONGEST)
        return None

    def _end_segment(self, reason: EndReason) -> SegmentEnded:
        self._open = False
        self._hangover_frames = None
        return SegmentEnded(self._position, self._speech_end, reason)


def segment(segmenter: Segmenter, classifier: FrameClassifier, pcm: bytes) -> list[SegmentEvent]:
    """Classify and segment `int16[n_samples]`; where it ends inside a frame, that is the last one and no speech."""
    whole = pcm[: len(pcm) // FRAME_BYTES * FRAME_BYTES]
    speech = classifier.classify(whole) + bytes(len(pcm) > len(whole))
    events: list[SegmentEvent] = []
    taken = 0
    while taken < len(speech):
        more, frames = segmenter.push(pcm[taken * FRAME_BYTES :], speech[taken:])
        events += more
        taken += frames
    return events
