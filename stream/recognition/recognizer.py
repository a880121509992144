"""The protocol of a recognizer: what the session and the gateway expect of any backend."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from stream.recognition.places import Refusal
from stream.session.events import Hypothesis, RecognitionOptions


class RecognizerError(Exception):
    """The recognizer could not do what was asked; `retryable` when the same request may succeed later.

    `retry_after_seconds` is the recognizer's own hint, None where it gave none; `is_full` when it is well and has too
    much to do. The text is for the operator's log: it may name hosts and codes and never reaches a client.
    """

    def __init__(
        self, message: str, *, retryable: bool, retry_after_seconds: float | None = None, is_full: bool = False
    ) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after_seconds = retry_after_seconds
        self.is_full = is_full


class RecognizerFullError(RecognizerError):
    """There is no place for a further live session, for a `reason`; one may be free after `retry_after_seconds`."""

    def __init__(self, message: str, reason: Refusal, retry_after_seconds: float | None = None) -> None:
        super().__init__(message, retryable=True, retry_after_seconds=retry_after_seconds, is_full=True)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Capacity:
    """Places for live sessions: how many there are and are free, None for no limit, and how many are taken.

    `waiting` is what waits at the recognizer to be decoded. The numbers are those of one gateway, or of all of them
    together (`is_of_all`).
    """

    places: int | None = None
    taken: int = 0
    free: int | None = None
    waiting: int = 0
    is_of_all: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """A server behind the recognizer: `is_usable` while it `is_up` and has not failed too often, `streams` are open."""

    name: str
    is_up: bool
    is_usable: bool
    streams: int


class LanguageNotServedError(Exception):
    """No model of the recognizer serves `language_code`; `served` lists the tags that have one."""

    def __init__(self, language_code: str, served: tuple[str, ...]) -> None:
        super().__init__(language_code)
        self.language_code = language_code
        self.served = served


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The recognizer answered, without a new hypothesis: it is alive.

    `is_working` when it reports that it works on what it was sent, however long that takes.
    """

    is_working: bool = False


class RecognitionStream(Protocol):
    """One conversation with the recognizer, about one utterance or about several."""

    async def send(self, pcm: bytes) -> None:
        """Send `int16[n_samples]` at 16 kHz; raises RecognizerError once the stream has failed."""
        ...

    async def force_endpoint(self) -> None:
        """Ask the recognizer to settle what it was sent; raises RecognizerError once the stream has failed."""
        ...

    async def finish(self) -> None:
        """Drain: no more audio; the hypotheses go on to the final one."""
        ...

    def hypotheses(self) -> AsyncIterator[Hypothesis | Acknowledged]:
        """Yield hypotheses, positions counted from the stream's first sample.

        Each speaks of what follows the last final one; a final one settles that. Ends once everything that was sent
        is dealt with; raises RecognizerError when the stream fails.
        """
        ...

    async def abandon(self, *, is_stalled: bool = False) -> None:
        """Stop now and release everything, `is_stalled` if it no longer answered; never raises."""
        ...


class Recognizer(Protocol):
    """Recognizes utterances. Every backend implements this, and nothing outside `web/backends` knows which it is."""

    @property
    def is_ready(self) -> bool:
        """Whether a new session may count on it now."""
        ...

    @property
    def most_phrases(self) -> int:
        """How many phrases a stream may have."""
        ...

    @property
    def tells_speakers(self) -> bool:
        """Whether settled words have the number of their speaker."""
        ...

    @property
    def languages(self) -> tuple[str, ...]:
        """The language tags that are served now, then those that may be served again."""
        ...

    @property
    def servers(self) -> Sequence[ServerStatus]:
        """The servers behind it, for metrics; empty for a recognizer that has none."""
        ...

    async def ready(self) -> None:
        """Wait until it is ready, however long that takes."""
        ...

    def match_language(self, language_code: str) -> str:
        """Return the served tag for a requested one; raises LanguageNotServedError."""
        ...

    def forces_endpoints(self, asr_model: str) -> bool:
        """Whether streams of this `asrModel` can be asked to settle and go on."""
        ...

    def admitted(self, options: RecognitionOptions, owner: str = "") -> AbstractAsyncContextManager[None]:
        """Hold the place of the live session `options.session_id` while the context lasts; raises RecognizerError.

        It is a RecognizerFullError where there is no place for it. Its utterances are not refused for long, however
        much there is to do. Places are shared among owners, `owner` is "" where there is one only.
        """
        ...

    async def capacity(self) -> Capacity:
        """How many places there are, for a session of an owner who has none; raises RecognizerError."""
        ...

    async def open(self, options: RecognitionOptions) -> RecognitionStream:
        """Begin an utterance; raises RecognizerError."""
        ...
