"""Parameters of the HTTP routes in OpenAPI."""

from stream.configuration.config import LANGUAGE_MODELS
from web.reference.configuration import Schema, configuration_schema
from web.rest.response.transcription import BOOLEANS, FORMATS
from web.rest.transcriptions import MOST_LISTED, USUALLY_LISTED

_UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


def _in(place: str, name: str, description: str, schema: Schema) -> Schema:
    parameter: Schema = {"name": name, "in": place, "description": description, "schema": schema}
    return parameter | {"required": True} if place == "path" else parameter


EXTENDED = _in(
    "query",
    "extended",
    "more than the reference has; `1` and `0` are taken for `true` and `false`",
    {"enum": list(BOOLEANS), "default": "false"},
)
FORMAT = _in(
    "query",
    "format",
    "JSON, lines of text, or subtitles",
    {"enum": list(FORMATS)},
)
LIMIT = _in(
    "query",
    "limit",
    "how many at most",
    {"type": "integer", "minimum": 1, "maximum": MOST_LISTED, "default": USUALLY_LISTED},
)
BEFORE = _in(
    "query",
    "before",
    "from the `next` of an earlier answer, which has it",
    {"type": "string", "pattern": rf"^0x1\.[0-9a-f]{{13}}p\+3[01]_{_UUID}$"},
)
TRANSCRIPTION_ID = _in("path", "transcription_id", "the id of a transcription", {"type": "string", "format": "uuid"})
LANGUAGE_MODEL_ID = _in(
    "path",
    "language_model_id",
    "the id of a language model, or the name of a built-in one",
    {"anyOf": [{"enum": list(LANGUAGE_MODELS)}, {"type": "string", "format": "uuid"}]},
)
LANGUAGE = _in(
    "path",
    "language",
    "a language tag; OVH's own are `en-gb`, `fr-fr` and the like",
    configuration_schema()["properties"]["languageCode"] | {"examples": ["en-gb"]},
)


def live_query() -> tuple[Schema, ...]:
    """The configuration of a live connection, key by key."""
    keys: dict[str, Schema] = configuration_schema()["properties"]
    return tuple(_in("query", name, schema["description"], _query_schema(schema)) for name, schema in keys.items())


def _query_schema(schema: Schema) -> Schema:
    query = {name: value for name, value in schema.items() if name != "description"}
    if query.get("type") != "boolean":
        return query
    default = "true" if query["default"] else "false"
    return {"enum": list(BOOLEANS), "default": default}
