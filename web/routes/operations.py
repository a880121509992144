"""Declare the routes of a resource: the method and path of each handler, and what the OpenAPI document says of it."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from stream.errors import Problem
from web.routes.schemas import Schema

Endpoint = Callable[[Request], Awaitable[Response]]
SocketEndpoint = Callable[[WebSocket], Awaitable[None]]
_Handler = TypeVar("_Handler", bound=Callable[..., Any])

JSON_TYPE = "application/json"
BUSY = (Problem.OVERLOADED, Problem.SHUTTING_DOWN)
# The attributes in which a handler carries its declarations.
_OPERATIONS, _SOCKET_PATH = "declared_operations", "declared_socket_path"


@dataclass(frozen=True, slots=True)
class Tag:
    """A group of operations in the document, and what they are about."""

    name: str
    about: str


SERVER = Tag("server", "its state, its languages, its page, its documents")


@dataclass(frozen=True, slots=True)
class Media:
    """A body of one media type.

    `kind` is a struct, a list or a union of structs, `str`, `bytes` or `dict`. A struct may have `schema_rules`, JSON
    Schemas of rules between its fields. `examples` have names, `encoding` is that of the parts of a form.
    """

    kind: object
    example: object = None
    examples: Mapping[str, Schema] = field(default_factory=dict)
    encoding: Mapping[str, Schema] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Header:
    """A header of a successful answer."""

    description: str
    schema: Schema
    is_always_sent: bool = True


@dataclass(frozen=True, slots=True)
class Link:
    """The operation that takes a field of an answer as its parameter."""

    operation_id: str
    parameter: str
    field_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A successful answer: its bodies by media type, its headers and links by name."""

    description: str
    content: Mapping[str, Media] = field(default_factory=dict)
    headers: Mapping[str, Header] = field(default_factory=dict)
    links: Mapping[str, Link] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path.

    `problems` are refusals in addition to those of every route, `answers` are by status, `body` is by media type. An
    operation that `asks_for_token` does so only on a server with a key.
    """

    method: str
    path: str
    id: str
    tag: Tag
    summary: str
    answers: Mapping[int, Answer]
    description: str = ""
    problems: tuple[Problem, ...] = ()
    parameters: tuple[Schema, ...] = ()
    body: Mapping[str, Media] = field(default_factory=dict)
    asks_for_token: bool = True
    is_body_required: bool = True


class Opaque:
    """A value that its route checks by itself: its JSON Schema, and the structs to which that refers."""

    schema: ClassVar[Schema]
    structs: ClassVar[tuple[type[msgspec.Struct], ...]] = ()


def route(operation: Operation) -> Callable[[_Handler], _Handler]:
    """Let a method of a resource answer an operation; it may answer several."""

    def declare(handler: _Handler) -> _Handler:
        # Decorators are applied from the last to the first.
        setattr(handler, _OPERATIONS, (operation, *getattr(handler, _OPERATIONS, ())))
        return handler

    return declare


def operations(kinds: Iterable[type]) -> Iterator[Operation]:
    """Yield the operations of resources, in the order of their methods."""
    for kind in kinds:
        for handler in vars(kind).values():
            yield from getattr(handler, _OPERATIONS, ())


def endpoints(resources: Iterable[object]) -> dict[str, dict[str, Endpoint]]:
    """Return what answers each method of each path; raises ValueError where two methods answer the same."""
    found: dict[str, dict[str, Endpoint]] = {}
    for resource in resources:
        for name, handler in vars(type(resource)).items():
            for operation in getattr(handler, _OPERATIONS, ()):
                methods = found.setdefault(operation.path, {})
                if operation.method in methods:
                    raise ValueError(f"{operation.method} {operation.path} is declared twice")
                methods[operation.method] = getattr(resource, name)
    return found


@runtime_checkable
class SocketResource(Protocol):
    """A resource that serves WebSockets."""

    def socket_endpoints(self) -> Mapping[str, SocketEndpoint]:
        """Return what serves the WebSockets of each path."""
        ...


def socket_endpoints(resources: Iterable[object]) -> dict[str, SocketEndpoint]:
    """Return what serves the WebSockets of each path; raises ValueError where two serve the same."""
    found: dict[str, SocketEndpoint] = {}
    for resource in resources:
        for path, endpoint in resource.socket_endpoints().items() if isinstance(resource, SocketResource) else ():
            if path in found:
                raise ValueError(f"the WebSockets of {path} are served twice")
            found[path] = endpoint
    return found


def json_content(kind: object, example: object = None) -> dict[str, Media]:
    """Describe a JSON body."""
    return {JSON_TYPE: Media(kind, example)}
