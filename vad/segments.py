"""What a segmenter is given and what it finds: options, and the events of segments."""

from dataclasses import dataclass
from enum import Enum, auto


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
    those that opened it and ends after `hangover_frames` without speech. At `longest_frames` it is cut at the best
    place within the last `longest_search_frames`, sooner where speech goes on after a clear pause there.
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
    """The next samples of the open segment, `int16[n_samples]`, beginning at sample `start`.

    `speech` has a byte for each of their frames: 1 for speech, 0 for none.
    """

    start: int
    pcm: bytes
    speech: bytes


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
