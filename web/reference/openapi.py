"""OpenAPI document of the HTTP routes, generated from their structs and the table of errors."""

from collections.abc import Iterable
from functools import cache
from http import HTTPStatus
from importlib.metadata import version

import msgspec
from starlette.responses import Response

from stream.errors import Problem
from stream.protocols.farsava.messages import failure
from web.reference.configuration import Schema
from web.reference.examples import DETAILS
from web.reference.operations import JSON, OPERATIONS, Answer, Operation
from web.reference.schemas import problem_schema, rest_schemas

_ABOUT = """\
Recordings in, text out. Live recognition is a WebSocket, described by `/asyncapi.json`; `/docs` shows both to people.
Every answer from 400 on has the same body: `detail` is for people, programs look at `type`."""
_TAGS = {
    "recordings": "short ones answered at once, long ones in the background",
    "transcriptions": "what was recognized, live or from a recording; the caller's own only",
    "language models": "words to listen for, given once and then named",
    "live": "what a browser hides of a refused WebSocket",
    "OVH": "the speech call of OVH's AI Endpoints",
    "server": "its state, its languages, its page, its documents",
}
_JWT = "a JWT with `sub`, `exp`, `iss` and `aud`, such as `niyosha token` makes"
_SCHEMES = {
    "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": _JWT},
    "tokenInQuery": {"type": "apiKey", "in": "query", "name": "jwt", "description": f"{_JWT}; for browsers"},
}
_EVERYWHERE = (Problem.METHOD_NOT_ALLOWED, Problem.INTERNAL)
_GUARDED = (Problem.UNAUTHENTICATED, Problem.FORBIDDEN)
_HEADERS: dict[str, Schema] = {
    "Allow": {"description": "the methods that are served", "schema": {"type": "string"}},
    "Location": {
        "description": "the address of the transcription",
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Retry-After": {"description": "seconds", "schema": {"type": "integer", "minimum": 0}},
    "Upgrade": {"description": "what to upgrade to", "schema": {"const": "websocket"}},
    "Upload-Location": {
        "description": "where to PUT the recording",
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "WWW-Authenticate": {"description": "how to send a token", "schema": {"const": "Bearer"}},
}
_HEADERS_OF = {
    HTTPStatus.UNAUTHORIZED: "WWW-Authenticate",
    HTTPStatus.METHOD_NOT_ALLOWED: "Allow",
    HTTPStatus.UPGRADE_REQUIRED: "Upgrade",
    HTTPStatus.TOO_MANY_REQUESTS: "Retry-After",
    HTTPStatus.SERVICE_UNAVAILABLE: "Retry-After",
}


def openapi_response(*, asks_for_token: bool) -> Response:
    """Answer the document."""
    return Response(_encoded(asks_for_token), media_type=JSON)


@cache
def _encoded(asks_for_token: bool) -> bytes:
    return msgspec.json.encode(openapi(asks_for_token=asks_for_token))


def openapi(*, asks_for_token: bool) -> Schema:
    """Build the OpenAPI 3.1 document of a server that requires tokens, or of one that does not."""
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
        "tags": [{"name": name, "description": about} for name, about in _TAGS.items()],
        "security": security,
        "paths": {
            path: {method: _operation(operation) for method, operation in methods.items()}
            for path, methods in OPERATIONS.items()
        },
        "components": {"schemas": rest_schemas(), "securitySchemes": _SCHEMES},
    }


def _operation(operation: Operation) -> Schema:
    described: Schema = {"operationId": operation.id, "tags": [operation.tag], "summary": operation.summary}
    if operation.description:
        described["description"] = operation.description
    if operation.parameters:
        described["parameters"] = list(operation.parameters)
    if operation.body:
        described["requestBody"] = {"required": operation.is_body_required, "content": operation.body}
    if not operation.asks_for_token:
        described["security"] = []
    guards = _GUARDED if operation.asks_for_token else ()
    answers = {str(status): _answer(answer) for status, answer in operation.answers.items()}
    return described | {"responses": answers | _refusals({*operation.problems, *_EVERYWHERE, *guards})}


def _answer(answer: Answer) -> Schema:
    described: Schema = {"description": answer.description}
    if answer.headers:
        described["headers"] = {name: _header(name, is_sent=is_sent) for name, is_sent in answer.headers.items()}
    if answer.content:
        described["content"] = answer.content
    if answer.links:
        described["links"] = answer.links
    return described


def _refusals(problems: set[Problem]) -> dict[str, Schema]:
    statuses = sorted({problem.value.http for problem in problems})
    return {
        str(status.value): _refusal(status, [one for one in Problem if one in problems and one.value.http is status])
        for status in statuses
    }


def _refusal(status: HTTPStatus, problems: list[Problem]) -> Schema:
    described: Schema = {
        "description": _meanings(problems),
        "content": {
            JSON: {
                "schema": problem_schema(problems),
                "example": msgspec.to_builtins(failure(problems[0], DETAILS[problems[0]])),
            }
        },
    }
    header = _HEADERS_OF.get(status)
    return described if header is None else described | {"headers": {header: _header(header, is_sent=True)}}


def _header(name: str, *, is_sent: bool) -> Schema:
    return _HEADERS[name] | {"required": is_sent}


def _meanings(problems: Iterable[Problem]) -> str:
    return "; ".join(f"`{problem.value.type}`: {problem.value.meaning}" for problem in problems)
