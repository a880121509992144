"""OpenAPI document of the HTTP routes, generated from their structs and the table of errors."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from importlib.metadata import version

import msgspec

from stream.errors import Problem
from stream.protocols.deepgram.errors import refusal
from stream.protocols.farsava.messages import failure
from stream.protocols.openai.errors import openai_error
from web.errors import has_deepgram_errors, has_openai_errors
from web.reference.examples import EXAMPLES
from web.reference.schemas import (
    deepgram_problem_schema,
    media_schema,
    openai_problem_schema,
    problem_schema,
    rest_schemas,
)
from web.rest.response.documented import EXAMPLE_ID
from web.routes.operations import JSON_TYPE, Answer, Header, Link, Media, Operation, operations
from web.routes.schemas import Schema

_ABOUT = """\
Recordings in, text out. Live recognition is a WebSocket, described by `/asyncapi.json`; `/docs` shows both to people.
Every answer from 400 on has the same body: `detail` is for people, programs look at `type`. Below `/v1/audio` and
`/v1/models` it is OpenAI's instead, and at `/v1/listen` Deepgram's."""
_JWT = "a JWT with `sub`, `exp`, `iss` and `aud`, such as `niyosha token` makes"
_SCHEMES = {
    "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": _JWT},
    "tokenInQuery": {"type": "apiKey", "in": "query", "name": "jwt", "description": f"{_JWT}; for browsers"},
}
_EVERYWHERE = (Problem.METHOD_NOT_ALLOWED, Problem.INTERNAL)
_GUARDED = (Problem.UNAUTHENTICATED, Problem.FORBIDDEN)
_HEADERS = {
    "Allow": Header("the methods that are served", {"type": "string"}),
    "Retry-After": Header("seconds", {"type": "integer", "minimum": 0}),
    "Upgrade": Header("what to upgrade to", {"const": "websocket"}),
    "WWW-Authenticate": Header("how to send a token", {"const": "Bearer"}),
}
_HEADERS_OF = {
    HTTPStatus.UNAUTHORIZED: "WWW-Authenticate",
    HTTPStatus.METHOD_NOT_ALLOWED: "Allow",
    HTTPStatus.UPGRADE_REQUIRED: "Upgrade",
    HTTPStatus.TOO_MANY_REQUESTS: "Retry-After",
    HTTPStatus.SERVICE_UNAVAILABLE: "Retry-After",
}


def openapi(resources: Iterable[type], *, asks_for_token: bool) -> Schema:
    """Build the OpenAPI 3.1 document of resources on a server that requires tokens, or on one that does not."""
    declared = list(operations(resources))
    schemes: list[Schema] = [{name: []} for name in _SCHEMES]
    security = schemes if asks_for_token else [*schemes, {}]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Niyosha",
            "version": version("niyosha"),
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "the server that this document came from"}],
        "tags": [{"name": tag.name, "description": tag.about} for tag in dict.fromkeys(one.tag for one in declared)],
        "security": security,
        "paths": _paths(declared),
        "components": {"schemas": rest_schemas(declared), "securitySchemes": _SCHEMES},
    }


def _paths(declared: Iterable[Operation]) -> dict[str, Schema]:
    paths: dict[str, Schema] = {}
    for operation in declared:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return paths


def _operation(operation: Operation) -> Schema:
    described: Schema = {"operationId": operation.id, "tags": [operation.tag.name], "summary": operation.summary}
    if operation.description:
        described["description"] = operation.description
    if operation.parameters:
        described["parameters"] = list(operation.parameters)
    if operation.body:
        described["requestBody"] = {"required": operation.is_body_required, "content": _content(operation.body)}
    if not operation.asks_for_token:
        described["security"] = []
    guards = _GUARDED if operation.asks_for_token else ()
    answers = {str(status): _answer(answer) for status, answer in operation.answers.items()}
    return described | {"responses": answers | _refusals(operation.path, {*operation.problems, *_EVERYWHERE, *guards})}


def _content(content: Mapping[str, Media]) -> dict[str, Schema]:
    return {media_type: _media(media) for media_type, media in content.items()}


def _media(media: Media) -> Schema:
    described: Schema = {"schema": media_schema(media.kind)}
    if media.example is not None:
        described["example"] = media.example
    if media.examples:
        described["examples"] = media.examples
    if media.encoding:
        described["encoding"] = media.encoding
    return described


def _answer(answer: Answer) -> Schema:
    described: Schema = {"description": answer.description}
    if answer.headers:
        described["headers"] = {name: _header(header) for name, header in answer.headers.items()}
    if answer.content:
        described["content"] = _content(answer.content)
    if answer.links:
        described["links"] = {name: _link(link) for name, link in answer.links.items()}
    return described


def _link(link: Link) -> Schema:
    return {"operationId": link.operation_id, "parameters": {link.parameter: f"$response.body#/{link.field_name}"}}


def _refusals(path: str, problems: set[Problem]) -> dict[str, Schema]:
    statuses = sorted({problem.value.http for problem in problems})
    return {
        str(status.value): _refusal(
            path, status, [one for one in Problem if one in problems and one.value.http is status]
        )
        for status in statuses
    }


def _refusal(path: str, status: HTTPStatus, problems: list[Problem]) -> Schema:
    error = EXAMPLES[problems[0]]
    schema, example = problem_schema(problems), msgspec.to_builtins(failure(error.problem, error.detail))
    if has_openai_errors(path):
        schema, example = openai_problem_schema(problems), msgspec.to_builtins(openai_error(error))
    elif has_deepgram_errors(path):
        schema, example = deepgram_problem_schema(problems), msgspec.to_builtins(refusal(error, EXAMPLE_ID))
    described: Schema = {
        "description": _meanings(problems),
        "content": {JSON_TYPE: {"schema": schema, "example": example}},
    }
    header = _HEADERS_OF.get(status)
    return described if header is None else described | {"headers": {header: _header(_HEADERS[header])}}


def _header(header: Header) -> Schema:
    return {"description": header.description, "schema": header.schema, "required": header.is_always_sent}


def _meanings(problems: Iterable[Problem]) -> str:
    return "; ".join(f"`{problem.value.type}`: {problem.value.meaning}" for problem in problems)
