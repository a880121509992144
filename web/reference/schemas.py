"""JSON Schemas of the HTTP routes, generated from the structs that read requests and write answers."""

from collections.abc import Collection
from typing import Any

import msgspec

from stream.configuration.config import VAD_KINDS
from stream.errors import Problem
from stream.protocols.farsava.messages import Done, Failure
from web.reference.configuration import Schema, configuration_schema
from web.reference.structures import error_fields, list_of, one_of, pinned, reference, structures
from web.rest.configuration import ServerConfiguration
from web.rest.health import Health, Liveness
from web.rest.languagemodels import LanguageModelRequest, LanguageModelResult
from web.rest.languages import LanguageList
from web.rest.ovh import OvhResult
from web.rest.request.bodies import (
    AudioData,
    AudioFile,
    AudioUpload,
    AudioUri,
    ConfigObject,
    LongAudio,
    LongConfigObject,
    LongForm,
    LongRequest,
    ShortForm,
    ShortRequest,
)
from web.rest.response.fields import ID_SCHEMA, NOT_FAILED, PROGRESS
from web.rest.response.transcription import ExtendedTranscription, TranscriptionList
from web.rest.tokens import OneUseRequest, TokenRequest, TradedToken

_TYPES: tuple[type[msgspec.Struct], ...] = (
    AudioData,
    AudioUpload,
    AudioUri,
    Done,
    ExtendedTranscription,
    Failure,
    Health,
    LanguageList,
    LanguageModelRequest,
    LanguageModelResult,
    Liveness,
    LongForm,
    LongRequest,
    OneUseRequest,
    OvhResult,
    ServerConfiguration,
    ShortForm,
    ShortRequest,
    TokenRequest,
    TradedToken,
    TranscriptionList,
)
_MEANINGS = {
    "duration": "seconds of audio received",
    "endTime": "seconds from the first sample",
    "inferenceTime": "seconds spent waiting on the recognizer",
    "results": "one for each utterance, its best hypothesis; of a single utterance all its hypotheses, best first",
    "startTime": "seconds from the first sample",
    "status": PROGRESS,
    "transcriptionId": "names the transcription in `/v1/speech/transcriptions/{transcription_id}`",
    "words": "in the order in which they were said",
}
# What the messages of the live protocol leave open, and their description here.
_PINNED: dict[str, dict[str, Schema]] = {
    "Done": {
        "transcriptionId": {"type": "string"} | ID_SCHEMA,
        "status": one_of(NOT_FAILED),
        "results": list_of("WireResult"),
    },
    "Failure": error_fields("type"),
}
_ABOUT = {
    "Done": "A transcription with exactly the fields of the reference; at least one result, empty if nothing was said.",
    "Failure": "The body of every answer from 400 on.",
    "WireWord": "One word and its time.",
}
# Structs that are called differently in the document, where their names speak of the live protocol.
_NAMES = {
    "Done": "Transcription",
    "Failure": "Error",
    "LanguageModelResult": "LanguageModel",
    "OvhResult": "Recognized",
    "WireResult": "Hypothesis",
    "WireWord": "Word",
}
_CONFIG = reference("Configuration")
_CUT_KINDS = [kind for kind in VAD_KINDS if kind != "off"]
_PARTS: dict[type, Schema] = {
    ConfigObject: _CONFIG,
    LongConfigObject: {"allOf": [_CONFIG, {"properties": {"vad": {"enum": _CUT_KINDS}}}]},
    AudioFile: {"type": "string", "format": "binary", "description": "the recording"},
    LongAudio: {"oneOf": [reference(one.__name__) for one in (AudioUri, AudioUpload, AudioData)]},
}
_DETECTOR_KEYS = ("prerollMs", "maxUtteranceMs", "vadAggressiveness")


def rest_schemas() -> dict[str, Schema]:
    """Build every schema by name."""
    built = structures(_TYPES, _MEANINGS, _PARTS)
    once = built.pop(OneUseRequest.__name__)
    token = built[TokenRequest.__name__]
    token["allOf"] = [_if_then("oneUse", True, {"seconds": {"maximum": once["properties"]["seconds"]["maximum"]}})]
    named = {
        name: pinned(schema, _PINNED.get(name, {}), _MEANINGS)
        | {"description": _ABOUT.get(name, schema["description"])}
        | {"title": _NAMES.get(name, name)}
        for name, schema in built.items()
    }
    renamed = {_NAMES.get(name, name): _with_names(schema) for name, schema in named.items()}
    return renamed | {"Configuration": configuration_schema() | {"allOf": _CONFIGURATION_RULES}}


def problem_schema(problems: Collection[Problem]) -> Schema:
    """The body of an error that is one of these."""
    return {"allOf": [reference("Error"), {"properties": error_fields("type", problems)}]}


def _if_then(key: str, value: object, properties: dict[str, Any]) -> Schema:
    """Where a key has a value, others hold more exactly."""
    return {"if": {"properties": {key: {"const": value}}}, "then": {"properties": properties}}


def _with_names(part: object) -> Schema:
    """Let every reference lead to the name in the document."""
    named: Schema = msgspec.json.decode(msgspec.json.encode(part))
    for inner in _objects(named):
        if isinstance(inner.get("$ref"), str):
            path, _, name = inner["$ref"].rpartition("/")
            inner["$ref"] = f"{path}/{_NAMES.get(name, name)}"
    return named


def _objects(part: object) -> list[Schema]:
    match part:
        case dict():
            return [part, *(inner for value in part.values() for inner in _objects(value))]
        case list():
            return [inner for value in part for inner in _objects(value)]
        case _:
            return []


_CONFIGURATION_RULES = [
    {
        "if": {"properties": {"vad": {"const": "off"}}, "required": ["vad"]},
        "then": {"properties": dict.fromkeys(_DETECTOR_KEYS, False)},
    },
    {
        "if": {"properties": {"channels": {"const": 2}}, "required": ["channels"]},
        "then": {"properties": {"extended": {"const": True}}, "required": ["extended"]},
    },
]
