"""Row 35: requests that reach no route get the usual error body."""

import json
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from tests.web.transport.raw import UPGRADE, connected
from tests.web.transport.serving import echo, serving
from tests.web.transport.test_heads import answer

pytestmark = pytest.mark.virtual_time

HANDSHAKE = "GET /echo HTTP/1.1\r\nHost: a\r\n" + UPGRADE
REFUSED = {
    "nonsense": ("nonsense\r\n", 400, "invalid_message"),
    "a length that is none": ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n", 400, "invalid_message"),
    "two lengths": ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n", 400, "invalid_message"),
    "two hosts": ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n", 400, "invalid_message"),
    "the same host twice": ("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n", 400, "invalid_message"),
    "two hosts of a handshake": (HANDSHAKE + "Host: b\r\n", 400, "invalid_message"),
    "two tokens": ("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: a\r\nAuthorization: b\r\n", 400, "invalid_message"),
    "two origins": ("GET / HTTP/1.1\r\nHost: a\r\nOrigin: a\r\nOrigin: b\r\n", 400, "invalid_message"),
    "a long target": ("GET /" + "x" * 9000 + " HTTP/1.1\r\nHost: a\r\n", 431, "too_large"),
    "a long header": ("GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + "x" * 9000 + "\r\n", 431, "too_large"),
    "an old version": (HANDSHAKE.replace("13", "12"), 400, "invalid_message"),
    "no key": (HANDSHAKE.replace("Key", "Kee"), 400, "invalid_message"),
    "a handshake that posts": (HANDSHAKE.replace("GET", "POST"), 400, "invalid_message"),
}


@pytest.mark.fault(35)
@pytest.mark.parametrize("name", REFUSED)
async def test_early_refusals_have_the_usual_error_body(name: str) -> None:
    head, status, kind = REFUSED[name]
    app = Starlette(routes=[WebSocketRoute("/echo", echo)])
    async with serving(app) as (_, place), connected(place) as client:
        await client.send(f"{head}\r\n".encode())
        answered, text = await answer(client)
        assert await client.is_closed()
    body: dict[str, Any] = json.loads(text)
    assert (answered, body["type"]) == (status, kind)
    assert set(body) >= {"status", "detail", "title", "type", "code", "message"}
