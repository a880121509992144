"""The text messages of Deepgram's clients, parsed into commands and replies."""

import json
from dataclasses import dataclass

from stream.configuration.config import KEYS
from stream.errors import ClientError, quoted
from stream.protocols.deepgram.errors import unknown_message
from stream.protocols.deepgram.messages import ConfigureFailure, ConfigureSuccess
from stream.protocols.farsava.commands import strict_json
from stream.session.commands import ClientInput, Close, Configure, Finalize, KeepAlive, Reply

_PHRASES = next(key for key in KEYS if key.name == "phrases")
# Features that only tune the text; others would have to change it.
_WITHOUT_EFFECT = ("numerals", "measurements", "filler_words")


@dataclass(frozen=True, slots=True)
class Finalizing:
    """The reply that marks in the order of the events where a command to finalize came; it is no message."""

    channel: int | None = None


def parse_message(text: str, request_id: str, channels: int = 1) -> tuple[ClientInput, ...]:
    """Read a text message of a client with so many channels; one that is not understood is answered, no more."""
    match _object(text):
        case {"type": "KeepAlive"}:
            return (KeepAlive(),)
        case {"type": "Finalize", "channel": int(channel)} if type(channel) is int and 0 <= channel < channels:
            return Reply(Finalizing(channel)), Finalize(channel)
        case {"type": "Finalize", **rest} if rest.get("channel") is None:
            return Reply(Finalizing()), Finalize()
        case {"type": "CloseStream"}:
            return (Close(),)
        case {"type": "Configure", **rest}:
            inputs = _configure(rest, request_id)
        case _:
            inputs = None
    return (Reply(unknown_message(text)),) if inputs is None else inputs


def _object(text: str) -> object:
    """Parse JSON; None for what is none, or cannot be written again: half a surrogate pair, a key twice."""
    try:
        value = strict_json(text)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError, ClientError):
        return None
    return value


def _configure(fields: dict[object, object], request_id: str) -> tuple[ClientInput, ...] | None:
    """Return the change, or the answer where nothing changes; None for a wrong message."""
    keyterms, features = fields.get("keyterms"), fields.get("features")
    if not (features is None or (isinstance(features, dict) and all(type(on) is bool for on in features.values()))):
        return None
    unknown = next((str(name) for name in features or () if name not in _WITHOUT_EFFECT), None)
    if unknown is not None:
        detail = f"the feature {quoted(unknown)} cannot be changed on an open connection; connect again with it"
        return (Reply(ConfigureFailure(request_id, "CONFIGURE_FEATURE_NOT_SUPPORTED", detail)),)
    if keyterms is None:
        return (Reply(ConfigureSuccess(request_id)),)
    if not isinstance(keyterms, list) or not all(isinstance(term, str) for term in keyterms):
        return None
    if not _PHRASES.accepts(keyterms):
        detail = f"keyterms must be {_PHRASES.allowed}"
        return (Reply(ConfigureFailure(request_id, "CONFIGURE_KEYTERM_LIMIT_EXCEEDED", detail)),)
    return (Configure({"phrases": keyterms}, goes_on=True, label=keyterms),)
