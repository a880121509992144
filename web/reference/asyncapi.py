"""AsyncAPI document of the live WebSocket, generated from what the code accepts and sends."""

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from stream.errors import Problem
from stream.paths import LIVE_PATH
from web.live.publishing import publishing_query
from web.live.resuming import resuming_query
from web.reference.messages import EXTENDED, PLAIN, MessageKind, schemas
from web.routes.configuration import configuration_schema
from web.routes.schemas import Schema

_ABOUT = """\
Audio in, text out while people talk. A connection is plain or, with `extended=true`, extended; the messages of the
server are those of its mode. Every message of the server is JSON; binary messages of the client are audio."""
_ENDINGS = """\
The connection ends with `done` and close code 1000 (1012 when the server stops), or with an error message and the
close code of its kind, see `x-errors`."""
_QUERY = """\
The configuration; every key may be left out. Booleans are `true`, `false`, `1` or `0`, `phrases` is repeated, any
other key may be given once only."""
_AUDIO = """\
Any cut is as good as any other, one in mid sample too. PCM16 little-endian, or what `audioEncoding` says; a WAV
header is understood, and so is base64."""


def asyncapi() -> dict[str, object]:
    """Build the AsyncAPI 3.0 document; `send` and `receive` are the server's."""
    messages = {kind.name: _message(kind) for kind in (*PLAIN, *EXTENDED)} | _COMMANDS | {"audio": _audio()}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Niyosha live recognition",
            "version": version("niyosha"),
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "gateway": {
                "host": "{host}:{port}",
                "protocol": "ws",
                "description": "A gateway as `niyosha serve` starts it",
                "variables": {"host": {"default": "127.0.0.1"}, "port": {"default": "8000"}},
            }
        },
        "channels": {
            "live": {
                "address": LIVE_PATH,
                "title": "Live recognition",
                "description": _ENDINGS,
                "servers": [{"$ref": "#/servers/gateway"}],
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
                "bindings": {"ws": {"method": "GET", "query": _query(), "bindingVersion": "0.1.0"}},
                "x-errors": [_row(problem) for problem in Problem],
            }
        },
        "operations": {
            "receiveAudio": _operation("receive", "The client's audio", ["audio"]),
            "receiveCommand": _operation("receive", "What else a client may say", _COMMANDS),
            "sendPlain": _operation("send", "The messages of plain mode", [kind.name for kind in PLAIN]),
            "sendExtended": _operation("send", "The messages of extended mode", [kind.name for kind in EXTENDED]),
        },
        "components": {"messages": messages, "schemas": schemas()},
    }


def _message(kind: MessageKind) -> Schema:
    return {"name": kind.name, "summary": kind.when, "payload": {"$ref": f"#/components/schemas/{kind.name}"}}


def _audio() -> Schema:
    return {
        "name": "audio",
        "summary": "a binary message",
        "description": _AUDIO,
        "contentType": "application/octet-stream",
        "payload": {"type": "string", "format": "binary"},
    }


def _object(properties: dict[str, Any]) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _command(name: str, summary: str, properties: dict[str, Any]) -> Schema:
    return {"name": name, "summary": summary, "payload": _object(properties)}


_COMMANDS: dict[str, Schema] = {
    "closeWord": {
        "name": "closeWord",
        "summary": "no more audio follows, as the bare word",
        "contentType": "text/plain",
        "payload": {"type": "string", "pattern": r"^\s*[cC][lL][oO][sS][eE]\s*$"},
    },
    "close": _command("close", "no more audio follows", {"type": {"const": "close"}}),
    "finalize": _command(
        "finalize", "settle the open utterance now, the stream goes on", {"type": {"const": "finalize"}}
    ),
    "keepAlive": _command("keepAlive", "nothing to say, but still there", {"type": {"const": "keepAlive"}}),
    "configure": _command(
        "configure",
        "values that hold from the next utterance on",
        {"config": {"$ref": "#/components/schemas/Configuration"}},
    ),
}


def _query() -> Schema:
    token = {"type": "string", "description": "a token; a server without a key ignores it"}
    schema = configuration_schema()
    others = (*publishing_query(), *resuming_query())
    of_handshake = {one["name"]: one["schema"] | {"description": one["description"]} for one in others}
    return schema | {"description": _QUERY, "properties": schema["properties"] | of_handshake | {"jwt": token}}


def _row(problem: Problem) -> Schema:
    kind = problem.value
    return {"type": kind.type, "http": kind.http.value, "closeCode": kind.close_code, "meaning": kind.meaning}


def _operation(action: str, summary: str, messages: Iterable[str]) -> Schema:
    return {
        "action": action,
        "summary": summary,
        "channel": {"$ref": "#/channels/live"},
        "messages": [{"$ref": f"#/channels/live/messages/{name}"} for name in messages],
    }
