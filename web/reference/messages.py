"""JSON Schemas of the live protocol, generated from the types of its messages."""

from dataclasses import dataclass, field

import msgspec

from stream.configuration.config import KEYS
from stream.protocols.farsava.messages import EXTENDED_TYPES, Done, Failure, Partial
from stream.session.events import Reason
from web.reference.structures import error_fields, list_of, one_of, pinned, structures
from web.routes.configuration import configuration_schema
from web.routes.schemas import Schema, reference


@dataclass(frozen=True, slots=True)
class MessageKind:
    """One kind of message of the server; `pinned` holds what its Python type leaves open."""

    name: str
    type: type[msgspec.Struct]
    when: str
    pinned: Schema = field(default_factory=dict)


_STATUS_PARTIAL = {"status": {"const": "partial"}}
_STATUS_DONE = {"status": {"const": "done"}}
_HYPOTHESES = {"results": list_of("WireResult")}
_FULL = {"results": list_of("FullResult")}
_CONFIG_IN_FORCE = {
    "description": "every key with the value in force",
    "allOf": [reference("Configuration"), {"required": [key.name for key in KEYS]}],
}
_FINAL = {
    "results": list_of("FullResult") | {"maxItems": 1},
    "isFinal": {"const": True},
    "reason": one_of([reason.value for reason in Reason]),
}
_WARNINGS = one_of(
    ("gap", "slow", "quiet", "limit"),
    "audio lost, somebody behind, 10 s of sound without speech, or the longest connection near its end",
)
_EXTENDED: dict[str, tuple[str, Schema]] = {
    "ready": ("the answer to the handshake and to each accepted config", {"config": _CONFIG_IN_FORCE}),
    "speechStart": ("the onset of an utterance", {}),
    "speechEnd": ("the endpoint of an utterance", {}),
    "endOfTurn": ("the end of a turn, or an eager guess", {}),
    "partial": ("the unsettled text of an utterance", _STATUS_PARTIAL | _HYPOTHESES | {"isFinal": {"const": False}}),
    "final": ("the settled text of an utterance, once", _STATUS_PARTIAL | _FINAL),
    "warning": ("something that does not end the connection", {"code": _WARNINGS}),
    "done": ("the end, with everything that was said", _STATUS_DONE | _FULL),
    "error": ("the end, instead of `done`", error_fields("error")),
}
PLAIN = (
    MessageKind("plainPartial", Partial, "the text of an utterance so far, or settled", _STATUS_PARTIAL | _HYPOTHESES),
    MessageKind("plainDone", Done, "the end, with everything that was said", _STATUS_DONE | _HYPOTHESES),
    MessageKind("plainError", Failure, "the end, instead of `done`", error_fields("type")),
)
EXTENDED = tuple(
    MessageKind(name, EXTENDED_TYPES[name], when, {"type": {"const": name}} | pinned)
    for name, (when, pinned) in _EXTENDED.items()
)


def schemas() -> dict[str, Schema]:
    """Build every schema by name: the messages, the structures inside them, the configuration."""
    kinds = (*PLAIN, *EXTENDED)
    types = {kind.type for kind in kinds}
    built = structures(types)
    messages = {kind.name: pinned(built[kind.type.__name__], kind.pinned) | {"title": kind.name} for kind in kinds}
    names = {kind.type.__name__ for kind in kinds}
    inside = {name: schema for name, schema in built.items() if name not in names}
    return messages | inside | {"Configuration": configuration_schema()}
