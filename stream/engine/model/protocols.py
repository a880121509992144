"""What the engine needs of a model: of one that decodes complete audio, and of one that follows growing audio."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from stream.engine.model.features import Samples
from stream.engine.model.hypotheses import PLAIN_SEARCH, Decoding, Hypothesis, Search


class ModelError(Exception):
    """The model directory cannot be used; the message names it and what is wrong with it."""


class Model(Protocol):
    """A loaded model, shared by all calls: without state between calls, and thread-safe.

    `license` is "" if its files do not name one.
    """

    @property
    def name(self) -> str:
        """The name by which requests choose it, that of its directory."""
        ...

    @property
    def languages(self) -> tuple[str, ...]:
        """The language tags that it serves."""
        ...

    @property
    def license(self) -> str:
        """Its license as its files name it, such as `MIT`."""
        ...

    def match_language(self, language_code: str) -> str | None:
        """Return the model's tag for a requested one, None if it serves none, "" if it detects the language."""
        ...


class OfflineModel(Model, Protocol):
    """A model that decodes an utterance as a whole, anew for every partial."""

    @property
    def is_generative(self) -> bool:
        """Whether it continues a text, and so may write one for noise, too.

        Whisper and Moonshine do, so that their audio has to be checked for speech; CTC and transducers find words only
        where they sound.
        """
        ...

    def decode(
        self, samples: Samples, language: str = "", search: Search = PLAIN_SEARCH, *, align: bool = False
    ) -> Decoding:
        """Recognize `float32[n_samples]` at 16 kHz; blocks until done.

        `language` is what `match_language` returned; `align` finds the times and the confidences of the words.
        """
        ...


class StreamingDecode(Protocol):
    """The recognition of one utterance by a streaming model; blocking, and used by one thread at a time."""

    def feed(self, samples: Samples) -> Hypothesis:
        """Take the next `float32[n_samples]` at 16 kHz, and return the text so far: words are only added at its end."""
        ...

    def finish(self, samples: Samples) -> Hypothesis:
        """Return the whole text with the times of its words; `samples` are all that were fed."""
        ...

    @property
    def due_samples(self) -> int:
        """With how many samples in all the model takes its next step; audio before that changes nothing."""
        ...

    @property
    def lookahead_samples(self) -> int:
        """After how much more audio the words of a sound are there."""
        ...

    @property
    def is_ended(self) -> bool:
        """Whether the model itself has marked the end of the utterance."""
        ...


@runtime_checkable
class StreamingModel(Model, Protocol):
    """A model that takes audio as it comes, each sample once."""

    def open(self, language: str = "") -> StreamingDecode:
        """Begin an utterance in a language that `match_language` returned."""
        ...


@dataclass(frozen=True, slots=True)
class ModelPair:
    """Two qualities for one call: `drafts` writes what is shown while somebody talks, `finals` what is settled."""

    drafts: OfflineModel | StreamingModel
    finals: OfflineModel

    @property
    def name(self) -> str:
        """The names of both."""
        return f"{self.drafts.name}+{self.finals.name}"

    @property
    def languages(self) -> tuple[str, ...]:
        """The tags of the second for the languages that both serve."""
        return tuple(tag for tag in self.finals.languages if self.drafts.match_language(tag) is not None)

    @property
    def license(self) -> str:
        """The licenses of both, "" if neither names one."""
        return ", ".join(dict.fromkeys(filter(None, (self.drafts.license, self.finals.license))))

    def match_language(self, language_code: str) -> str | None:
        """Return the tag of the second model for a language that both serve, None for another one."""
        return None if self.drafts.match_language(language_code) is None else self.finals.match_language(language_code)


AnyModel = OfflineModel | StreamingModel | ModelPair
