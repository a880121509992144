"""One utterance of a call: its audio so far, the decode that is due next, and the text so far."""

from dataclasses import dataclass
from enum import Enum, auto

from stream.engine.model.features import samples_of
from stream.engine.model.hypotheses import Decoding, Hypothesis, Search, Tokens
from stream.engine.scheduling.load_control import DecodeIntervals
from stream.engine.scheduling.work import DecodeRequest, Work
from stream.engine.text.transcript import Transcript
from vad import FRAME_SAMPLES, SAMPLE_BYTES, SAMPLE_RATE

# Partials from less audio than this are mostly wrong (measured).
FIRST_PARTIAL_SAMPLES = SAMPLE_RATE * 8 // 10

_TRUSTED_SAMPLES = 2 * SAMPLE_RATE  # decodes of less audio settle no word
# Audio without detected speech is decoded after so many steps all the same: the detector misses soft speech.
_SILENT_STEPS = 3
# Within less silence the detector may still find the end of a word.
_LEAST_PAUSE_SAMPLES = SAMPLE_RATE // 10
# Of the end of a text that is still shown although the newest decode has another one.
_CONTRADICTED_CONFIDENCE = 0.5
# A word has more detected speech than this, a click or a breath has less.
_STRAY_SAMPLES = 6 * FRAME_SAMPLES
_WORD_SAMPLES = SAMPLE_RATE  # of detected speech: less may be a single word
# The end of "six" or "eight" is as short as a click, and comes up to so long after the rest of the word.
_CLOSURE_SAMPLES = SAMPLE_RATE * 2 // 10


class UtteranceState(Enum):
    """GROWING until all audio is there, COMPLETE until the final is decoded, then SETTLED."""

    GROWING = auto()
    COMPLETE = auto()
    SETTLED = auto()


@dataclass(frozen=True, slots=True)
class Partial:
    """The text so far: `stable` will not change any more, `tail` may; the text is `stable + tail`.

    With `is_first_pass` it is the text of the whole utterance, which has probably ended. `ending_confidence` is from 0
    to 1 how sure its end is, 0.0 for unknown. One that is not `is_new` is the text that was sent last.
    """

    stable: str
    tail: str
    processed_samples: int
    is_first_pass: bool = False
    ending_confidence: float = 0.0
    is_new: bool = True

    @property
    def has_text(self) -> bool:
        return bool(self.stable or self.tail)


class Utterance:
    """An utterance that begins at sample `start_samples` of its call.

    It has a first pass after `first_pass_samples` without speech, None for no first pass. A model that `keeps_prefix`
    begins a decode with the settled words; with another one no words are settled before the final.
    """

    is_decoded_anew = True
    has_ended = False  # by the model: only the detector ends it

    def __init__(self, start_samples: int, first_pass_samples: int | None = None, *, keeps_prefix: bool = True) -> None:
        self.start_samples = start_samples
        self._first_pass_samples = first_pass_samples
        self._first_pass_speech_samples = -1
        self._keeps_prefix = keeps_prefix
        self.state = UtteranceState.GROWING
        self._language = ""
        self._pcm = bytearray()
        self._speech_end_samples = 0
        self._speech_samples = 0
        self._decoded_samples = 0
        self._decoded_speech_samples = 0
        self._early_speech_samples = -1
        self._early_pause_samples = 0
        self._transcript = Transcript()
        self._sent_tokens: Tokens = ()

    @property
    def n_samples(self) -> int:
        return len(self._pcm) // SAMPLE_BYTES

    @property
    def early_final_holds(self) -> bool:
        """Whether there was no speech since the audio of the last early final."""
        new_speech_samples = self._speech_samples - self._early_speech_samples
        stray_samples = _STRAY_SAMPLES if self._early_pause_samples >= _CLOSURE_SAMPLES else FRAME_SAMPLES
        return self._early_speech_samples >= 0 and new_speech_samples < stray_samples

    @property
    def wants_first_pass(self) -> bool:
        """Whether a first pass is due: long silence since the audio of the last early final, and none in it yet."""
        if self._first_pass_samples is None or not self.early_final_holds:
            return False
        is_new = self._first_pass_speech_samples != self._early_speech_samples
        return is_new and self.n_samples - self._speech_end_samples >= self._first_pass_samples

    def note_first_pass(self) -> None:
        """Note that the text of the last early final was sent as a first pass."""
        self._first_pass_speech_samples = self._early_speech_samples

    def append(self, pcm: bytes, speech: bytes) -> None:
        """Append `int16[n_samples]` at 16 kHz; `speech` has a byte for each frame, 1 for detected speech."""
        if 1 in speech:
            self._speech_end_samples = self.n_samples + (speech.rfind(1) + 1) * FRAME_SAMPLES
            self._speech_samples += speech.count(1) * FRAME_SAMPLES
        self._pcm += pcm

    def complete(self) -> None:
        """Mark the audio as complete: the next decode is the final."""
        self.state = UtteranceState.COMPLETE

    def wants(self, intervals: DecodeIntervals) -> Work | None:
        """Return the decode that is due now at these intervals, None if there is none."""
        new_samples = self.n_samples - self._decoded_samples
        if self.state is not UtteranceState.GROWING or not self._speech_end_samples:
            return None
        paused = self.n_samples - self._speech_end_samples >= self._pause_samples(intervals)
        if paused and not self.early_final_holds and self._speech_samples >= _STRAY_SAMPLES:
            return Work.EARLY_FINAL
        if self.n_samples < FIRST_PARTIAL_SAMPLES:
            return None
        has_new_speech = self._speech_samples > self._decoded_speech_samples
        due_samples = intervals.step_samples if has_new_speech else _SILENT_STEPS * intervals.step_samples
        return Work.PARTIAL if not self._decoded_samples or new_samples >= due_samples else None

    def _pause_samples(self, intervals: DecodeIntervals) -> int:
        """After how much silence an early final is due: sooner for a first pass, unless the load is too high."""
        is_word = self._speech_samples < _WORD_SAMPLES
        pause_samples = intervals.word_pause_samples if is_word else intervals.pause_samples
        if self._first_pass_samples is None or intervals.is_longer:
            return pause_samples
        return min(pause_samples, max(self._first_pass_samples, _LEAST_PAUSE_SAMPLES))

    def begin(self, work: Work, alternatives: int = 1) -> DecodeRequest:
        """Return a request for the audio so far, and note that it is being decoded."""
        self._decoded_samples = self.n_samples
        self._decoded_speech_samples = self._speech_samples
        if work is Work.EARLY_FINAL:
            self._early_speech_samples = self._speech_samples
            self._early_pause_samples = self.n_samples - self._speech_end_samples
        is_partial = work is Work.PARTIAL
        search = Search(
            prefix=self._transcript.prefix, alternatives=1 if is_partial else alternatives, is_draft=is_partial
        )
        return DecodeRequest(
            work=work,
            samples=samples_of(self._pcm),
            language=self._language,
            search=search,
            sent_tokens=self._sent_tokens,
        )

    def update(self, request: DecodeRequest, decoding: Decoding) -> Partial:
        """Take a decode of the growing utterance and return its partial; settled words stay as they are."""
        n_samples = len(request.samples)
        words = decoding.best.words
        if n_samples >= _TRUSTED_SAMPLES and self._keeps_prefix:
            self._transcript.settle(words)
            if self._transcript.stable_words:
                self._language = decoding.language
        stable, tail = self._transcript.show(words, ended=request.work is Work.EARLY_FINAL)
        is_shown = self._transcript.shown == decoding.best.tokens
        confidence = decoding.ending_confidence if is_shown else _CONTRADICTED_CONFIDENCE
        return Partial(stable, tail, n_samples, ending_confidence=confidence)

    def note_sent(self) -> None:
        """Note that the newest partial was sent: the final will not be empty."""
        self._sent_tokens = self._transcript.shown or self._sent_tokens

    def keeps_settled_words(self, decoding: Decoding) -> bool:
        """Whether an earlier decode has all words that were settled since, and any words if some were sent."""
        prefix = self._transcript.prefix
        return decoding.best.tokens[: len(prefix)] == prefix and (decoding.best.has_words or not self._sent_tokens)

    def settle(self, decoding: Decoding) -> tuple[Hypothesis, ...]:
        """Take the decode of the whole; return its hypotheses, which begin with the settled words; () if no speech."""
        self.state = UtteranceState.SETTLED
        self._pcm = bytearray()
        return decoding.hypotheses if decoding.best.words else ()
