"""Owns one utterance of one call: its sound so far, which decode it wants next, and what was heard in it."""

from dataclasses import dataclass
from enum import Enum, auto

from stream.engine.model.features import samples_of
from stream.engine.model.hypotheses import Decoding, Reading, Search, Tokens
from stream.engine.scheduling.load_control import Pace
from stream.engine.scheduling.work import Hearing, Work
from stream.engine.text.transcript import Transcript
from vad import FRAME_SAMPLES, SAMPLE_BYTES, SAMPLE_RATE

# A partial from less sound than this is junk (measured).
FIRST_PARTIAL_SAMPLES = SAMPLE_RATE * 8 // 10

_TRUSTED_SAMPLES = 2 * SAMPLE_RATE  # decodes of less settle no word
# Sound that seems silent is decoded all the same after so many steps: soft speech is silence to the detector.
_SILENT_STEPS = 3
# A word has more speech than this, a click or a breath has less.
_STRAY_SAMPLES = 6 * FRAME_SAMPLES


class UtteranceState(Enum):
    """An utterance grows until its sound is complete, and is settled once its final was heard."""

    GROWING = auto()
    COMPLETE = auto()
    SETTLED = auto()


@dataclass(frozen=True, slots=True)
class Partial:
    """The text so far: `stable` will not change any more, `tail` may; joined they read right."""

    stable: str
    tail: str
    heard_samples: int


class Utterance:
    """Sound of one utterance, from sample `start` of its call."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.state = UtteranceState.GROWING
        self._language = ""
        self._pcm = bytearray()
        self._speech_end = 0
        self._speech_samples = 0
        self._asked_samples = 0
        self._asked_speech_samples = 0
        self._early_speech_samples = -1
        self._transcript = Transcript()
        self._told: Tokens = ()

    @property
    def n_samples(self) -> int:
        return len(self._pcm) // SAMPLE_BYTES

    @property
    def early_final_holds(self) -> bool:
        """Whether nothing was said since the sound of the last early final."""
        said = self._speech_samples - self._early_speech_samples
        return self._early_speech_samples >= 0 and said < _STRAY_SAMPLES

    def append(self, pcm: bytes, *, is_speech: bool) -> None:
        """Take the next `int16[n_samples]` at 16 kHz; `is_speech` tells of its last frame."""
        self._pcm += pcm
        if is_speech:
            self._speech_end = self.n_samples
            self._speech_samples += FRAME_SAMPLES

    def complete(self) -> None:
        """No more sound comes: what is decoded from now on is the final."""
        self.state = UtteranceState.COMPLETE

    def wants(self, pace: Pace) -> Work | None:
        """What there is to decode now, if the engine's pace allows it."""
        new_samples = self.n_samples - self._asked_samples
        if self.state is not UtteranceState.GROWING or not self._speech_end:
            return None
        paused = self.n_samples - self._speech_end >= pace.pause_samples
        if paused and not self.early_final_holds and self._speech_samples >= _STRAY_SAMPLES:
            return Work.EARLY_FINAL
        if self.n_samples < FIRST_PARTIAL_SAMPLES:
            return None
        spoken = self._speech_samples > self._asked_speech_samples
        due_samples = pace.step_samples if spoken else _SILENT_STEPS * pace.step_samples
        return Work.PARTIAL if not self._asked_samples or new_samples >= due_samples else None

    def begin(self, work: Work, alternatives: int = 1) -> Hearing:
        """Return what to decode, the sound as it is now, and note that it is being decoded."""
        self._asked_samples = self.n_samples
        self._asked_speech_samples = self._speech_samples
        if work is Work.EARLY_FINAL:
            self._early_speech_samples = self._speech_samples
        search = Search(self._transcript.prefix, alternatives=1 if work is Work.PARTIAL else alternatives)
        return Hearing(work, samples_of(self._pcm), self._language, search, self._told)

    def heard(self, hearing: Hearing, decoding: Decoding) -> Partial:
        """Take what was heard while it grows; more words may be settled by it, none is taken back."""
        n_samples = len(hearing.samples)
        words = decoding.best.words
        if n_samples >= _TRUSTED_SAMPLES:
            self._transcript.settle(words)
            if self._transcript.stable_words:
                self._language = decoding.language
        stable, tail = self._transcript.show(words, ended=hearing.work is Work.EARLY_FINAL)
        return Partial(stable, tail, n_samples)

    def note_told(self) -> None:
        """The caller was told the newest partial: it will not settle as nothing any more."""
        self._told = self._transcript.shown or self._told

    def is_kept_by(self, decoding: Decoding) -> bool:
        """Whether a decode begun earlier has all words that were settled since, and some if some were told."""
        prefix = self._transcript.prefix
        return decoding.best.tokens[: len(prefix)] == prefix and (decoding.best.has_words or not self._told)

    def settle(self, decoding: Decoding) -> tuple[Reading, ...]:
        """Take what was heard in all of it; empty when nobody spoke. The settled words lead every reading."""
        self.state = UtteranceState.SETTLED
        self._pcm = bytearray()
        return decoding.readings if decoding.best.words else ()
