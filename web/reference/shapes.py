"""Owns what a JSON Schema lets pass, in a few words for people."""

from typing import Any

from web.reference.configuration import Schema
from web.reference.markup import Markup, between, element, joined, link


def values(schema: Schema) -> Markup:  # noqa: PLR0911  one for each kind of schema
    """What a schema lets pass, in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return link(f"#schema-{name}", name)
    match schema:
        case {"anyOf": list(several)} | {"oneOf": list(several)}:
            return joined(between(map(values, several), " or "))
        case {"allOf": [first, *_]}:
            return values(first)
        case {"const": value}:
            return _code(value)
        case {"enum": list(several)}:
            return joined(between(map(_code, several), ", "))
        case {"type": "array", "items": inner}:
            return joined(("list of ", values(inner)))
        case {"type": "object", "properties": fields}:
            return joined(between((_field(name, of) for name, of in fields.items()), ", "))
        case _:
            return joined((_plain(schema),))


def _field(name: str, schema: Schema) -> Markup:
    return joined((element("code", name), " ", values(schema)))


def _plain(schema: Schema) -> str:
    kind = str(schema.get("type", "anything"))
    kind = {"string": "text", "null": "null"}.get(kind, kind)
    kind = {"uuid": "UUID", "uri": "URI", "binary": "bytes", "date-time": "time"}.get(schema.get("format", ""), kind)
    kind = "base64" if "contentEncoding" in schema else kind
    match schema:
        case {"minimum": least, "maximum": most}:
            return f"{kind}, {least} to {most}"
        case {"minimum": least}:
            return f"{kind} from {least}"
        case _:
            return kind


def _code(value: Any) -> Markup:
    return element("code", value if isinstance(value, str) else "null" if value is None else str(value).lower())
