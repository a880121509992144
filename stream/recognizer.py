"""Owns what the session expects of a recognizer, whichever it is."""

from collections.abc import AsyncIterator
from typing import Protocol

from stream.events import Hypothesis, RecognitionOptions


class RecognizerError(Exception):
    """The recognizer could not do what was asked; `retryable` when the same request may succeed later.

    The text is for the operator's log: it may name hosts and codes and never reaches a client.
    """

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


class LanguageNotServedError(Exception):
    """No model of the recognizer serves `language_code`; `served` lists the tags that have one."""

    def __init__(self, language_code: str, served: tuple[str, ...]) -> None:
        super().__init__(language_code)
        self.language_code = language_code
        self.served = served


class RecognitionStream(Protocol):
    """The recognition of one utterance."""

    async def send(self, pcm: bytes) -> None:
        """Send `int16[n_samples]` at 16 kHz; raises RecognizerError once the stream has failed."""
        ...

    async def finish(self) -> None:
        """Drain: no more audio; the hypotheses go on to the final one."""
        ...

    def hypotheses(self) -> AsyncIterator[Hypothesis]:
        """Yield hypotheses, word positions counted from the stream's first sample.

        Ends after a final one that is no stretch; raises RecognizerError when the stream fails.
        """
        ...

    async def abandon(self) -> None:
        """Stop now and release everything; never raises."""
        ...


class Recognizer(Protocol):
    """Recognizes utterances; `is_ready` tells whether a new session may count on it.

    `most_phrases` is how many phrases of a stream it can be told to listen for.
    """

    @property
    def is_ready(self) -> bool: ...

    @property
    def most_phrases(self) -> int: ...

    def match_language(self, language_code: str) -> str:
        """Return the served tag for a requested one; raises LanguageNotServedError."""
        ...

    async def open(self, options: RecognitionOptions) -> RecognitionStream:
        """Begin an utterance; raises RecognizerError."""
        ...
