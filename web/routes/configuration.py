"""Describe the configuration keys: as a JSON Schema, and in words."""

from stream.configuration.config import KEYS, SessionConfig
from stream.configuration.keys import BooleanKey, ChoiceKey, IntegerKey, Key, LanguageModelKey, NumberKey
from web.routes.schemas import BOOLEANS, Schema, in_query


def configuration_schema() -> Schema:
    """Build the schema of a configuration: any of the keys."""
    return {"type": "object", "properties": {key.name: _schema(key) for key in KEYS}, "additionalProperties": False}


def configuration_query() -> tuple[Schema, ...]:
    """Describe each key as a parameter of a query."""
    keys: dict[str, Schema] = configuration_schema()["properties"]
    return tuple(in_query(name, schema["description"], _query_schema(schema)) for name, schema in keys.items())


def default(key: Key) -> object:
    """Return the default of a key as JSON."""
    value = getattr(SessionConfig(), key.attribute)
    return list(value) if isinstance(value, tuple) else value


def allowed(key: Key) -> str:
    """Describe the values of a key in Markdown."""
    match key:
        case IntegerKey(minimum=minimum, maximum=maximum) | NumberKey(minimum=minimum, maximum=maximum):
            return f"{minimum} to {maximum}"
        case BooleanKey():
            return "`true`, `false`"
        case LanguageModelKey(choices=choices):
            return ", ".join(f"`{choice}`" for choice in choices) + ", or the id of a trained one"
        case ChoiceKey(choices=choices):
            return ", ".join(f"`{choice}`" for choice in choices)
        case _:
            return key.allowed


def _schema(key: Key) -> Schema:
    frozen = "; frozen by the first audio" if key.frozen_by_audio else ""
    return {**key.schema, "default": default(key), "description": key.meaning + frozen}


def _query_schema(schema: Schema) -> Schema:
    query = {name: value for name, value in schema.items() if name != "description"}
    if query.get("type") != "boolean":
        return query
    return {"enum": list(BOOLEANS), "default": "true" if query["default"] else "false"}
