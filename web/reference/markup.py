"""Owns the writing of HTML: elements whose texts are escaped, and the little Markdown that descriptions have."""

import html
import json
import re
from collections.abc import Iterable

_MOST_COLUMNS = 88
_CODE = re.compile(r"`([^`]+)`")


class Markup(str):
    """HTML; any other text is escaped where it becomes a part of it."""

    __slots__ = ()


def element(tag: str, *parts: str, **attributes: str) -> Markup:
    """One element; a trailing underscore lets an attribute be a word of Python."""
    told = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{html.escape(value)}"' for name, value in attributes.items()
    )
    return Markup(f"<{tag}{told}>{joined(parts)}</{tag}>")


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
    return element("div", inner, class_="wide", tabindex="0", role="region", aria_label="table")


def listing(value: object) -> Markup:
    """A value as JSON, on lines of its own."""
    return element("pre", element("code", _json(value, "")), tabindex="0")


def link(address: str, title: str) -> Markup:
    """A link."""
    return element("a", title, href=address)


def between(parts: Iterable[Markup], separator: str) -> list[str]:
    """The parts with a separator between each two."""
    told: list[str] = []
    for part in parts:
        told += [separator, part]
    return told[1:]


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
