"""Owns the vocabulary of a session: hypotheses, what goes into its core, what comes out, what it orders.

All positions and spans are samples on the connection's one clock, 16 kHz, from its first sample.
"""

from dataclasses import dataclass
from enum import Enum

from stream.config import SessionConfig
from stream.errors import ClientError


@dataclass(frozen=True, slots=True)
class Word:
    """One word; `start` and `end` are 0 and `confidence` is 0.0 where they are not known."""

    text: str
    start: int = 0
    end: int = 0
    confidence: float = 0.0


@dataclass(frozen=True, slots=True)
class Alternative:
    """One reading of an utterance; `confidence` from 0 to 1, 0.0 for unknown."""

    words: tuple[Word, ...] = ()
    confidence: float = 0.0

    @property
    def transcript(self) -> str:
        return " ".join(word.text for word in self.words)


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """The recognizer's current text for an utterance, best alternative first.

    `stable_words` leading words of the best alternative will not change any more, `stability` is the
    recognizer's own estimate from 0 to 1. `processed` is how many samples of the utterance it has heard.
    """

    alternatives: tuple[Alternative, ...] = ()
    is_final: bool = False
    stability: float = 0.0
    stable_words: int = 0
    processed: int = 0

    @property
    def best(self) -> Alternative:
        return self.alternatives[0] if self.alternatives else Alternative()


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
    CLOSE = "close"
    IDLE = "idle"
    LIMIT = "limit"
    SHUTDOWN = "shutdown"
    DISCONNECT = "disconnect"
    ERROR = "error"
    GAP = "gap"


@dataclass(frozen=True, slots=True)
class RecognitionOptions:
    """What the recognition of one utterance is asked for."""

    language_code: str
    max_alternatives: int = 1
    interim_results: bool = True


# --- into the session ---


@dataclass(frozen=True, slots=True)
class FrameReceived:
    """The next frame, `int16[160]`; only the last one of a connection may be shorter."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class Configured:
    """A configuration that was checked; `language_code` is the tag that the recognizer serves for it."""

    config: SessionConfig
    language_code: str


@dataclass(frozen=True, slots=True)
class SenderPaused:
    """Nothing was received for a while: an open utterance ends here, the connection goes on."""


@dataclass(frozen=True, slots=True)
class AudioEnded:
    """No more audio will come; with an `error` it is told after the open utterances were finished."""

    cause: EndCause
    error: ClientError | None = None


@dataclass(frozen=True, slots=True)
class HypothesisReceived:
    """The recognizer's word on an utterance; `waited_seconds` counts from its last audio, for finals."""

    utterance_id: int
    hypothesis: Hypothesis
    waited_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class RecognitionFailed:
    """The recognition of an utterance was given up."""

    utterance_id: int


SessionInput = FrameReceived | Configured | SenderPaused | AudioEnded | HypothesisReceived | RecognitionFailed


# --- what the session orders ---


@dataclass(frozen=True, slots=True)
class OpenStream:
    """Begin the recognition of an utterance."""

    utterance_id: int
    options: RecognitionOptions


@dataclass(frozen=True, slots=True)
class SendAudio:
    """Send the utterance's next samples, `int16[n_samples]`."""

    utterance_id: int
    pcm: bytes


@dataclass(frozen=True, slots=True)
class FinishStream:
    """Drain the utterance: no more audio follows."""

    utterance_id: int


@dataclass(frozen=True, slots=True)
class AbandonStream:
    """Stop the recognition of the utterance now."""

    utterance_id: int


Order = OpenStream | SendAudio | FinishStream | AbandonStream


# --- what the session tells the client ---


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A hypothesis that may change, positions on the connection's clock."""

    utterance_id: int
    hypothesis: Hypothesis
    heard: int
    inference_seconds: float


@dataclass(frozen=True, slots=True)
class Settled:
    """The last word on an utterance; `was_shown` when an unsettled hypothesis of it was sent."""

    utterance_id: int
    hypothesis: Hypothesis
    reason: Reason
    heard: int
    inference_seconds: float
    was_shown: bool


@dataclass(frozen=True, slots=True)
class Totals:
    """What became of the samples: received = recognized + skipped + lost."""

    received: int = 0
    recognized: int = 0
    skipped: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of the session: all that was settled and not empty, in order."""

    settled: tuple[Settled, ...]
    totals: Totals
    inference_seconds: float
    cause: EndCause
    error: ClientError | None = None


ClientEvent = Unsettled | Settled | Finished
