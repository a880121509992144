"""The AsyncAPI document: whole in itself, and true of what really goes over the wire."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft7Validator, ValidationError

from stream.configuration.config import KEYS, SessionConfig
from stream.errors import ClientError, Problem
from stream.protocols.farsava.commands import parse_command
from stream.protocols.farsava.messages import EXTENDED_TYPES
from tests.support.recognizers import CountingStream, FailingStream
from tests.support.sounds import clip_pcm, cut
from tests.web.support.gateway import Gateway, shared
from tests.web.support.sockets import LIVE, Conversation, converse, http_client
from tests.web.support.tokens import token
from web.reference.asyncapi import asyncapi

DOCUMENT: dict[str, Any] = asyncapi()
CHANNEL = DOCUMENT["channels"]["live"]
SENTENCE = clip_pcm("quick.wav") + bytes(32_000)


def validator(schema: dict[str, Any]) -> Draft7Validator:
    return Draft7Validator({"allOf": [schema], "components": DOCUMENT["components"]})


def payload(name: str) -> Draft7Validator:
    return validator(DOCUMENT["components"]["messages"][name]["payload"])


def kind(message: dict[str, Any]) -> str:
    """The name in the document of a message of the server."""
    if "sequence" in message:
        return str(message["type"])
    return {"partial": "plainPartial", "done": "plainDone"}.get(message["status"], "plainError")


def kinds_of(conversation: Conversation) -> set[str]:
    """The kinds of all messages, each of which must fit its schema."""
    for message in conversation.messages:
        payload(kind(message)).validate(message)
    return {kind(message) for message in conversation.messages}


def references(part: object) -> Iterator[str]:
    match part:
        case {"$ref": str(reference)}:
            yield reference
        case dict():
            for value in part.values():
                yield from references(value)
        case list():
            for value in part:
                yield from references(value)


def resolved(reference: str) -> Any:
    assert reference.startswith("#/")
    part: Any = DOCUMENT
    for name in reference[2:].split("/"):
        part = part[name]
    return part


# --- the document ---


@shared
async def test_the_document_is_served(gateway: Gateway) -> None:
    async with http_client(gateway.base) as client:
        response = await client.get("/asyncapi.json")
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == DOCUMENT


def test_it_is_an_asyncapi_3_document() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert set(DOCUMENT) == {
        "asyncapi", "info", "defaultContentType", "servers", "channels", "operations", "components"
    }  # fmt: skip
    assert DOCUMENT["info"]["title"]
    assert DOCUMENT["info"]["version"]
    assert all({"host", "protocol"} <= set(server) for server in DOCUMENT["servers"].values())
    assert CHANNEL["address"] == LIVE
    assert CHANNEL["bindings"]["ws"]["query"]["type"] == "object"


def test_every_reference_leads_somewhere() -> None:
    found = set(references(DOCUMENT))
    assert found
    for reference in found:
        assert isinstance(resolved(reference), dict)


def test_every_message_belongs_to_one_operation_of_the_channel() -> None:
    names: list[str] = []
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in {"send", "receive"}
        assert resolved(operation["channel"]["$ref"]) is CHANNEL
        for message in operation["messages"]:
            prefix, name = message["$ref"].rsplit("/", 1)
            assert prefix == "#/channels/live/messages"
            names.append(name)
    assert sorted(names) == sorted(CHANNEL["messages"]) == sorted(DOCUMENT["components"]["messages"])
    assert set(EXTENDED_TYPES) < set(names)


@pytest.mark.parametrize("name", DOCUMENT["components"]["schemas"])
def test_every_schema_is_valid_and_explains_its_fields(name: str) -> None:
    schema = DOCUMENT["components"]["schemas"][name]
    Draft7Validator.check_schema(schema)
    assert schema["additionalProperties"] is False
    assert "_" not in schema.get("description", "")
    for field in schema["properties"].values():
        assert "$ref" in field or field["description"]


def test_every_error_has_its_row() -> None:
    rows = [(row["type"], row["http"], row["closeCode"], row["meaning"]) for row in CHANNEL["x-errors"]]
    table = [(p.value.type, p.value.http.value, p.value.close_code, p.value.meaning) for p in Problem]
    assert rows == table


# --- the configuration ---


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_a_key_takes_what_its_schema_takes(key: Any) -> None:
    query = CHANNEL["bindings"]["ws"]["query"]["properties"][key.name]
    assert query == DOCUMENT["components"]["schemas"]["Configuration"]["properties"][key.name]
    assert ("frozen" in query["description"]) == key.frozen_by_audio
    assert query["default"] == json.loads(json.dumps(SessionConfig().on_wire()[key.name]))
    values: list[object] = [True, None, -1, 0, 1, 2, 3, 4, 5, 6, 100, 101, 7999, 8000, 48000, 48001, 30001, 0.5, {}]
    values += ["", "e", "en", "en-US", "en--US", "é" * 3, "x" * 35, "x" * 36, "webrtc", "silero", "off", "FLAC", "auto"]
    values += [[], [""], [" "], ["word"], ["x" * 100], ["x" * 101], ["x"] * 500, ["x"] * 501, [1], "default", "general"]
    for value in [*values, query["default"]]:
        assert Draft7Validator(query).is_valid(value) == key.accepts(value), value


# --- what a client says ---


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("close", '{"type":"close"}'),
        ("finalize", '{"type":"finalize"}'),
        ("keepAlive", '{"type":"keepAlive"}'),
        ("configure", '{"config":{"hangoverMs":300,"phrases":["harbour"]}}'),
        ("configure", '{"config":{}}'),
    ],
)
def test_a_command_that_is_understood_is_valid(name: str, text: str) -> None:
    parse_command(text)
    message = json.loads(text)
    payload(name).validate(message)
    assert not payload(name).is_valid({**message, "more": 1})


@pytest.mark.parametrize(("text", "is_close"), [("close", True), (" Close\n", True), ("closed", False), ("", False)])
def test_the_bare_word_is_a_pattern(text: str, is_close: bool) -> None:
    assert payload("closeWord").is_valid(text) == is_close
    if is_close:
        parse_command(text)
    else:
        with pytest.raises(ClientError):
            parse_command(text)


# --- what the server says ---


@pytest.mark.parametrize("query", ["", "wholeSeconds=true&maxAlternatives=3"])
async def test_plain_traffic_is_as_the_document_says(server: str, query: str) -> None:
    conversation = await converse(server, *cut(SENTENCE * 2, 3200), "close", query=query)
    assert kinds_of(conversation) == {"plainPartial", "plainDone"}


@shared
async def test_a_plain_error_is_as_the_document_says(gateway: Gateway) -> None:
    conversation = await converse(gateway.base, SENTENCE, "nonsense", query=f"jwt={token()}")
    assert kinds_of(conversation) == {"plainPartial", "plainError"}


@shared
async def test_extended_traffic_is_as_the_document_says(gateway: Gateway) -> None:
    messages: list[bytes | str | float] = ['{"config":{"phrases":["fox"],"boost":2.5}}']
    for chunk in cut(SENTENCE, 6400):
        messages += [chunk, 0.2]
    conversation = await converse(gateway.base, *messages, "close", query=f"extended=true&jwt={token()}")
    assert kinds_of(conversation) == {"ready", "speechStart", "speechEnd", "partial", "final", "done"}


@shared
async def test_two_channels_and_a_gap_are_as_the_document_says(gateway: Gateway) -> None:
    failing = gateway.book.add(FailingStream, CountingStream)
    query = f"extended=true&channels=2&{failing.query}&jwt={token()}"
    conversation = await converse(gateway.base, SENTENCE, "close", query=query)
    assert {"warning", "final", "done"} <= kinds_of(conversation)
    assert any("channel" in message for message in conversation.messages)


@shared
async def test_an_extended_error_is_as_the_document_says(gateway: Gateway) -> None:
    conversation = await converse(gateway.base, "nonsense", query=f"extended=true&jwt={token()}")
    assert kinds_of(conversation) == {"ready", "error"}


@shared
async def test_a_foreign_field_or_value_is_not_as_the_document_says(gateway: Gateway) -> None:
    plain = await converse(gateway.base, SENTENCE, "close", query=f"jwt={token()}")
    extended = await converse(gateway.base, SENTENCE, "close", query=f"extended=true&jwt={token()}")
    for message in plain.messages + extended.messages:
        payload(kind(message)).validate(message)
        with pytest.raises(ValidationError, match="foreign"):
            payload(kind(message)).validate({**message, "foreign": 1})
        if "sequence" in message:
            assert not payload(kind(message)).is_valid({**message, "type": "foreign"})
        if "status" in message:
            assert not payload(kind(message)).is_valid({**message, "status": "foreign"})
