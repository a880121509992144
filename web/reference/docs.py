"""The page at `/docs`: the OpenAPI and the AsyncAPI document for people, without a script."""

from collections.abc import Iterable

from web.reference.markup import Markup, between, element, joined, link, listing, prose, table, values
from web.routes.operations import JSON_TYPE
from web.routes.schemas import Schema

_SHELL = """<!doctype html>
<html lang="en" class="reference">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Niyosha: the interfaces</title>
<link rel="icon" href="static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="static/css/tokens.css">
<link rel="stylesheet" href="static/css/docs.css">
</head>
<body>
{body}
</body>
</html>
"""


def docs_page(rest: Schema, live: Schema) -> str:
    """Write the page of an OpenAPI and an AsyncAPI document."""
    sections = [_section(tag["name"], tag["description"], _operations(rest, tag["name"])) for tag in rest["tags"]]
    body = (
        element("header", element("h1", "Niyosha"), element("p", prose(rest["info"]["description"])), _sources()),
        _contents(rest),
        element("main", *sections, _websocket(live), _schemas(rest, live), _errors(live)),
    )
    return _SHELL.format(body=joined(body))


def _sources() -> Markup:
    links = (element("a", path, href=path) for path in ("openapi.json", "asyncapi.json"))
    return element("p", "For programs: ", *between(links, ", "))


def _contents(rest: Schema) -> Markup:
    titles = [*((_anchor(tag["name"]), tag["name"]) for tag in rest["tags"]), *_LATER]
    return element("nav", element("ul", *(_item(link(f"#{anchor}", title)) for anchor, title in titles)),
                   aria_label="Contents")  # fmt: skip


_LATER = (("websocket", "WebSocket"), ("schemas", "schemas"), ("errors", "errors"))


def _section(title: str, about: str, parts: Iterable[str]) -> Markup:
    return element(
        "section",
        element("h2", title, id=_anchor(title)),
        element("p", prose(f"{about[0].upper()}{about[1:]}.")),
        *parts,
    )


def _operations(rest: Schema, tag: str) -> Iterable[Markup]:
    for path, methods in rest["paths"].items():
        for method, operation in methods.items():
            if tag in operation["tags"]:
                yield _operation(path, method, operation)


def _operation(path: str, method: str, operation: Schema) -> Markup:
    name = element("code", element("b", method.upper()), f" {path}")
    parts = [element("h3", name, id=operation["operationId"]), element("p", prose(f"{operation['summary']}."))]
    if "description" in operation:
        parts.append(element("p", prose(operation["description"])))
    if "parameters" in operation:
        parts.append(element("h4", "Parameters"))
        parts.append(table(("name", "in", "values", "meaning"), map(_parameter, operation["parameters"])))
    if "requestBody" in operation:
        parts.append(element("h4", "Body"))
        parts += (_medium(kind, medium) for kind, medium in operation["requestBody"]["content"].items())
    parts.append(element("h4", "Answers"))
    parts += (_answer(status, answer) for status, answer in operation["responses"].items() if status < "300")
    refusals = [_refusal(*one) for one in operation["responses"].items() if one[0] >= "300"]
    return element("article", *parts, element("p", "Refusals: ", *between(refusals, "; "), "."))


def _parameter(one: Schema) -> tuple[str, ...]:
    return element("code", one["name"]), one["in"], values(one["schema"]), prose(one["description"])


def _medium(kind: str, medium: Schema) -> Markup:
    examples = [example["value"] for example in medium.get("examples", {}).values()]
    examples += [medium["example"]] if "example" in medium else []
    head = element("p", element("code", kind), ": ", values(medium["schema"]))
    return joined((head, *map(listing, examples)))


def _answer(status: str, answer: Schema) -> Markup:
    headers = between((element("code", name) for name in answer.get("headers", {})), ", ")
    about = (
        prose(f" {answer['description']}")
        if not headers
        else joined((prose(f" {answer['description']}, with "), *headers))
    )
    media = (_medium(kind, medium) for kind, medium in answer.get("content", {}).items())
    return joined((element("p", element("b", status), about), *media))


def _refusal(status: str, answer: Schema) -> Markup:
    fields = answer["content"][JSON_TYPE]["schema"]["allOf"][1]["properties"]
    if "type" in fields:
        links = between((link(f"#error-{kind}", kind) for kind in fields["type"]["enum"]), ", ")
    else:
        code = fields["err_code"] if "err_code" in fields else fields["error"]["properties"]["code"]
        codes = code["enum"]
        links = between((element("code", code) for code in codes), ", ")
    headers = [element("code", name) for name in answer.get("headers", {})]
    return joined((element("b", status), " ", *links, *(joined((" with ", header)) for header in headers)))


def _websocket(live: Schema) -> Markup:
    channel = live["channels"]["live"]
    address = element("code", element("b", "GET"), f" {channel['address']}", " (WebSocket)")
    keys = channel["bindings"]["ws"]["query"]["properties"]
    parts = [
        element("h2", "WebSocket", id="websocket"),
        element("p", prose(live["info"]["description"])),
        element("p", address),
        element("p", prose(channel["description"].replace("`x-errors`", "the errors below"))),
        element("h3", "Query"),
        element("p", prose(channel["bindings"]["ws"]["query"]["description"])),
        table(
            ("key", "values", "meaning"),
            ((element("code", key), values(of), prose(of["description"])) for key, of in keys.items()),
        ),
    ]
    for operation in live["operations"].values():
        names = [reference["$ref"].rpartition("/")[2] for reference in operation["messages"]]
        parts.append(element("h3", operation["summary"]))
        parts.append(table(("message", "when", "what it holds"), (_message(live, name) for name in names)))
    return element("section", *parts)


def _message(live: Schema, name: str) -> tuple[str, ...]:
    message = live["components"]["messages"][name]
    return element("code", name), prose(message["summary"]), values(message["payload"])


def _schemas(rest: Schema, live: Schema) -> Markup:
    known: dict[str, Schema] = rest["components"]["schemas"] | live["components"]["schemas"]
    parts = [_schema(name, schema) for name, schema in known.items()]
    return element("section", element("h2", "schemas", id="schemas"), *parts)


def _schema(name: str, schema: Schema) -> Markup:
    required = schema.get("required", ())
    rows = [
        (element("code", field), values(of), prose(of.get("description", "")), "" if field in required else "optional")
        for field, of in schema["properties"].items()
    ]
    about = element("p", prose(schema["description"])) if "description" in schema else Markup()
    head = element("h3", element("code", name), id=f"schema-{name}")
    return element("article", head, about, table(("field", "values", "meaning", "needed"), rows))


def _errors(live: Schema) -> Markup:
    rows = [
        (
            element("code", row["type"], id=f"error-{row['type']}"),
            str(row["http"]),
            str(row["closeCode"]),
            prose(row["meaning"]),
        )
        for row in live["channels"]["live"]["x-errors"]
    ]
    return element("section", element("h2", "errors", id="errors"), table(("type", "HTTP", "close code", "when"), rows))


def _item(part: str) -> Markup:
    return element("li", part)


def _anchor(title: str) -> str:
    return title.replace(" ", "-").lower()
