"""Owns the JSON Schemas of what the HTTP routes take."""

from collections.abc import Collection, Mapping

from stream.configuration.config import VAD_KINDS
from web.reference.configuration import Schema, configuration_schema
from web.reference.structures import reference


def request_schemas() -> dict[str, Schema]:
    """Build every schema by name."""
    return _REQUESTS | {"Configuration": configuration_schema() | {"allOf": _RULES}}


def _object(description: str, properties: Mapping[str, Schema], required: Collection[str]) -> Schema:
    return {
        "type": "object",
        "description": description,
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def _set_to(key: str, value: object) -> Schema:
    return {"properties": {key: {"const": value}}, "required": [key]}


_CONFIG = reference("Configuration")
_LONG_CONFIG = {"allOf": [_CONFIG, {"properties": {"vad": {"enum": [kind for kind in VAD_KINDS if kind != "off"]}}}]}
_DETECTOR_KEYS = ("prerollMs", "maxUtteranceMs", "vadAggressiveness")
# What keys say of each other.
_RULES = [
    {"if": _set_to("vad", "off"), "then": {"properties": dict.fromkeys(_DETECTOR_KEYS, False)}},
    {"if": _set_to("channels", 2), "then": _set_to("extended", True)},
]
_DATA = {
    "type": "string",
    "contentEncoding": "base64",
    "minLength": 2,
    "description": "a file, or bare samples, in base64",
}
_URI = {
    "type": "string",
    "format": "uri",
    "pattern": "^https?://",
    "maxLength": 2048,
    "description": "where the server fetches the recording; a public address",
}
_UPLOAD = {"const": True, "description": "the recording will be sent to `Upload-Location`"}
_FILE = {"type": "string", "format": "binary", "description": "the recording"}
# Python takes some control characters for white space, which patterns do not.
_NOT_BLANK = r"[^\s\u001c-\u001f\u0085]"
_ENTRY = {"type": "string", "minLength": 1, "maxLength": 1000, "pattern": _NOT_BLANK}
_REQUESTS: dict[str, Schema] = {
    "AudioData": _object("The recording itself.", {"data": _DATA}, ["data"]),
    "AudioUri": _object("Where the recording is.", {"uri": _URI}, ["uri"]),
    "AudioUpload": _object("The promise of an upload.", {"upload": _UPLOAD}, ["upload"]),
    "ShortRequest": _object(
        "A short recording.", {"config": _CONFIG, "audio": reference("AudioData")}, ["config", "audio"]
    ),
    "LongRequest": _object(
        "A long recording, or where it is.",
        {
            "config": _LONG_CONFIG,
            "audio": {"oneOf": [reference(name) for name in ("AudioUri", "AudioUpload", "AudioData")]},
        },
        ["config", "audio"],
    ),
    "ShortForm": _object("A recording as a file of a form.", {"config": _CONFIG, "audio": _FILE}, ["audio"]),
    "LongForm": _object("A long recording as a file of a form.", {"config": _LONG_CONFIG, "audio": _FILE}, ["audio"]),
    "LanguageModelRequest": _object(
        "What a language model is made of.",
        {
            "name": {
                "type": ["string", "null"],
                "minLength": 1,
                "maxLength": 255,
                "pattern": r"[^\s\u0000-\u001f\u007f-\u009f]",
                "description": "for people; without one the model is called by its id",
            },
            "corpora": {
                "type": "array",
                "items": _ENTRY,
                "minItems": 1,
                "maxItems": 10_000,
                "description": "phrases, sentences, or ids of transcriptions, whose text is taken",
            },
        },
        ["corpora"],
    ),
    "TokenRequest": _object(
        "What a token is to be traded for; all of it may be left out.",
        {
            "scope": {
                "type": "string",
                "description": "names of scopes with spaces between; by default all of the key's but `tokens`, which "
                "a token for one use never has",
            },
            "oneUse": {"type": "boolean", "description": "whether the first use is the last; true by default"},
            "seconds": {
                "type": "number",
                "minimum": 1,
                "maximum": 43_200,
                "description": "how long it is good for; 60 by default, 600 at most for one use",
            },
        },
        [],
    )
    | {
        "allOf": [
            {
                "if": {"properties": {"oneUse": {"const": True}}},
                "then": {"properties": {"seconds": {"maximum": 600}}},
            }
        ]
    },
}
