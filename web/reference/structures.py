"""Build JSON Schemas from structs, with a description of each field."""

import inspect
import re
from collections.abc import Collection, Mapping, Sequence

import msgspec

from stream.errors import Problem
from web.routes.operations import Opaque
from web.routes.schemas import REFERENCE, Schema, reference

# Descriptions of fields by name; a struct, or an argument of `structures`, may have others.
_MEANINGS = {
    "alternatives": "all hypotheses of the utterance, best first",
    "channel": "counted from 0; only where two channels are recognized, and of what concerns one of them",
    "code": "the HTTP status",
    "confidence": "0 to 1; 0.0 is not set",
    "detail": "a sentence for people",
    "duration": "seconds of audio up to which the message speaks; of `done`, all that was received",
    "eager": "whether a `speechStart` of the same utterance may still take it back",
    "endTime": "seconds from the first sample of the connection; 0.0 is not set",
    "endpointMs": "from the last frame of speech to the endpoint",
    "error": "the kind of error",
    "idleLimitMs": "nothing received for so long ends the connection",
    "idleMs": "nothing received for so long inside an utterance ends the utterance",
    "inferenceTime": "seconds spent waiting on the recognizer so far",
    "isFinal": "whether the text is settled",
    "lostMs": "audio whose recognition failed",
    "maxMessageBytes": "the largest message that a client may send",
    "message": "title and detail",
    "partial": "counts the partial messages from 1",
    "queueMs": "from received to sent on to the recognizer",
    "reason": "why the utterance ended",
    "receivedMs": "audio received",
    "recognizedMs": "audio recognized",
    "recognizerMs": "from the last audio sent to the hypothesis",
    "results": "hypotheses of an utterance, best first; of `done`, one result for each utterance",
    "revision": "counts the partial messages of the utterance from 1",
    "sequence": "counts the messages of the connection from 1, without gaps",
    "resume": "a token with which another connection goes on with this transcription",
    "settledMs": "every sample before this is in a delivered final or was skipped",
    "skippedMs": "audio without speech",
    "speaker": "who said the word, from 1; in extended mode, where the recognizer tells speakers apart",
    "stability": "the recognizer's own estimate, 0 to 1",
    "stableWords": "so many leading words of the first result will not change any more",
    "startTime": "seconds from the first sample of the connection; 0.0 is not set",
    "status": "`partial` until the very end, then `done`; of an error, its HTTP status",
    "streamLimitMs": "the longest connection",
    "time": "seconds from the first sample of the connection",
    "title": "the name of the HTTP status",
    "transcript": "its words, joined by one space",
    "transcriptionId": "the same in every message of a connection",
    "type": "the kind of message; of an error in plain mode, the kind of error",
    "utteranceId": "counts the utterances of the connection from 1",
    "word": "one word",
    "words": "empty in old results of a `done` that would be too long",
}
_COUNTED_FROM_1 = ("partial", "revision", "sequence", "speaker", "utteranceId")


def structures(types: Collection[type[msgspec.Struct]], meanings: Mapping[str, str] | None = None) -> dict[str, Schema]:
    """Build the schema of every type and of the structs inside them, by name.

    `meanings` replace the usual ones of fields.
    """
    found, described = set(types), set[type[msgspec.Struct]]()
    generated: dict[str, Schema] = {}

    def hook(kind: type) -> Schema:
        if not issubclass(kind, Opaque):
            return {"description": "any value"}
        found.update(kind.structs)
        return kind.schema

    while added := found - described:
        described |= added
        generated |= msgspec.json.schema_components(added, schema_hook=hook, ref_template=REFERENCE)[1]
    known = _MEANINGS | dict(meanings or {})
    return {name: _explained(schema, known) for name, schema in sorted(generated.items())}


def pinned(schema: Schema, values: Mapping[str, Schema], meanings: Mapping[str, str] | None = None) -> Schema:
    """Replace the schemas of fields whose Python types are too wide."""
    known = _MEANINGS | dict(meanings or {})
    fields = {name: _explained_field(name, of, known) for name, of in values.items()}
    return schema | {"properties": schema["properties"] | fields}


def one_of(values: Sequence[object], meaning: str | None = None) -> Schema:
    """Build an enum."""
    return {"enum": list(values)} | ({} if meaning is None else {"description": meaning})


def list_of(name: str) -> Schema:
    """Build a list with at least one item of a schema of the same document."""
    return {"type": "array", "items": reference(name), "minItems": 1}


def error_fields(kind_field: str, problems: Collection[Problem] = tuple(Problem)) -> dict[str, Schema]:
    """Build the fields of an error that programs read, for some of the problems."""
    codes = sorted({problem.value.http.value for problem in problems})
    kinds = one_of([problem.value.type for problem in problems], "the kind of error")
    return {"code": one_of(codes), "status": one_of([str(code) for code in codes]), kind_field: kinds}


def _explained(schema: Schema, meanings: Mapping[str, str]) -> Schema:
    properties = {name: _explained_field(name, of, meanings) for name, of in schema["properties"].items()}
    about = re.sub("`[a-z_]+`", lambda name: _camel(name[0]), inspect.cleandoc(schema["description"]))
    return schema | {"description": about, "properties": properties}


def _camel(name: str) -> str:
    return re.sub("_(.)", lambda letter: letter[1].upper(), name)


def _explained_field(name: str, schema: Schema, meanings: Mapping[str, str]) -> Schema:
    """Add a description to a field that has none."""
    # Keywords beside a reference are ignored.
    if "$ref" in schema:
        return schema
    if schema.get("anyOf") == [{"type": "integer"}, {"type": "number"}]:
        schema = {"type": "number"}
    least = {"minimum": 1} if name in _COUNTED_FROM_1 else {}
    return {"description": meanings[name]} | least | schema if name in meanings else schema
