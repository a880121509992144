"""Owns the configuration of a connection: its keys, their values, and what may still change when."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from stream.audio import AudioFormat, AudioTransfer
from stream.errors import ClientError, Problem, quoted
from vad import SegmenterOptions, frames_in

_TRUTHS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Key(ABC):
    """One key: its wire name, what is allowed (for people), and whether the first audio freezes it."""

    name: str
    attribute: str
    frozen_by_audio: bool

    @property
    @abstractmethod
    def allowed(self) -> str:
        """What the value must be, for an error's sentence."""

    @abstractmethod
    def accepts(self, value: object) -> bool:
        """Whether the value is allowed."""

    def from_text(self, text: str) -> object:
        """Read a value of the query string; what cannot be read is returned as it is, and then refused."""
        return text

    def check(self, value: object) -> object:
        """Return the value, or raise ClientError naming the key, the value and what is allowed."""
        if not self.accepts(value):
            shown = quoted(value) if isinstance(value, str) else quoted(repr(value)).strip('"')
            raise ClientError(Problem.INVALID_CONFIG, f"{self.name} is {shown}; it must be {self.allowed}")
        return value


@dataclass(frozen=True, slots=True)
class IntegerKey(Key):
    minimum: int
    maximum: int

    @property
    def allowed(self) -> str:
        return f"between {self.minimum} and {self.maximum}"

    def accepts(self, value: object) -> bool:
        return type(value) is int and self.minimum <= value <= self.maximum

    def from_text(self, text: str) -> object:
        return int(text) if text.isascii() and text.removeprefix("-").isdigit() and len(text) <= 10 else text


@dataclass(frozen=True, slots=True)
class BooleanKey(Key):
    @property
    def allowed(self) -> str:
        return "true or false"

    def accepts(self, value: object) -> bool:
        return isinstance(value, bool)

    def from_text(self, text: str) -> object:
        return _TRUTHS.get(text, text)


@dataclass(frozen=True, slots=True)
class ChoiceKey(Key):
    choices: tuple[str, ...]

    @property
    def allowed(self) -> str:
        return self.choices[0] if len(self.choices) == 1 else "one of " + ", ".join(self.choices)

    def accepts(self, value: object) -> bool:
        return value in self.choices


@dataclass(frozen=True, slots=True)
class LanguageKey(Key):
    """A BCP-47 tag; whether it is served is for the recognizer to say."""

    @property
    def allowed(self) -> str:
        return "a language tag such as en or en-US"

    def accepts(self, value: object) -> bool:
        return (
            isinstance(value, str)
            and 2 <= len(value) <= 35
            and value.isascii()
            and all(part.isalnum() for part in value.split("-"))
        )


KEYS: tuple[Key, ...] = (
    ChoiceKey("audioEncoding", "audio_encoding", True, ("LINEAR16",)),
    IntegerKey("sampleRateHertz", "sample_rate_hertz", True, 8000, 48000),
    LanguageKey("languageCode", "language_code", False),
    IntegerKey("maxAlternatives", "max_alternatives", False, 0, 5),
    BooleanKey("interimResults", "interim_results", False),
    BooleanKey("wholeSeconds", "whole_seconds", True),
    ChoiceKey("audioTransfer", "audio_transfer", True, tuple(transfer.value for transfer in AudioTransfer)),
    ChoiceKey("vad", "vad", True, ("webrtc",)),
    IntegerKey("vadAggressiveness", "vad_aggressiveness", False, 0, 3),
    IntegerKey("prerollMs", "preroll_ms", False, 0, 1000),
    IntegerKey("hangoverMs", "hangover_ms", False, 100, 5000),
    IntegerKey("maxUtteranceMs", "max_utterance_ms", False, 2000, 30000),
)
_KEYS = {key.name: key for key in KEYS}


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """The configuration in force; `explicit` names the keys that somebody set."""

    audio_encoding: str = "LINEAR16"
    sample_rate_hertz: int = 16_000
    language_code: str = "en"
    max_alternatives: int = 1
    interim_results: bool = True
    whole_seconds: bool = False
    audio_transfer: str = "auto"
    vad: str = "webrtc"
    vad_aggressiveness: int = 3
    preroll_ms: int = 300
    hangover_ms: int = 600
    max_utterance_ms: int = 20_000
    explicit: frozenset[str] = field(default=frozenset())

    @property
    def audio_format(self) -> AudioFormat:
        return AudioFormat(
            AudioTransfer(self.audio_transfer), self.sample_rate_hertz, "sampleRateHertz" in self.explicit
        )

    @property
    def segmenter_options(self) -> SegmenterOptions:
        longest = frames_in(self.max_utterance_ms)
        return SegmenterOptions(
            preroll=frames_in(self.preroll_ms),
            hangover=frames_in(self.hangover_ms),
            longest=longest,
            # The last 2 s before the limit, but never so much that no utterance could pass it.
            longest_search=min(200, longest // 4),
        )

    def with_query(self, parameters: Iterable[tuple[str, str]]) -> "SessionConfig":
        """Apply the query string of the handshake; raises ClientError."""
        seen: dict[str, object] = {}
        for name, text in parameters:
            if name in seen:
                raise ClientError(Problem.INVALID_CONFIG, f"{quoted(name)} is given more than once")
            seen[name] = _key(name).from_text(text)
        return self._with(seen)

    def with_message(self, values: Mapping[str, object], *, audio_began: bool) -> "SessionConfig":
        """Apply a config message; raises ClientError, also for a key that the first audio froze."""
        changed = self._with(values)
        for name in values:
            key = _key(name)
            before, after = getattr(self, key.attribute), getattr(changed, key.attribute)
            if audio_began and key.frozen_by_audio and before != after:
                raise ClientError(
                    Problem.INVALID_CONFIG,
                    f"{name} is {after} after the first audio was received with {before}; it must be set before",
                )
        return changed

    def _with(self, values: Mapping[str, object]) -> "SessionConfig":
        checked = {_key(name).attribute: _key(name).check(value) for name, value in values.items()}
        return replace(self, explicit=self.explicit | values.keys(), **checked)  # type: ignore[arg-type]


def _key(name: str) -> Key:
    try:
        return _KEYS[name]
    except KeyError:
        known = ", ".join(_KEYS)
        raise ClientError(Problem.INVALID_CONFIG, f"{quoted(name)} is not a key; known are {known}") from None
