"""The client's address is taken from trusted proxies only."""

import json
from ipaddress import ip_network
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from tests.web.transport.raw import connected, upgraded
from tests.web.transport.serving import serving
from web.settings.settings import Settings

FORGED = "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n"


def seen(connection: HTTPConnection) -> list[object]:
    client = connection.client
    return [None if client is None else client.host, connection.url.scheme]


async def show(request: Request) -> JSONResponse:
    return JSONResponse(seen(request))


async def tell(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_json(seen(websocket))
    await websocket.close()


async def ask(headers: str, *trusted: str) -> list[Any]:
    """What the application sees of an HTTP request and of a WebSocket from this machine."""
    app = Starlette(routes=[Route("/show", show), WebSocketRoute("/tell", tell)])
    settings = Settings(port=0, trusted_proxies=tuple(ip_network(one) for one in trusted))
    async with serving(app, settings) as (_, port):
        async with connected(port) as client:
            head = f"GET /show HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{headers}\r\n"
            await client.send(head.encode())
            answer = (await client.reader.read()).partition(b"\r\n\r\n")[2]
        async with upgraded(port, "/tell", headers) as client:
            received = await client.receive()
    return [json.loads(answer), json.loads(received.messages[0][1])]


@pytest.mark.parametrize("trusted", [[], ["10.0.0.0/8"], ["127.0.0.2/32", "::1/128"]])
async def test_a_forged_header_from_elsewhere_is_not_believed(
    trusted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    assert await ask(FORGED, *trusted) == [["127.0.0.1", "http"], ["127.0.0.1", "ws"]]


async def test_a_trusted_proxy_says_who_the_client_is() -> None:
    assert await ask(FORGED, "127.0.0.0/8") == [["203.0.113.7", "https"], ["203.0.113.7", "wss"]]


async def test_headers_forged_before_a_trusted_proxy_are_ignored() -> None:
    headers = "X-Forwarded-For: 198.51.100.1, 203.0.113.7, 10.1.2.3\r\n"
    seen_by = await ask(headers, "127.0.0.0/8", "10.0.0.0/8")
    assert [client for client, _ in seen_by] == ["203.0.113.7"] * 2
    headers = "X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 203.0.113.7\r\n"
    seen_by = await ask(headers, "127.0.0.0/8")
    assert [client for client, _ in seen_by] == ["203.0.113.7"] * 2
