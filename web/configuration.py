"""Owns how the configuration keys are described: as a JSON Schema for programs, in words for people."""

from typing import Any

from stream.config import KEYS, SessionConfig
from stream.keys import BooleanKey, ChoiceKey, IntegerKey, Key, LanguageKey, NumberKey, PhrasesKey

Schema = dict[str, Any]


def configuration_schema() -> Schema:
    """Build the schema of a configuration: any of the keys."""
    return {"type": "object", "properties": {key.name: _schema(key) for key in KEYS}, "additionalProperties": False}


def default(key: Key) -> object:
    """The value that holds where nobody sets one, as JSON has it."""
    value = getattr(SessionConfig(), key.attribute)
    return list(value) if isinstance(value, tuple) else value


def allowed(key: Key) -> str:
    """The values that a key takes, as Markdown."""
    match key:
        case IntegerKey(minimum=minimum, maximum=maximum) | NumberKey(minimum=minimum, maximum=maximum):
            return f"{minimum} to {maximum}"
        case BooleanKey():
            return "`true`, `false`"
        case ChoiceKey(choices=choices):
            return ", ".join(f"`{choice}`" for choice in choices)
        case _:
            return key.allowed


def _schema(key: Key) -> Schema:
    frozen = "; frozen by the first audio" if key.frozen_by_audio else ""
    return {**_values(key), "default": default(key), "description": key.meaning + frozen}


def _values(key: Key) -> Schema:
    match key:
        case IntegerKey(minimum=minimum, maximum=maximum):
            return {"type": "integer", "minimum": minimum, "maximum": maximum}
        case NumberKey(minimum=minimum, maximum=maximum):
            return {"type": "number", "minimum": minimum, "maximum": maximum}
        case BooleanKey():
            return {"type": "boolean"}
        case ChoiceKey(choices=choices):
            return {"type": "string", "enum": list(choices)}
        case LanguageKey():
            return {"type": "string", "minLength": 2, "maxLength": 35, "pattern": "^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$"}
        case PhrasesKey(most_phrases=phrases, most_characters=characters):
            phrase = {"type": "string", "minLength": 1, "maxLength": characters, "pattern": r"\S"}
            return {"type": "array", "items": phrase, "maxItems": phrases}
        case _:
            raise NotImplementedError(type(key).__name__)
