"""Write HTML: escaped elements, the Markdown of descriptions, and JSON Schemas in a few words."""

import html
import json
import re
from collections.abc import Iterable
from typing import Any

from web.routes.schemas import Schema

_MOST_COLUMNS = 88
_CODE = re.compile(r"`([^`]+)`")


class Markup(str):
    """HTML; any other text is escaped where it becomes a part of it."""

    __slots__ = ()


def element(tag: str, *parts: str, **attributes: str) -> Markup:
    """One element; a trailing underscore lets an attribute be a word of Python."""
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{html.escape(value)}"' for name, value in attributes.items()
    )
    return Markup(f"<{tag}{written}>{joined(parts)}</{tag}>")


def joined(parts: Iterable[str]) -> Markup:
    """The parts, one after the other."""
    return Markup("".join(part if isinstance(part, Markup) else html.escape(part) for part in parts))


def prose(text: str) -> Markup:
    """A description: what stands between backticks is code."""
    pieces = _CODE.split(text)
    return joined(element("code", piece) if number % 2 else piece for number, piece in enumerate(pieces))


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Markup:
    """A table that may be wider than its page; the first cell of a row names it."""
    top = element("tr", *(element("th", cell, scope="col") for cell in head))
    body = [_row(*row) for row in rows]
    inner = element("table", element("thead", top), element("tbody", *body))
    return element("div", inner, class_="wide", tabindex="0", role="group", aria_label="table")


def listing(value: object) -> Markup:
    """A value as JSON, on lines of its own."""
    return element("pre", element("code", _json(value, "")), tabindex="0")


def link(address: str, title: str) -> Markup:
    """A link."""
    return element("a", title, href=address)


def between(parts: Iterable[Markup], separator: str) -> list[str]:
    """The parts with a separator between each two."""
    parted: list[str] = []
    for part in parts:
        parted += [separator, part]
    return parted[1:]


def values(schema: Schema) -> Markup:  # noqa: PLR0911  one for each kind of schema
    """What a schema lets pass, in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return link(f"#schema-{name}", name)
    match schema:
        case {"const": value}:
            return _code(value)
        case {"enum": list(several)}:
            return joined(between(map(_code, several), ", "))
        case {"anyOf": list(several)} | {"oneOf": list(several)}:
            return joined(between(map(values, several), " or "))
        case {"allOf": [first, *_]}:
            return values(first)
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


def _json(value: object, indent: str) -> str:
    """JSON in which what fits into one line has one."""
    flat = json.dumps(value, ensure_ascii=False)
    inside = indent + "  "
    if not value or len(indent) + len(flat) <= _MOST_COLUMNS:
        return flat
    match value:
        case dict():
            rows = [f"{inside}{json.dumps(name)}: {_json(inner, inside)}" for name, inner in value.items()]
            return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
        case list():
            return "[\n" + ",\n".join(inside + _json(inner, inside) for inner in value) + f"\n{indent}]"
        case _:
            return flat


def _row(name: str, *cells: str) -> Markup:
    return element("tr", element("th", name, scope="row"), *(element("td", cell) for cell in cells))
