"""Owns the segment: where speech begins, where it ends, and which samples belong to it."""

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto

from vad.frames import FRAME_SAMPLES, SAMPLE_BYTES


class EndReason(Enum):
    """Why a segment ended."""

    ENDPOINT = auto()
    LONGEST = auto()
    CUT = auto()


@dataclass(frozen=True, slots=True)
class SegmenterOptions:
    """All spans in 10 ms frames.

    Speech opens a segment when `onset` of the last `onset_window` frames are speech; an `onset` of 0
    opens one at the first frame, whatever it holds. The segment reaches back `preroll` frames before
    those that opened it and ends after `hangover` frames without speech. In the last
    `longest_search` frames before `longest` it ends at the first frame that is not speech.
    """

    onset: int = 8
    onset_window: int = 12
    preroll: int = 30
    hangover: int = 60
    longest: int = 2000
    longest_search: int = 200

    def __post_init__(self) -> None:
        if not 0 <= self.onset <= self.onset_window:
            raise ValueError(f"onset is {self.onset}; it must be between 0 and onset_window, {self.onset_window}")
        if self.preroll < 0 or self.hangover < 1:
            raise ValueError(f"preroll is {self.preroll}, hangover {self.hangover}; at least 0 and 1 are needed")
        if self.longest <= self.longest_search + self.preroll + self.onset_window:
            raise ValueError(f"longest is {self.longest}; it must exceed longest_search, preroll and onset_window")


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


SegmentEvent = SegmentStarted | SegmentAudio | SegmentEnded


class Segmenter:
    """Finds segments in a stream of frames; positions are samples since the first frame.

    Segments never overlap and are never changed afterwards: the pre-roll stops at the end of the
    previous segment. After a segment was cut at its longest, the next one opens at once, so that
    continuous speech loses no sample.
    """

    def __init__(self, options: SegmenterOptions) -> None:
        self.options = options
        self._position = 0
        self._open = False
        self._start = 0
        self._speech_end = 0
        self._silent_frames = 0
        self._continues = False
        self._recent: deque[tuple[bytes, bool]] = deque()

    @property
    def position(self) -> int:
        """Samples received so far."""
        return self._position

    @property
    def held_from(self) -> int:
        """The earliest sample that may still become part of a segment; everything before is decided."""
        return self._start if self._open else self._position - sum(len(pcm) for pcm, _ in self._recent) // SAMPLE_BYTES

    @property
    def is_open(self) -> bool:
        return self._open

    def push(self, frame: bytes, is_speech: bool) -> list[SegmentEvent]:
        """Take the next frame; it may be shorter than 10 ms only if it is the stream's last."""
        begin = self._position
        self._position += len(frame) // SAMPLE_BYTES
        if self._open:
            return self._extend(begin, frame, is_speech)
        self._recent.append((frame, is_speech))
        if self._continues or self._is_onset():
            return self._start_segment()
        while len(self._recent) > self.options.preroll + self.options.onset_window:
            self._recent.popleft()
        return []

    def cut(self) -> list[SegmentEvent]:
        """End the open segment here; what comes next needs a new onset."""
        self._continues = False
        return [self._end_segment(EndReason.CUT)] if self._open else []

    def _is_onset(self) -> bool:
        if not self.options.onset:
            return True
        window = list(self._recent)[-self.options.onset_window :]
        return sum(is_speech for _, is_speech in window) >= self.options.onset

    def _start_segment(self) -> list[SegmentEvent]:
        frames = list(self._recent)
        self._recent.clear()
        first = 0 if self._continues else max(0, len(frames) - self.options.onset_window)
        speech = [index for index, (_, is_speech) in enumerate(frames) if is_speech and index >= first]
        opening, closing = (speech[0], speech[-1] + 1) if speech else (first, 0)
        pcm = b"".join(frame for frame, _ in frames[max(0, opening - self.options.preroll) :])
        self._start = self._position - len(pcm) // SAMPLE_BYTES
        onset = max(self._start, self._position - (len(frames) - opening) * FRAME_SAMPLES)
        self._silent_frames = len(frames) - closing
        self._speech_end = max(self._start, self._position - self._silent_frames * FRAME_SAMPLES)
        self._open = True
        self._continues = False
        return [SegmentStarted(self._start, onset), SegmentAudio(self._start, pcm)]

    def _extend(self, begin: int, frame: bytes, is_speech: bool) -> list[SegmentEvent]:
        events: list[SegmentEvent] = [SegmentAudio(begin, frame)]
        if is_speech:
            self._silent_frames = 0
            self._speech_end = self._position
        else:
            self._silent_frames += 1
        length_frames = (self._position - self._start) // FRAME_SAMPLES
        if self._silent_frames >= self.options.hangover:
            events.append(self._end_segment(EndReason.ENDPOINT))
        elif length_frames >= self.options.longest or (
            length_frames >= self.options.longest - self.options.longest_search and not is_speech
        ):
            self._continues = True
            events.append(self._end_segment(EndReason.LONGEST))
        return events

    def _end_segment(self, reason: EndReason) -> SegmentEnded:
        self._open = False
        return SegmentEnded(self._position, self._speech_end, reason)
