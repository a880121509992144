"""The events of a Realtime client, parsed; both OpenAI's and NVIDIA's API wrap audio in JSON as base64."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from stream.errors import ClientError, Problem
from stream.protocols.farsava.commands import check_marks, strict_json
from stream.protocols.openai.errors import FieldError
from stream.protocols.protocol import Message
from stream.session.commands import ClientInput, Reply

_MOST_ID_CHARACTERS = 512
_FIELD = re.compile(r"`\$\.(\w+)")
_NEEDED = {
    "type": "a text that names the kind of event",
    "event_id": "a text, or left out",
    "audio": "base64 text with padding, without line breaks",
}


class RealtimeClientEvent(msgspec.Struct, frozen=True):
    """A client's event; `audio` is decoded, objects are parsed where they are used."""

    type: str
    event_id: str | None = None
    audio: bytes | msgspec.UnsetType = msgspec.UNSET
    session: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    runtime_config: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


@dataclass(frozen=True, slots=True)
class EventError:
    """Why a client's event has no effect, and the id that the client gave the event."""

    error: ClientError
    event_id: str | None = None


class _Head(msgspec.Struct):
    event_id: object = None


_decoder = msgspec.json.Decoder(RealtimeClientEvent)
_head_decoder = msgspec.json.Decoder(_Head)


def parse_event(message: Message) -> RealtimeClientEvent | EventError:
    """Read a message, whether it came as text or as bytes."""
    try:
        check_marks(message)
        event = _decoder.decode(message)
    except msgspec.ValidationError as error:
        return EventError(_wrong_field(str(error)), _event_id(message))
    except (ValueError, RecursionError):
        detail = "the message is no JSON object of reasonable size; an event is an object with a type"
        return EventError(ClientError(Problem.INVALID_MESSAGE, detail))
    if event.event_id is not None and len(event.event_id) > _MOST_ID_CHARACTERS:
        detail = f"event_id has {len(event.event_id)} characters; it may have {_MOST_ID_CHARACTERS}"
        return EventError(FieldError(Problem.INVALID_MESSAGE, detail, param="event_id", code="invalid_value"))
    return event


def read_event(
    message: Message, inputs: Callable[[RealtimeClientEvent], tuple[ClientInput, ...]]
) -> tuple[ClientInput, ...]:
    """Return the `inputs` of an event; a wrong one, or one that `inputs` refuses with FieldError, becomes a reply."""
    event = parse_event(message)
    if isinstance(event, EventError):
        return (Reply(event),)
    try:
        return inputs(event)
    except FieldError as error:
        return (Reply(EventError(error, event.event_id)),)


def object_in(raw: msgspec.Raw | msgspec.UnsetType, param: str) -> Mapping[str, object]:
    """Return the JSON object of a field; raises FieldError."""
    if isinstance(raw, msgspec.UnsetType):
        raise FieldError(Problem.INVALID_MESSAGE, f"{param} is missing", param=param, code="missing_required_parameter")
    try:
        value = strict_json(bytes(raw))
    except ClientError as error:
        raise FieldError(error.problem, error.detail, param=param, code="invalid_value") from None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        detail = f"{param} cannot be read; it must be an object of reasonable size"
        raise FieldError(Problem.INVALID_MESSAGE, detail, param=param, code="invalid_type")
    return value


def _wrong_field(reason: str) -> ClientError:
    found = _FIELD.search(reason)
    if found is not None and found[1] in _NEEDED:
        detail = f"{found[1]} cannot be read; it must be {_NEEDED[found[1]]}"
        return FieldError(Problem.INVALID_MESSAGE, detail, param=found[1], code="invalid_value")
    if "missing required field" in reason:
        detail = f"type is missing; it must be {_NEEDED['type']}"
        return FieldError(Problem.INVALID_MESSAGE, detail, param="type", code="missing_required_parameter")
    return ClientError(Problem.INVALID_MESSAGE, "an event must be a JSON object")


def _event_id(message: Message) -> str | None:
    """Return the id of an event that is otherwise wrong."""
    try:
        event_id = _head_decoder.decode(message).event_id
    except (ValueError, RecursionError):
        return None
    return event_id if isinstance(event_id, str) and len(event_id) <= _MOST_ID_CHARACTERS else None
