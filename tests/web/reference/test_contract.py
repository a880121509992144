"""What the OpenAPI document promises to clients, held against `openapi.txt`.

A promise that is meant to change is written anew by `python -m tests.web.reference.test_contract`.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from web.composition.resources import RESOURCES
from web.reference.openapi import openapi

CONTRACT = Path(__file__).with_name("openapi.txt")
# Words for people, which may change.
PROSE = {"default", "description", "example", "examples", "summary", "title"}
# Generated from tables that have tests of their own.
TABLES = {"Configuration", "Error"}


def promises(place: str, schema: Any) -> Iterator[str]:
    """Yield a line for each part of a schema: its type, bounds, values and required keys."""
    if not isinstance(schema, dict):
        yield f"{place}: {json.dumps(schema)}"
        return
    own: dict[str, Any] = {}
    for name, value in schema.items():
        inner = list(parts(name, value))
        for step, part in inner:
            yield from promises(place + step, part)
        if not inner and name not in PROSE and not (name == "required" and value == []):
            own[name] = sorted(value, key=str) if name in {"required", "enum"} else value
    if own:
        yield f"{place}: {json.dumps(own, sort_keys=True)}"


def parts(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the schemas inside a keyword, with their places."""
    match name, value:
        case "properties", dict():
            yield from ((f".{field}", inner) for field, inner in value.items())
        case "allOf" | "anyOf" | "oneOf", list():
            yield from ((f" {name}[{number}]", inner) for number, inner in enumerate(value))
        case "items" | "additionalProperties" | "if" | "then", dict():
            yield f" {name}", value


def operation_promises(place: str, operation: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each parameter, body and successful answer of a route, and one for its refusals."""
    yield f"{place} statuses: {' '.join(sorted(operation['responses']))}"
    for parameter in operation.get("parameters", ()):
        if "asrlive" not in place:
            need = "required" if parameter.get("required") else "optional"
            yield from promises(f"{place} {need} {parameter['in']} {parameter['name']}", parameter["schema"])
    body = operation.get("requestBody", {"content": {}})
    for kind, medium in body["content"].items():
        yield from promises(f"{place} {'required' if body['required'] else 'optional'} {kind}", medium["schema"])
    for status, answer in operation["responses"].items():
        if status < "300":
            for name, header in answer.get("headers", {}).items():
                yield f"{place} {status} {name}: {'always' if header['required'] else 'sometimes'}"
            for kind, medium in answer.get("content", {}).items():
                yield from promises(f"{place} {status} {kind}", medium["schema"])


def contract() -> list[str]:
    document = openapi(RESOURCES, asks_for_token=True)
    lines: list[str] = []
    for name, schema in document["components"]["schemas"].items():
        lines += () if name in TABLES else promises(name, schema)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            lines += operation_promises(f"{method.upper()} {path}", operation)
    return sorted(lines)


def test_what_clients_rely_on_stays() -> None:
    assert contract() == CONTRACT.read_text(encoding="utf-8").splitlines()


def test_a_changed_bound_is_noticed() -> None:
    field = {"type": "number", "maximum": 60, "description": "x"}
    schema: dict[str, Any] = {"properties": {"seconds": field}, "required": ["seconds"]}
    before = list(promises("TokenRequest", schema))
    assert before == [
        'TokenRequest.seconds: {"maximum": 60, "type": "number"}',
        'TokenRequest: {"required": ["seconds"]}',
    ]
    field["maximum"] = 61
    assert list(promises("TokenRequest", schema)) != before


if __name__ == "__main__":
    CONTRACT.write_text("".join(f"{line}\n" for line in contract()), encoding="utf-8")
