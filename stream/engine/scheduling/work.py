"""Owns the kinds of decoding: what is decoded, of which sound, and which goes first."""

from dataclasses import dataclass
from enum import IntEnum

from stream.engine.model.features import Samples
from stream.engine.model.hypotheses import Search, Tokens


class Work(IntEnum):
    """What is decoded, the first goes first.

    An utterance that is complete, one that may be over, one that goes on, and one of a file, which is complete too.
    """

    FINAL = 0
    EARLY_FINAL = 1
    PARTIAL = 2
    FILE = 3


@dataclass(frozen=True, slots=True)
class Hearing:
    """One decode that begins: of all sound of an utterance so far, `float32[n_samples]`.

    `language` is "" as long as nothing was heard that tells it; `shown` is the text that the caller was told so far.
    """

    work: Work
    samples: Samples
    language: str
    search: Search
    shown: Tokens = ()
