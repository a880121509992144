"""One utterance that a streaming model follows: which audio it takes next, and the text so far."""

from stream.engine.model.features import samples_of
from stream.engine.model.hypotheses import DecodedWord, Decoding, Hypothesis, Search, Tokens
from stream.engine.model.protocols import StreamingDecode
from stream.engine.scheduling.load_control import DecodeIntervals
from stream.engine.scheduling.work import DecodeRequest, Work
from stream.engine.utterance import Partial, UtteranceState
from vad import FRAME_SAMPLES, SAMPLE_BYTES, SAMPLE_RATE

# A partial is sent at least so often, whether its text has changed or not: the gateway takes a recognizer that answers
# nothing to speech for a stalled one.
_PROGRESS_SAMPLES = SAMPLE_RATE
# An utterance whose text has not grown for so long has ended, although the detector takes the sound for speech:
# sherpa-onnx has the same rule for the silence after words (`rule2_min_trailing_silence`).
_LEAST_SILENCE_SAMPLES = SAMPLE_RATE * 12 // 10
# The last word may be the beginning of a longer one; the others never change, because such a model only adds tokens.
_UNSTABLE_WORDS = 1


class StreamingUtterance:
    """An utterance that begins at sample `start_samples` of its call and is followed by `stream`.

    It has a first pass after `first_pass_samples` without speech, None for no first pass. The model ends it after
    `hangover_samples` without words, None if the client finds the endpoints. Unless it `settles_words`, another model
    decodes the final, and no word is stable before that.
    """

    is_decoded_anew = False

    def __init__(
        self,
        start_samples: int,
        stream: StreamingDecode,
        *,
        first_pass_samples: int | None = None,
        hangover_samples: int | None = None,
        settles_words: bool = True,
    ) -> None:
        self.start_samples = start_samples
        self.state = UtteranceState.GROWING
        self._stream = stream
        self._first_pass_samples = first_pass_samples
        self._silence_samples = hangover_samples and max(hangover_samples, _LEAST_SILENCE_SAMPLES)
        self._settles_words = settles_words
        self._pcm = bytearray()
        self._fed_samples = 0
        self._speech_end_samples = 0
        self._passed_speech_end_samples = 0
        self._words: tuple[DecodedWord, ...] = ()
        self._words_at_samples = 0
        self._sent: tuple[str, ...] = ()
        self._sent_tokens: Tokens = ()
        self._sent_samples = 0

    @property
    def n_samples(self) -> int:
        return len(self._pcm) // SAMPLE_BYTES

    @property
    def early_final_holds(self) -> bool:
        """Whether a decode that runs has to end before the final: always, as it holds a part of the audio."""
        return True

    def keeps_settled_words(self, _decoding: Decoding) -> bool:
        """Whether an earlier decode is the final: never, as the model has not seen the end of the audio by then."""
        return False

    @property
    def has_ended(self) -> bool:
        """Whether the model takes the utterance for ended: it marked the end, or found no words for long."""
        if self._silence_samples is None or not self._words:
            return False
        return self._stream.is_ended or self._fed_samples - self._words_at_samples >= self._silence_samples

    @property
    def wants_first_pass(self) -> bool:
        """Whether a first pass is due: long silence that the model has seen, and none in it yet."""
        if self._first_pass_samples is None or self._passed_speech_end_samples == self._speech_end_samples:
            return False
        silence_samples = max(self._first_pass_samples, self._stream.lookahead_samples)
        return self._fed_samples - self._speech_end_samples >= silence_samples

    def note_first_pass(self) -> None:
        """Note that the text was sent as a first pass."""
        self._passed_speech_end_samples = self._speech_end_samples

    def append(self, pcm: bytes, speech: bytes) -> None:
        """Append `int16[n_samples]` at 16 kHz; `speech` has a byte for each frame, 1 for detected speech."""
        if 1 in speech:
            self._speech_end_samples = self.n_samples + (speech.rfind(1) + 1) * FRAME_SAMPLES
        self._pcm += pcm

    def complete(self) -> None:
        """Mark the audio as complete: the next decode is the final."""
        self.state = UtteranceState.COMPLETE

    def wants(self, _intervals: DecodeIntervals) -> Work | None:
        """Return a step once there is as much audio as the model takes at once, None before."""
        is_due = self.n_samples > self._fed_samples and self.n_samples >= self._stream.due_samples
        return Work.PARTIAL if self.state is UtteranceState.GROWING and is_due else None

    def begin(self, work: Work, alternatives: int = 1) -> DecodeRequest:
        """Return a request for the new audio, for the final with all of it, and note that the model takes it."""
        fed_samples, self._fed_samples = self._fed_samples, self.n_samples
        is_step = work is Work.PARTIAL
        pcm = memoryview(self._pcm)[fed_samples * SAMPLE_BYTES :] if is_step else self._pcm
        return DecodeRequest(
            work=work,
            samples=samples_of(pcm),
            language="",
            search=Search(alternatives=alternatives),
            sent_tokens=self._sent_tokens,
            stream=self._stream,
            fed_samples=0 if is_step else fed_samples,
        )

    def update(self, _request: DecodeRequest, decoding: Decoding) -> Partial:
        """Take the text so far and return it as a partial, in which all words but the last are stable."""
        words = decoding.best.words
        if [word.text for word in words] != [word.text for word in self._words]:
            self._words_at_samples = self._fed_samples
        self._words = words
        texts = tuple(word.text for word in words)
        n_stable = max(0, len(texts) - _UNSTABLE_WORDS) if self._settles_words else 0
        stable, tail = " ".join(texts[:n_stable]), " ".join(texts[n_stable:])
        is_new = texts != self._sent or self._fed_samples - self._sent_samples >= _PROGRESS_SAMPLES
        return Partial(stable, f" {tail}" if stable else tail, self._fed_samples, is_new=is_new)

    def note_sent(self) -> None:
        """Note that the newest partial was sent."""
        self._sent = tuple(word.text for word in self._words)
        self._sent_tokens = tuple(token for word in self._words for token in word.tokens)
        self._sent_samples = self._fed_samples

    def settle(self, decoding: Decoding) -> tuple[Hypothesis, ...]:
        """Take the text of the whole; return its hypothesis, () if there are no words."""
        self.state = UtteranceState.SETTLED
        self._pcm = bytearray()
        return decoding.hypotheses if decoding.best.words else ()
