"""Owns one utterance of one stream: its sound so far, what was heard in it lately, and the words that are settled."""

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from stream.engine.features import Samples, samples_of
from stream.engine.readings import DecodedWord, Decoding, Reading, Search
from vad import SAMPLE_BYTES, SAMPLE_RATE

# A partial from less sound than this is junk, and one more often than this shows nothing new (measured).
FIRST_PARTIAL_SAMPLES = SAMPLE_RATE * 8 // 10
PARTIAL_STEP_SAMPLES = SAMPLE_RATE // 2

# Silence, noise and a tone are all read as "you", with a probability of no speech above 0.93; for speech
# it was below 0.07, in noise as loud as the speech below 0.36.
NO_SPEECH_PROB = 0.6

# The final has to keep the words that were settled, right or wrong. Where four decodes of at least 2 s agree, it
# lost nothing against a decode without settled words; with three it lost 0.6 points of word errors, with two 0.9.
_AGREEING_DECODES = 4
_TRUSTED_SAMPLES = 2 * SAMPLE_RATE
_UNTRUSTED_WORDS = 1  # the last word of a decode is often half heard


class Decoder(Protocol):
    """The part of `Whisper` that an utterance needs."""

    def decode(self, samples: Samples, language: str, search: Search, *, align: bool = False) -> Decoding:
        """Recognise `float32[n_samples]` at 16 kHz."""
        ...


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
    """Sound of one utterance, from sample `start` of its stream; `language` as `Whisper.decode` takes it."""

    def __init__(self, start: int, language: str) -> None:
        self.start = start
        self.state = UtteranceState.GROWING
        self._language = language
        self._pcm = bytearray()
        self._asked_samples = 0
        self._recent: deque[tuple[DecodedWord, ...]] = deque(maxlen=_AGREEING_DECODES)
        self._stable_words = 0
        self._prefix: tuple[int, ...] = ()

    @property
    def n_samples(self) -> int:
        return len(self._pcm) // SAMPLE_BYTES

    @property
    def wants_partial(self) -> bool:
        """Whether there is enough new sound since the last partial began to be decoded."""
        if self.state is not UtteranceState.GROWING:
            return False
        if not self._asked_samples:
            return self.n_samples >= FIRST_PARTIAL_SAMPLES
        return self.n_samples - self._asked_samples >= PARTIAL_STEP_SAMPLES

    def append(self, pcm: bytes) -> None:
        """Take the next `int16[n_samples]` at 16 kHz."""
        self._pcm += pcm

    def complete(self) -> None:
        """No more sound comes: what is decoded from now on is the final."""
        self.state = UtteranceState.COMPLETE

    def begin_partial(self) -> Samples:
        """Return the sound so far, `float32[n_samples]`, and note that it is being decoded."""
        self._asked_samples = self.n_samples
        return samples_of(self._pcm)

    def decode_partial(self, decoder: Decoder, samples: Samples) -> Decoding:
        """Block for a decode of `samples`; it touches nothing that `append` changes, so it may run in a thread."""
        return decoder.decode(samples, self._language, Search(self._prefix))

    def decode_final(self, decoder: Decoder, alternatives: int, align: bool) -> Decoding:
        """Block for the decode of the complete utterance, best of `alternatives` first."""
        search = Search(self._prefix, alternatives=alternatives)
        return decoder.decode(samples_of(self._pcm), self._language, search, align=align)

    def heard_partial(self, decoding: Decoding, heard_samples: int) -> Partial:
        """Take what was heard in the first `heard_samples`; more words may be settled by it, none is taken back."""
        words = self._words_of(decoding)
        if heard_samples >= _TRUSTED_SAMPLES:
            self._recent.append(words)
            self._settle_words(decoding.language)
        stable = " ".join(word.text for word in words[: self._stable_words])
        tail = " ".join(word.text for word in words[self._stable_words :])
        return Partial(stable, f" {tail}" if stable and tail else tail, heard_samples)

    def heard_final(self, decoding: Decoding) -> tuple[Reading, ...]:
        """Take what was heard in all of it; empty when nobody spoke. The settled words lead every reading."""
        self.state = UtteranceState.SETTLED
        self._pcm = bytearray()
        self._recent.clear()
        return decoding.readings if self._words_of(decoding) else ()

    def _words_of(self, decoding: Decoding) -> tuple[DecodedWord, ...]:
        nobody_spoke = decoding.no_speech_prob > NO_SPEECH_PROB and not self._stable_words
        return () if nobody_spoke else decoding.best.words

    def _settle_words(self, language: str) -> None:
        """Settle the leading words on which the recent decodes agree, short of the last of them.

        That last one seals the words before it: its first token carries a space, and as the end of the
        prefix it keeps a later decode from growing the last settled word by a comma or a syllable.
        """
        if len(self._recent) < _AGREEING_DECODES:
            return
        newest, *others = reversed(self._recent)
        agreed = 0
        for same in zip(*(words[:-_UNTRUSTED_WORDS] for words in (newest, *others)), strict=False):
            if len({word.tokens for word in same}) > 1:
                break
            agreed += 1
        if agreed - 1 > self._stable_words:
            self._stable_words = agreed - 1
            settled = tuple(token for word in newest[: self._stable_words] for token in word.tokens)
            self._prefix = settled + newest[self._stable_words].tokens[:1]
            self._language = language
