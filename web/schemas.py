"""Owns the JSON Schemas of the live protocol, generated from the types of its messages."""

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from stream.config import KEYS
from stream.errors import Problem
from stream.events import Reason
from stream.wire import EXTENDED_TYPES, Done, Failure, Partial
from web.configuration import Schema, configuration_schema

_REFERENCE = "#/components/schemas/{name}"

_MEANINGS = {
    "alternatives": "all hypotheses of the utterance, best first",
    "channel": "counted from 0; only where two channels are recognised, and of what concerns one of them",
    "code": "the HTTP status",
    "confidence": "0 to 1; 0.0 is not set",
    "detail": "a sentence for people",
    "duration": "seconds of audio up to which the message speaks; of `done`, all that was received",
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
    "recognizedMs": "audio recognised",
    "recognizerMs": "from the last audio sent to the hypothesis",
    "results": "hypotheses of an utterance, best first; of `done`, one result for each utterance",
    "revision": "counts the partial messages of the utterance from 1",
    "sequence": "counts the messages of the connection from 1, without gaps",
    "settledMs": "every sample before this is in a delivered final or was skipped",
    "skippedMs": "audio without speech",
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
_COUNTED_FROM_1 = ("partial", "revision", "sequence", "utteranceId")


@dataclass(frozen=True, slots=True)
class MessageKind:
    """One kind of message of the server; `pinned` holds what its Python type leaves open."""

    name: str
    type: type[msgspec.Struct]
    when: str
    pinned: Schema = field(default_factory=dict)


def _one_of(values: Sequence[object], meaning: str | None = None) -> Schema:
    return {"enum": list(values)} | ({} if meaning is None else {"description": meaning})


def _list_of(name: str) -> Schema:
    return {"type": "array", "items": {"$ref": _REFERENCE.format(name=name)}, "minItems": 1}


def _error(kind_field: str) -> Schema:
    codes = sorted({problem.value.http.value for problem in Problem})
    kinds = _one_of([problem.value.type for problem in Problem], "the kind of error")
    return {"code": _one_of(codes), "status": _one_of([str(code) for code in codes]), kind_field: kinds}


_STATUS_PARTIAL = {"status": {"const": "partial"}}
_STATUS_DONE = {"status": {"const": "done"}}
_HYPOTHESES = {"results": _list_of("WireResult")}
_FULL = {"results": _list_of("FullResult")}
_CONFIG_IN_FORCE = {
    "description": "every key with the value in force",
    "allOf": [{"$ref": _REFERENCE.format(name="Configuration")}, {"required": [key.name for key in KEYS]}],
}
_FINAL = {
    "results": _list_of("FullResult") | {"maxItems": 1},
    "isFinal": {"const": True},
    "reason": _one_of([reason.value for reason in Reason]),
}
_WARNINGS = _one_of(("gap", "slow", "limit"), "audio lost, somebody behind, or the longest connection near its end")
_EXTENDED: dict[str, tuple[str, Schema]] = {
    "ready": ("the answer to the handshake and to each accepted config", {"config": _CONFIG_IN_FORCE}),
    "speechStart": ("the onset of an utterance", {}),
    "speechEnd": ("the endpoint of an utterance", {}),
    "partial": ("the unsettled text of an utterance", _STATUS_PARTIAL | _HYPOTHESES | {"isFinal": {"const": False}}),
    "final": ("the settled text of an utterance, once", _STATUS_PARTIAL | _FINAL),
    "warning": ("something that does not end the connection", {"code": _WARNINGS}),
    "done": ("the end, with everything that was said", _STATUS_DONE | _FULL),
    "error": ("the end, instead of `done`", _error("error")),
}
PLAIN = (
    MessageKind("plainPartial", Partial, "the text of an utterance so far, or settled", _STATUS_PARTIAL | _HYPOTHESES),
    MessageKind("plainDone", Done, "the end, with everything that was said", _STATUS_DONE | _HYPOTHESES),
    MessageKind("plainError", Failure, "the end, instead of `done`", _error("type")),
)
EXTENDED = tuple(
    MessageKind(name, EXTENDED_TYPES[name], when, {"type": {"const": name}} | pinned)
    for name, (when, pinned) in _EXTENDED.items()
)


def schemas() -> dict[str, Schema]:
    """Build every schema by name: the messages, the structures inside them, the configuration."""
    kinds = (*PLAIN, *EXTENDED)
    _, generated = msgspec.json.schema_components(
        {kind.type for kind in kinds}, schema_hook=_anything, ref_template=_REFERENCE
    )
    structures = {name: _explained(schema) for name, schema in sorted(generated.items())}
    messages = {kind.name: _pinned(structures[kind.type.__name__], kind) for kind in kinds}
    for name in {kind.type.__name__ for kind in kinds}:
        del structures[name]
    return messages | structures | {"Configuration": configuration_schema()}


def _anything(_: type) -> Schema:
    return {"description": "any value"}


def _explained(schema: Schema) -> Schema:
    properties = {name: _explained_field(name, of) for name, of in schema["properties"].items()}
    about = re.sub("`[a-z_]+`", lambda name: _camel(name[0]), inspect.cleandoc(schema["description"]))
    return schema | {"description": about, "properties": properties}


def _camel(name: str) -> str:
    return re.sub("_(.)", lambda letter: letter[1].upper(), name)


def _explained_field(name: str, schema: Schema) -> Schema:
    # What stands beside a reference is ignored.
    if "$ref" in schema:
        return schema
    if schema.get("anyOf") == [{"type": "integer"}, {"type": "number"}]:
        schema = {"type": "number"}
    least = {"minimum": 1} if name in _COUNTED_FROM_1 else {}
    return {"description": _MEANINGS[name]} | least | schema if name in _MEANINGS else schema


def _pinned(schema: Schema, kind: MessageKind) -> Schema:
    pinned = {name: _explained_field(name, of) for name, of in kind.pinned.items()}
    return schema | {"title": kind.name, "properties": schema["properties"] | pinned}
