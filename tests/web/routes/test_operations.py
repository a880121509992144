"""Routes are served and documented as their resources declare them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import httpx
import msgspec
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from stream.errors import Problem
from web.app import create_app
from web.auth.origins import OriginRules
from web.observability.metrics import Metrics
from web.observability.tracing import Tracing
from web.reference.openapi import openapi
from web.reference.schemas import media_schema
from web.routes.operations import (
    Answer,
    Header,
    Link,
    Media,
    Opaque,
    Operation,
    SocketEndpoint,
    Tag,
    endpoints,
    json_content,
    operations,
    route,
    socket_endpoints,
)
from web.routes.schemas import in_path, reference

# --- a resource, as a module of its own would have it ---


class Bell(msgspec.Struct, frozen=True):
    """A bell."""

    name: str


class Metal(msgspec.Struct, frozen=True):
    """What a clapper is made of."""

    metal: str


class Material(Opaque):
    """A metal, or anything by its name."""

    structs = (Metal,)
    schema: ClassVar = {"anyOf": [{"type": "string"}, reference("Metal")]}


class Clapper(msgspec.Struct, frozen=True):
    """What strikes a bell."""

    material: Material


class Strength(Opaque):
    """How hard a bell is struck, or with what."""

    structs = (Clapper,)
    schema: ClassVar = {"anyOf": [{"type": "integer"}, reference("Clapper")]}


class Ring(msgspec.Struct, frozen=True):
    """How a bell is rung."""

    schema_rules: ClassVar = [{"if": {"properties": {"times": {"const": 1}}}, "then": {"required": ["strength"]}}]
    times: int
    strength: Strength | msgspec.UnsetType = msgspec.UNSET


BELLS = Tag("bells", "what rings")
SHOW = Operation(
    method="GET",
    path="/v1/bells/{bell_id}",
    id="getBell",
    tag=BELLS,
    summary="Get a bell",
    parameters=(in_path("bell_id", "the id of a bell", {"type": "string"}),),
    answers={200: Answer(description="the bell", content=json_content(Bell, {"name": "Bertha"}))},
    problems=(Problem.NOT_FOUND,),
)
RING = Operation(
    method="POST",
    path=SHOW.path,
    id="ringBell",
    tag=BELLS,
    summary="Ring a bell",
    parameters=SHOW.parameters,
    body={"application/json": Media(Ring, examples={"twice": {"summary": "twice", "value": {"times": 2}}})},
    answers={
        201: Answer(
            description="all bells that ring",
            content=json_content(list[Bell], [{"name": "Bertha"}]),
            headers={"Location": Header("the address of the bell", {"type": "string"}, is_always_sent=False)},
            links={"bell": Link("getBell", "bell_id", "0/name")},
        )
    },
    asks_for_token=False,
)
LIST = Operation(method="GET", path="/v1/bells", id="listBells", tag=BELLS, summary="List bells", answers=RING.answers)


@dataclass(frozen=True, slots=True)
class BellRoutes:
    """Bells."""

    name: str

    @route(LIST)
    @route(SHOW)
    async def show(self, request: Request) -> Response:
        """Answer 200 with the path."""
        return Response(f"{self.name} {request.url.path}")

    @route(RING)
    async def ring(self, _: Request) -> Response:
        """Answer 201."""
        return Response(status_code=201)

    def socket_endpoints(self) -> dict[str, SocketEndpoint]:
        return {"/v1/bells/live": self.live}

    async def live(self, websocket: WebSocket) -> None:
        """Refuse the connection."""
        await websocket.close()


DOCUMENT: dict[str, Any] = openapi((BellRoutes,), asks_for_token=True)


def is_request(values: Mapping[str, object]) -> bool:
    schema = reference("Ring") | {"components": DOCUMENT["components"]}
    return bool(Draft202012Validator(schema).is_valid(values))


# --- served ---


async def test_a_declared_route_is_served() -> None:
    metrics = Metrics()
    app = create_app((BellRoutes("Bertha"),), metrics=metrics, tracing=Tracing(None), rules=OriginRules())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        shown, head = await client.get("/v1/bells/7"), await client.head("/v1/bells/7")
        rung, listed = await client.post("/v1/bells/7"), await client.get("/v1/bells")
        refused = await client.put("/v1/bells/7")
    assert [shown.text, listed.text] == ["Bertha /v1/bells/7", "Bertha /v1/bells"]
    assert [one.status_code for one in (shown, head, rung, listed, refused)] == [200, 200, 201, 200, 405]
    assert set(refused.headers["Allow"].split(", ")) == {"GET", "HEAD", "POST"}
    assert 'route="/v1/bells/{bell_id}"' in metrics.text().decode()


def test_a_method_of_a_path_is_answered_once() -> None:
    with pytest.raises(ValueError, match=r"GET /v1/bells is declared twice"):
        endpoints((BellRoutes("a"), BellRoutes("b")))


def test_a_declared_websocket_is_served() -> None:
    routes = BellRoutes("a")
    assert socket_endpoints((object(), routes)) == {"/v1/bells/live": routes.live}


# --- documented ---


def test_a_declared_route_is_documented() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()
    assert DOCUMENT["tags"] == [{"name": "bells", "description": "what rings"}]
    documented = {(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert documented == {(one.path, one.method.lower()) for one in operations((BellRoutes,))}
    shown, rung = (DOCUMENT["paths"][SHOW.path][method] for method in ("get", "post"))
    assert set(shown["responses"]) == {"200", "401", "403", "404", "405", "500"}
    assert set(rung["responses"]) == {"201", "405", "500"}
    assert rung["requestBody"]["content"]["application/json"]["schema"] == reference("Ring")
    assert rung["responses"]["201"]["content"]["application/json"] == {
        "schema": {"type": "array", "items": reference("Bell")},
        "example": [{"name": "Bertha"}],
    }
    assert rung["responses"]["201"]["headers"]["Location"]["required"] is False
    assert rung["responses"]["201"]["links"]["bell"]["parameters"] == {"bell_id": "$response.body#/0/name"}


def test_structs_are_documented_with_their_rules_and_what_is_inside_them() -> None:
    assert set(DOCUMENT["components"]["schemas"]) == {
        *("Bell", "Ring", "Clapper", "Metal"),
        *("Configuration", "Error", "DeepgramRefusal", "OpenAIError", "OpenAIErrorDetails"),
    }
    assert is_request({"times": 2})
    assert is_request({"times": 1, "strength": {"material": {"metal": "bronze"}}})
    assert not is_request({"times": 1})
    assert not is_request({"times": 1, "strength": {"material": {}}})


def test_only_documented_kinds_of_bodies_can_be_declared() -> None:
    assert media_schema(Bell | Ring) == {"anyOf": [reference("Bell"), reference("Ring")]}
    with pytest.raises(TypeError, match="float"):
        media_schema(float)
