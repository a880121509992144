"""JSON Schemas of the HTTP routes, generated from the structs that read requests and write answers."""

from collections.abc import Collection, Iterable, Iterator
from types import UnionType
from typing import get_args, get_origin

import msgspec

from stream.errors import Problem
from stream.protocols.deepgram.errors import DeepgramRefusal, err_code
from stream.protocols.farsava.messages import Failure
from stream.protocols.openai.errors import OpenAIError, error_codes
from web.reference.structures import error_fields, list_of, one_of, pinned, structures
from web.rest.response.fields import ID_SCHEMA, NOT_FAILED, PROGRESS
from web.routes.configuration import configuration_schema
from web.routes.operations import Media, Operation
from web.routes.schemas import Schema, reference

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
    "WireResult": "Hypothesis",
    "WireWord": "Word",
}
_PLAIN: dict[object, Schema] = {
    str: {"type": "string"},
    bytes: {"type": "string", "format": "binary"},
    dict: {"type": "object"},
}
_DETECTOR_KEYS = ("prerollMs", "maxUtteranceMs", "vadAggressiveness")


def rest_schemas(operations: Iterable[Operation]) -> dict[str, Schema]:
    """Build every schema of operations by name: their bodies, what is inside them, errors, the configuration."""
    kinds = {kind for operation in operations for media in _media(operation) for kind in _structs(media.kind)}
    built = structures(kinds | {Failure, OpenAIError, DeepgramRefusal}, _MEANINGS)
    for kind in kinds:
        rules = getattr(kind, "schema_rules", None)
        if rules is not None:
            built[kind.__name__]["allOf"] = rules
    named = {
        name: pinned(schema, _PINNED.get(name, {}), _MEANINGS)
        | {"description": _ABOUT.get(name, schema["description"])}
        | {"title": _NAMES.get(name, name)}
        for name, schema in built.items()
    }
    renamed = {_NAMES.get(name, name): _with_names(schema) for name, schema in named.items()}
    return renamed | {"Configuration": configuration_schema() | {"allOf": _CONFIGURATION_RULES}}


def media_schema(kind: object) -> Schema:
    """Build the schema of a body: a struct, a list or a union of structs, a text, bytes or any object."""
    if get_origin(kind) is list:
        return {"type": "array", "items": media_schema(*get_args(kind))}
    if isinstance(kind, UnionType):
        return {"anyOf": [media_schema(one) for one in get_args(kind)]}
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return reference(_NAMES.get(kind.__name__, kind.__name__))
    if kind in _PLAIN:
        return _PLAIN[kind]
    raise TypeError(f"no body is a {kind}")


def problem_schema(problems: Collection[Problem]) -> Schema:
    """The body of an error that is one of these."""
    return {"allOf": [reference("Error"), {"properties": error_fields("type", problems)}]}


def openai_problem_schema(problems: Collection[Problem]) -> Schema:
    """The body of an error that is one of these, as OpenAI's API has it."""
    codes = [code for problem in problems for code in error_codes(problem)]
    inner = {"properties": {"code": one_of(codes, "the kind of error")}}
    return {"allOf": [reference(OpenAIError.__name__), {"properties": {"error": inner}}]}


def deepgram_problem_schema(problems: Collection[Problem]) -> Schema:
    """The body of an error that is one of these, as Deepgram's API has it."""
    codes = list(dict.fromkeys(map(err_code, problems)))
    return {
        "allOf": [reference(DeepgramRefusal.__name__), {"properties": {"err_code": one_of(codes, "the kind of error")}}]
    }


def _media(operation: Operation) -> Iterator[Media]:
    yield from operation.body.values()
    for answer in operation.answers.values():
        yield from answer.content.values()


def _structs(kind: object) -> Iterator[type[msgspec.Struct]]:
    """Yield the structs in the type of a body."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
    for part in get_args(kind):
        yield from _structs(part)


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
