"""Owns the JSON Schemas of what the HTTP routes answer, generated from its types and from the table of errors."""

from collections.abc import Collection

import msgspec

from stream.errors import Problem
from stream.protocols.farsava.messages import Done, Failure
from web.reference.configuration import Schema
from web.reference.requests import request_schemas
from web.reference.structures import error_fields, list_of, one_of, pinned, reference, structures
from web.rest.configuration import ServerConfiguration
from web.rest.health import Health, Liveness
from web.rest.languagemodels import LanguageModelResult
from web.rest.languages import LanguageList
from web.rest.ovh import OvhResult
from web.rest.response.transcription import ExtendedTranscription, TranscriptionList
from web.rest.tokens import TradedToken
from web.store.tables import Kind, Status, Training

_PROGRESS = "`queued`, `processing` until the first text is settled, `partial` until the last one is, `done`"
_MEANINGS = {
    "corpora": "how many entries were given",
    "createdAt": "RFC 3339, in UTC",
    "duration": "seconds of audio received",
    "endTime": "seconds from the first sample",
    "error": "the kind of error of a recording that failed, else null",
    "inferenceTime": "seconds spent waiting on the recognizer",
    "expiresAt": "RFC 3339, in UTC; until then the token opens something",
    "kind": "a live connection, a short recording, a long one",
    "languageModelId": "what `languageModel` in a configuration takes",
    "languages": "each once",
    "name": "for people",
    "next": "the address of the following ones, null at the end",
    "phrases": "how many phrases were made of them",
    "progress": "how much of the recording is recognized, 0 to 1",
    "results": "one for each utterance, its best hypothesis; of a single utterance all its hypotheses, best first",
    "startTime": "seconds from the first sample",
    "status": _PROGRESS,
    "token": "a JWT",
    "transcriptionId": "names the transcription in `/v1/speech/transcriptions/{transcription_id}`",
    "transcriptions": "without their texts",
    "utteranceId": "counts the utterances from 1",
    "version": "of the API reference that this server follows",
    "words": "in the order in which they were said",
}
_ID = {"type": "string", "format": "uuid"}
_NOT_FAILED = one_of([status.value for status in Status if status is not Status.FAILED])
_TIMESTAMP = {"type": "string", "format": "date-time"}
_TYPES: tuple[type[msgspec.Struct], ...] = (
    Done,
    ExtendedTranscription,
    Failure,
    Health,
    LanguageList,
    LanguageModelResult,
    Liveness,
    OvhResult,
    ServerConfiguration,
    TradedToken,
    TranscriptionList,
)
# What the Python types leave open.
_PINNED: dict[str, dict[str, Schema]] = {
    "Done": {"transcriptionId": _ID, "status": _NOT_FAILED, "results": list_of("WireResult")},
    "ExtendedTranscription": {
        "transcriptionId": _ID,
        "status": _NOT_FAILED,
        "kind": one_of(list(Kind)),
        "createdAt": _TIMESTAMP,
        "progress": {"type": "number", "minimum": 0, "maximum": 1},
    },
    "Failure": error_fields("type"),
    "Health": {
        "message": {"type": "string", "description": "the state in words"},
        "status": one_of(["Running", "Warnings", "Critical"], "the state"),
    },
    "LanguageList": {
        "languages": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
    },
    "LanguageModelResult": {
        "status": one_of(list(Training), "only a trained one can be used"),
        "createdAt": _TIMESTAMP,
    },
    "TradedToken": {"expiresAt": _TIMESTAMP},
    "Liveness": {"status": one_of(["live", "ready"], "the state")},
    "TranscriptionSummary": {
        "transcriptionId": _ID,
        "status": one_of(list(Status), f"{_PROGRESS}, or `failed`"),
        "kind": one_of(list(Kind)),
        "createdAt": _TIMESTAMP,
        "error": one_of([*(problem.value.type for problem in Problem), None]),
    },
}
_ABOUT = {
    "Done": "A transcription with exactly the fields of the reference; at least one result, empty if nothing was said.",
    "Failure": "The body of every answer from 400 on.",
    "WireWord": "One word and its time.",
}
# The names that people read, where those of the code speak of the live protocol.
_NAMES = {
    "Done": "Transcription",
    "Failure": "Error",
    "LanguageModelResult": "LanguageModel",
    "OvhResult": "Recognized",
    "WireResult": "Hypothesis",
    "WireWord": "Word",
}


def rest_schemas() -> dict[str, Schema]:
    """Build every schema by name."""
    built = structures(_TYPES, _MEANINGS)
    told = {
        name: pinned(schema, _PINNED.get(name, {}), _MEANINGS)
        | {"description": _ABOUT.get(name, schema["description"])}
        | {"title": _NAMES.get(name, name)}
        for name, schema in built.items()
    }
    renamed = {_NAMES.get(name, name): _with_names(schema) for name, schema in told.items()}
    return renamed | request_schemas()


def problem_schema(problems: Collection[Problem]) -> Schema:
    """The body of an error that is one of these."""
    return {"allOf": [reference("Error"), {"properties": error_fields("type", problems)}]}


def _with_names(part: object) -> Schema:
    """Let every reference lead to the name that people read."""
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
