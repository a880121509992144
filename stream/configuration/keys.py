"""The kinds of configuration keys: which values each accepts, how they are parsed, and how others are refused."""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass

from stream.errors import ClientError, Problem, quoted, shown

_TRUTHS = {"true": True, "1": True, "false": False, "0": False}
# A character that is no white space to Python: `\S` alone lets four separators and NEL pass.
_VISIBLE = r"[^\s\u001c-\u001f\u0085]"
_ID = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def is_id(text: str) -> bool:
    """Whether this is how the server names transcriptions and language models: a UUID, as RFC 9562 writes it."""
    return _ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Key(ABC):
    """One key: its wire name, its meaning for people, and whether the first audio freezes it."""

    name: str
    attribute: str
    meaning: str
    frozen_by_audio: bool

    @property
    @abstractmethod
    def allowed(self) -> str:
        """What the value must be, for an error's sentence."""

    @property
    @abstractmethod
    def schema(self) -> dict[str, object]:
        """The JSON Schema of the values that `accepts` lets pass."""

    @abstractmethod
    def accepts(self, value: object) -> bool:
        """Whether the value is allowed."""

    def is_frozen(self, before: object, after: object) -> bool:
        """Whether the value can no longer become another once audio was received."""
        return self.frozen_by_audio and before != after

    def from_texts(self, texts: list[str]) -> object:
        """Read the values of the query string; what cannot be read is returned as it is, and then refused."""
        if len(texts) > 1:
            raise ClientError(Problem.INVALID_CONFIG, f"{quoted(self.name)} is given more than once")
        return self.from_text(texts[0])

    def from_text(self, text: str) -> object:
        return text

    def check(self, value: object) -> object:
        """Return the value as it is kept, or raise ClientError naming the key, the value and what is allowed."""
        if not self.accepts(value):
            raise ClientError(Problem.INVALID_CONFIG, f"{self.name} is {shown(value)}; it must be {self.allowed}")
        return value


@dataclass(frozen=True, slots=True)
class IntegerKey(Key):
    minimum: int
    maximum: int

    @property
    def allowed(self) -> str:
        return f"between {self.minimum} and {self.maximum}"

    @property
    def schema(self) -> dict[str, object]:
        return {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}

    def accepts(self, value: object) -> bool:
        return type(value) is int and self.minimum <= value <= self.maximum

    def check(self, value: object) -> object:
        # JSON has one kind of number: 16000.0 is an integer there, and some clients write it so.
        whole = int(value) if isinstance(value, float) and value.is_integer() else value
        return super(IntegerKey, self).check(whole)

    def from_text(self, text: str) -> object:
        return int(text) if text.isascii() and text.removeprefix("-").isdigit() and len(text) <= 10 else text


@dataclass(frozen=True, slots=True)
class NumberKey(Key):
    minimum: float
    maximum: float

    @property
    def allowed(self) -> str:
        return f"between {self.minimum:g} and {self.maximum:g}"

    @property
    def schema(self) -> dict[str, object]:
        return {"type": "number", "minimum": self.minimum, "maximum": self.maximum}

    def accepts(self, value: object) -> bool:
        return isinstance(value, int | float) and type(value) is not bool and self.minimum <= value <= self.maximum

    def from_text(self, text: str) -> object:
        try:
            return float(text)
        except ValueError:
            return text


@dataclass(frozen=True, slots=True)
class BooleanKey(Key):
    @property
    def allowed(self) -> str:
        return "true or false"

    @property
    def schema(self) -> dict[str, object]:
        return {"type": "boolean"}

    def accepts(self, value: object) -> bool:
        return isinstance(value, bool)

    def from_text(self, text: str) -> object:
        return _TRUTHS.get(text, text)


@dataclass(frozen=True, slots=True)
class ChoiceKey(Key):
    choices: tuple[str, ...]

    @property
    def allowed(self) -> str:
        return "one of " + ", ".join(self.choices)

    @property
    def schema(self) -> dict[str, object]:
        return {"type": "string", "enum": list(self.choices)}

    def accepts(self, value: object) -> bool:
        return value in self.choices


@dataclass(frozen=True, slots=True)
class DetectorKey(ChoiceKey):
    """What finds the ends of utterances; between a detector and `manual` it can be switched at any time."""

    manual: str
    off: str

    def is_frozen(self, before: object, after: object) -> bool:
        is_switched = self.manual in (before, after) and self.off not in (before, after)
        return super(DetectorKey, self).is_frozen(before, after) and not is_switched


@dataclass(frozen=True, slots=True)
class LanguageModelKey(ChoiceKey):
    """One of the vocabularies that are always there, or the id of a trained language model."""

    @property
    def allowed(self) -> str:
        return f"{super(LanguageModelKey, self).allowed}, or the id of a trained language model"

    @property
    def schema(self) -> dict[str, object]:
        return {
            "anyOf": [
                super(LanguageModelKey, self).schema,
                {"type": "string", "format": "uuid", "pattern": f"^{_ID.pattern}$"},
            ]
        }

    def accepts(self, value: object) -> bool:
        return value in self.choices or (isinstance(value, str) and is_id(value))


@dataclass(frozen=True, slots=True)
class LanguageKey(Key):
    """A BCP-47 tag; whether it is served is for the recognizer to say."""

    @property
    def allowed(self) -> str:
        return "a language tag such as en or en-US"

    @property
    def schema(self) -> dict[str, object]:
        return {"type": "string", "minLength": 2, "maxLength": 35, "pattern": "^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$"}

    def accepts(self, value: object) -> bool:
        return (
            isinstance(value, str)
            and 2 <= len(value) <= 35
            and value.isascii()
            and all(part.isalnum() for part in value.split("-"))
        )


@dataclass(frozen=True, slots=True)
class PhrasesKey(Key):
    """A list of phrases; in a query the key is repeated."""

    most_phrases: int
    most_characters: int

    @property
    def allowed(self) -> str:
        return f"at most {self.most_phrases} phrases of 1 to {self.most_characters} characters"

    @property
    def schema(self) -> dict[str, object]:
        phrase = {"type": "string", "minLength": 1, "maxLength": self.most_characters, "pattern": _VISIBLE}
        return {"type": "array", "items": phrase, "maxItems": self.most_phrases}

    def accepts(self, value: object) -> bool:
        return (
            isinstance(value, list | tuple)
            and len(value) <= self.most_phrases
            and all(isinstance(phrase, str) and 0 < len(phrase.strip()) <= self.most_characters for phrase in value)
        )

    def from_texts(self, texts: list[str]) -> object:
        return texts

    def check(self, value: object) -> object:
        checked = super(PhrasesKey, self).check(value)
        assert isinstance(checked, list | tuple)  # noqa: S101
        return tuple(dict.fromkeys(phrase.strip() for phrase in checked))
