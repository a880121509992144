"""Segmentation: where speech begins and ends, and which samples belong to it."""

from vad.classification import FrameClassifier
from vad.cut_search import CutSearch
from vad.frames import FRAME_BYTES, FRAME_SAMPLES, SAMPLE_BYTES
from vad.segments import (
    EndReason,
    SegmentAudio,
    SegmentEnded,
    SegmenterOptions,
    SegmentEvent,
    SegmentStarted,
    SpeechResumed,
)


class Segmenter:
    """Finds segments in a stream of frames; positions are samples, the first one that of the first frame.

    Segments never overlap and are never changed afterwards: the pre-roll stops at the end of the
    previous segment. Shortly before its longest, the audio behind the best cut so far is held back. After a segment was
    cut there, the next one begins with that audio, so that continuous speech loses no sample.
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
        # Near the longest: the search for a cut, where it began, and the end of the speech that is not held back.
        self._search: CutSearch | None = None
        self._search_start = 0
        self._released_speech_end = 0
        # The latest frames outside of segments, or those that are held back, and the classification of each.
        self._recent_pcm = bytearray()
        self._recent_speech = bytearray()

    @property
    def position(self) -> int:
        """Samples received so far."""
        return self._position

    @property
    def held_from(self) -> int:
        """The earliest sample that may still become part of a segment; everything before is decided."""
        return self._start if self._open else self._recent_start

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
        return self._end_segment(EndReason.ENDPOINT) if self._silent_frames >= frames else []

    def push(self, pcm: bytes, speech: bytes) -> tuple[list[SegmentEvent], int]:
        """Take the next frames, `int16[n_samples]`, with a byte in `speech` for each: 1 for speech, 0 for none.

        Only the stream's last frame may be shorter than 10 ms. Return what happened and how many frames were taken:
        no more follow the end of a segment, so that the next one may begin with other options. `resume` it then.
        """
        if self._open:
            return self._extend(pcm, speech, 0)
        taken = self._find_onset(pcm, speech)
        if taken is None:
            return [], len(speech)
        started = self._started()
        if taken == len(speech):
            return started, taken
        events, taken = self._extend(pcm, speech, taken)
        return started + events, taken

    def resume(self) -> list[SegmentEvent]:
        """Open the next segment at once if it begins with audio that was held back."""
        return self._started() if self._continues and self._recent_speech else []

    def cut(self) -> list[SegmentEvent]:
        """End the open segment here; what comes next needs a new onset."""
        events = self.resume()
        self._continues = False
        return events + self._end_segment(EndReason.CUT) if self._open else []

    def forget(self) -> None:
        """Drop the frames outside of segments, so that no later segment reaches back to them."""
        self._recent_pcm.clear()
        self._recent_speech.clear()

    def _find_onset(self, pcm: bytes, speech: bytes) -> int | None:
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

    @property
    def _recent_start(self) -> int:
        return self._position - len(self._recent_pcm) // SAMPLE_BYTES

    def _started(self) -> list[SegmentEvent]:
        frames, options = len(self._recent_speech), self.options
        first = 0 if self._continues else max(0, frames - options.onset_window_frames)
        opening = self._recent_speech.find(1, first)
        closing = self._recent_speech.rfind(1, first) + 1
        if opening < 0:
            opening = first
        self._forget(frames if self._continues else frames - opening + options.preroll_frames)
        self._start = self._recent_start
        onset = max(self._start, self._position - (frames - opening) * FRAME_SAMPLES)
        self._silent_frames = frames - closing
        self._speech_end = max(self._start, self._position - self._silent_frames * FRAME_SAMPLES)
        self._open = True
        self._continues = False
        return [SegmentStarted(self._start, onset), *self._release(self._position)]

    def _extend(self, pcm: bytes, speech: bytes, first: int) -> tuple[list[SegmentEvent], int]:
        """Add frames from number `first` on to the open segment, up to its end; return the number of the next frame."""
        begin, last = self._position, len(pcm) // SAMPLE_BYTES
        events: list[SegmentEvent] = []
        ended: list[SegmentEvent] = []
        index = held_from = first
        while index < len(speech) and not ended:
            is_speech, frame_start = bool(speech[index]), self._position
            index += 1
            self._position = begin + min(index * FRAME_SAMPLES, last) - first * FRAME_SAMPLES
            if is_speech and self._hangover_frames is not None:
                self._hangover_frames = None
                events.append(SpeechResumed(frame_start))
            self._note(frame_start, is_speech=is_speech)
            if self._search is None:
                held_from = index
                ended = self._ended()
            else:
                frame = pcm[(index - 1) * FRAME_BYTES : index * FRAME_BYTES]
                ended = self._hold(self._search, frame, speech[index - 1 : index])
        if held_from > first:
            audio = pcm[first * FRAME_BYTES : held_from * FRAME_BYTES]
            events.append(SegmentAudio(begin, audio, speech[first:held_from]))
        if self._search is not None:
            ended = self._release(self._best_cut)
        return events + ended, index

    def _note(self, frame_start: int, *, is_speech: bool) -> None:
        """Count the latest frame of the open segment, and begin to search for a cut if it is near its longest."""
        search_from = self.options.longest_frames - self.options.longest_search_frames
        if self._search is None and frame_start - self._start >= search_from * FRAME_SAMPLES:
            self._search, self._search_start = CutSearch(), frame_start
            self._released_speech_end = self._speech_end
        if is_speech:
            self._silent_frames = 0
            self._speech_end = self._position
        else:
            self._silent_frames += 1

    def _hold(self, search: CutSearch, frame: bytes, speech: bytes) -> list[SegmentEvent]:
        """Hold a frame back; return the end of the segment if it ends now."""
        self._recent_pcm += frame
        self._recent_speech += speech
        if search.is_in_clear_pause and any(speech):
            return self._end_segment(EndReason.LONGEST)
        search.add(frame, is_speech=any(speech))
        return self._ended()

    def _ended(self) -> list[SegmentEvent]:
        """Decide whether the open segment ends behind the latest frame."""
        options = self.options
        if self._silent_frames >= (self._hangover_frames or options.hangover_frames):
            return self._end_segment(EndReason.ENDPOINT)
        if self._position - self._start >= options.longest_frames * FRAME_SAMPLES:
            return self._end_segment(EndReason.LONGEST)
        return []

    @property
    def _best_cut(self) -> int:
        return self._position if self._search is None else self._search_start + self._search.best_frames * FRAME_SAMPLES

    def _end_segment(self, reason: EndReason) -> list[SegmentEvent]:
        """End the open segment here, at its longest where its best cut is."""
        self._continues = reason is EndReason.LONGEST
        end = self._best_cut if self._continues else self._position
        released = self._release(end)
        speech_end = self._speech_end if end == self._position else self._released_speech_end
        self._open = False
        self._search = None
        self._hangover_frames = None
        return [*released, SegmentEnded(end, speech_end, reason)]

    def _release(self, end: int) -> list[SegmentEvent]:
        """Return the audio before sample `end` that is held back, if there is any."""
        start = self._recent_start
        n_bytes = (end - start) * SAMPLE_BYTES
        if n_bytes <= 0:
            return []
        pcm, speech = bytes(self._recent_pcm[:n_bytes]), bytes(self._recent_speech[: -(-n_bytes // FRAME_BYTES)])
        del self._recent_pcm[:n_bytes]
        del self._recent_speech[: len(speech)]
        if 1 in speech:
            self._released_speech_end = start + (speech.rfind(1) + 1) * FRAME_SAMPLES
        return [SegmentAudio(start, pcm, speech)]


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
