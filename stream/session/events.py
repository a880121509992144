"""The events of a session: what goes into its core, what it orders from recognizers, what it emits to the client.

All positions and spans are samples on the connection's one clock, 16 kHz, from its first sample.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from stream.configuration.config import SessionConfig
from stream.errors import ClientError
from stream.vocabulary.vocabularies import USUAL_BOOST
from stream.words import WORDS_KEPT, word_key


@dataclass(frozen=True, slots=True)
class Word:
    """One word; `start` and `end` are 0, `confidence` is 0.0 and `speaker` 0 where they are not known."""

    text: str
    start: int = 0
    end: int = 0
    confidence: float = 0.0
    speaker: int = 0

    @property
    def key(self) -> str:
        """The word without case and punctuation, for comparing; never empty for a word that is not."""
        return _key(self.text)


@lru_cache(WORDS_KEPT)
def untimed_word(text: str) -> Word:
    """Return a word of which only the text is known: unsettled text repeats the same words."""
    return Word(text)


@lru_cache(WORDS_KEPT)
def _key(text: str) -> str:
    return word_key(text) or text


@dataclass(frozen=True, slots=True)
class Alternative:
    """One alternative text of an utterance; `confidence` from 0 to 1, 0.0 for unknown."""

    words: tuple[Word, ...] = ()
    confidence: float = 0.0

    @property
    def transcript(self) -> str:
        return " ".join(word.text for word in self.words)


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """The recognizer's current text for an utterance, best alternative first.

    `stable_words` leading words of the best alternative will not change any more, `stability` is the
    recognizer's own estimate from 0 to 1. `processed` is how many samples of the stream it covers, `first_word`
    where the first word of unsettled text begins; 0 where that is unknown.
    A final hypothesis that `is_segment_final` settles the text so far; the stream goes on.
    """

    alternatives: tuple[Alternative, ...] = ()
    is_final: bool = False
    is_segment_final: bool = False
    stability: float = 0.0
    stable_words: int = 0
    processed: int = 0
    first_word: int = 0

    @property
    def best(self) -> Alternative:
        return self.alternatives[0] if self.alternatives else _NO_WORDS

    def with_alternatives(self, alternatives: tuple[Alternative, ...], stable_words: int | None = None) -> "Hypothesis":
        """Return the same with other alternatives, and as many stable words unless others are given."""
        return Hypothesis(
            alternatives,
            self.is_final,
            self.is_segment_final,
            self.stability,
            self.stable_words if stable_words is None else stable_words,
            self.processed,
            self.first_word,
        )


_NO_WORDS = Alternative()


class EndCause(Enum):
    """Why the audio ended."""

    CLOSE = "close"
    DISCONNECT = "disconnect"
    IDLE = "idle"
    LIMIT = "limit"
    SHUTDOWN = "shutdown"
    ERROR = "error"


class Reason(Enum):
    """Why an utterance was settled."""

    ENDPOINT = "endpoint"
    MAX_UTTERANCE = "maxUtterance"
    FINALIZE = "finalize"
    CLOSE = "close"
    IDLE = "idle"
    LIMIT = "limit"
    SHUTDOWN = "shutdown"
    DISCONNECT = "disconnect"
    RECOGNIZER = "recognizer"
    ERROR = "error"
    GAP = "gap"


@dataclass(frozen=True, slots=True)
class RecognitionOptions:
    """What the recognition of one stream is asked for.

    `finds_endpoints_ms`: None when every stream is one utterance, else the pause after which the recognizer
    settles by itself. `closed_vocabulary`: nothing but the phrases is expected. `session_id` is the same for all
    streams of a session, and secret to nobody: a recognizer that is full may let those in that it knows.
    `is_file`: nobody waits for each word, so live speech goes first. `forces_endpoints`: the recognizer can be asked to
    settle now and go on, where it finds the endpoints. `first_pass_ms`: the pause after which it is to send the text of
    all speech so far, with stability 1.0; None for no such text. `writes_digits`: spoken numbers become digits.
    """

    language_code: str
    max_alternatives: int = 1
    interim_results: bool = True
    profanity_filter: bool = True
    punctuation: bool = True
    asr_model: str = "default"
    phrases: tuple[str, ...] = ()
    boost: float = USUAL_BOOST
    closed_vocabulary: bool = False
    finds_endpoints_ms: int | None = None
    session_id: str = ""
    is_file: bool = False
    forces_endpoints: bool = False
    first_pass_ms: int | None = None
    writes_digits: bool = False


@dataclass(frozen=True, slots=True)
class Latency:
    """Where time went, in seconds: received to sent on, last audio sent to hypothesis."""

    queue_seconds: float = 0.0
    recognizer_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a session begins that goes on with an earlier one, whose connection was lost.

    Its clock begins at `samples`, its utterances are numbered from `utterances` + 1, and the earlier one `settled`
    this text.
    """

    samples: int = 0
    utterances: int = 0
    settled: Sequence["Settled"] = ()


START = Origin()
"""Where a session begins that goes on with no other."""

# --- into the session ---


@dataclass(frozen=True, slots=True)
class AudioReceived:
    """The next frames of each channel, `int16[160 * n_frames]`; only the last one of a connection may be shorter."""

    pcm: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Configured:
    """A configuration that was checked, and what it means for the recognizer.

    One that `is_silent` was not the client's, which gets no message about it.
    """

    config: SessionConfig
    options: RecognitionOptions
    is_silent: bool = False


@dataclass(frozen=True, slots=True)
class UtteranceFinalized:
    """The client wants the open utterance of a channel settled now, of every channel without one."""

    channel: int | None = None


@dataclass(frozen=True, slots=True)
class UtteranceDiscarded:
    """The client wants nothing more of the open utterance."""


@dataclass(frozen=True, slots=True)
class SenderPaused:
    """Nothing was received for a while: an open utterance ends here, the connection goes on."""


@dataclass(frozen=True, slots=True)
class FellBehind:
    """Audio waits unread, because of `whom`: the recognizer or the client itself."""

    whom: str


@dataclass(frozen=True, slots=True)
class LimitNears:
    """The connection will be ended after so many more seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class AudioEnded:
    """No more audio will come; an `error` is emitted after the open utterances were finished."""

    cause: EndCause
    error: ClientError | None = None


@dataclass(frozen=True, slots=True)
class HypothesisReceived:
    """A hypothesis of the recognizer for a stream."""

    stream_id: int
    hypothesis: Hypothesis
    latency: Latency = Latency()


@dataclass(frozen=True, slots=True)
class RecognitionFailed:
    """The recognition of a stream was given up; what comes before sample `settled` of it is not lost.

    `is_only_final_owed` when there is unsettled text of all of it, and only the final did not come.
    """

    stream_id: int
    settled: int = 0
    is_only_final_owed: bool = False


SessionInput = (
    AudioReceived
    | Configured
    | UtteranceFinalized
    | UtteranceDiscarded
    | SenderPaused
    | FellBehind
    | LimitNears
    | AudioEnded
    | HypothesisReceived
    | RecognitionFailed
)


# --- what the session orders ---


@dataclass(frozen=True, slots=True)
class OpenStream:
    """Begin the recognition of an utterance, or of several where the recognizer finds the endpoints."""

    stream_id: int
    options: RecognitionOptions


@dataclass(frozen=True, slots=True)
class SendAudio:
    """Send the stream's next samples, `int16[n_samples]`."""

    stream_id: int
    pcm: bytes


@dataclass(frozen=True, slots=True)
class ForceEndpoint:
    """Let the recognizer settle the text so far; the stream goes on."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class FinishStream:
    """Drain the stream: no more audio follows."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class AbandonStream:
    """Stop the recognition of the stream now."""

    stream_id: int


Order = OpenStream | SendAudio | ForceEndpoint | FinishStream | AbandonStream


# --- what the session emits ---


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the connection is: samples received, and those before which everything is settled or skipped."""

    received: int = 0
    settled: int = 0


@dataclass(frozen=True, slots=True)
class Ready:
    """The configuration in force, at the beginning and after each change, even one that changes nothing."""

    config: SessionConfig
    language_code: str
    progress: Progress = Progress()


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """An utterance began; `onset` is the first sample of its speech, or of all its audio unless it `is_detected`.

    Speech is detected by a voice activity detector; with `vad=manual` any audio begins an utterance.
    """

    utterance_id: int
    onset: int
    channel: int = 0
    is_detected: bool = True


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The endpoint of an utterance; `end` is the first sample after it."""

    utterance_id: int
    end: int
    channel: int = 0


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The speaker has finished with a `confidence` from 0 to 1, at sample `end`, after a pause of adaptive length.

    While it `is_eager` the utterance goes on: its endpoint confirms it, and a `TurnResumed` takes it back.
    """

    utterance_id: int
    end: int
    confidence: float
    is_eager: bool
    channel: int = 0


@dataclass(frozen=True, slots=True)
class TurnResumed:
    """Speech of an utterance goes on at sample `start`: its eager `TurnEnded` was wrong."""

    utterance_id: int
    start: int
    channel: int = 0


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A hypothesis that may change, positions on the connection's clock; `revision` counts from 1.

    `is_next` when all earlier utterances of the channel are settled, `is_repeated` when nothing else is new.
    """

    utterance_id: int
    hypothesis: Hypothesis
    processed: int
    inference_seconds: float
    revision: int = 1
    channel: int = 0
    latency: Latency = Latency()
    progress: Progress = Progress()
    is_next: bool = True
    is_repeated: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """The final text of an utterance.

    `was_shown` when an unsettled hypothesis of it was emitted as the next one, `endpoint` is the samples from its last
    speech to its end, `prefix_violated` when it changed words that were emitted as stable.
    """

    utterance_id: int
    hypothesis: Hypothesis
    reason: Reason
    processed: int
    inference_seconds: float
    was_shown: bool
    start: int = 0
    endpoint: int = 0
    channel: int = 0
    latency: Latency = Latency()
    progress: Progress = Progress()
    prefix_violated: bool = False


@dataclass(frozen=True, slots=True)
class Finalized:
    """Everything that was received before the client's command to finalize is settled, or was no speech.

    `channel` is that of the command.
    """

    channel: int | None = None


@dataclass(frozen=True, slots=True)
class WordsPaused:
    """No word followed the one that ends at `last_word_end` for as long as the configuration says, on its clock."""

    last_word_end: int
    channel: int = 0


@dataclass(frozen=True, slots=True)
class Discarded:
    """A command to discard was carried out: no utterance is open, and nothing comes of the one that was."""


@dataclass(frozen=True, slots=True)
class Warned:
    """Something that does not end the connection: `gap`, `slow`, `quiet` or `limit`; a gap has its span of samples."""

    code: str
    detail: str
    start: int | None = None
    end: int | None = None
    channel: int = 0


@dataclass(frozen=True, slots=True)
class Totals:
    """What became of the samples of all channels: received = recognized + skipped + lost."""

    received: int = 0
    recognized: int = 0
    skipped: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of the session: all that was settled and not empty, in order; `received` on the one clock."""

    settled: Sequence[Settled]
    totals: Totals
    received: int
    inference_seconds: float
    cause: EndCause
    error: ClientError | None = None


ClientEvent = (
    Ready
    | SpeechStarted
    | SpeechEnded
    | TurnEnded
    | TurnResumed
    | Unsettled
    | Settled
    | Finalized
    | Discarded
    | WordsPaused
    | Warned
    | Finished
)
