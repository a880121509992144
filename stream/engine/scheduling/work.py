"""The kinds of decodes in the order of their priority, and the request for one decode."""

from dataclasses import dataclass
from enum import IntEnum

from stream.engine.model.features import Samples
from stream.engine.model.hypotheses import Search, Tokens
from stream.engine.model.protocols import StreamingDecode


class Work(IntEnum):
    """The kind of a decode; a smaller number goes first.

    FINAL: a complete utterance; EARLY_FINAL: one whose speech has paused; PARTIAL: one that goes on; FILE: a complete
    utterance of a file.
    """

    FINAL = 0
    EARLY_FINAL = 1
    PARTIAL = 2
    FILE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeRequest:
    """One decode of the audio of an utterance so far, `float32[n_samples]`.

    `language` is "" until it is detected; `sent_tokens` are those of the partial that was sent last. A streaming model
    follows the utterance in `stream`, which has taken the first `fed_samples` of these samples already.
    """

    work: Work
    samples: Samples
    language: str
    search: Search
    sent_tokens: Tokens = ()
    stream: StreamingDecode | None = None
    fed_samples: int = 0
