"""Row 4 and the end of row 11: whoever says nothing, too little or too much before a request is there is let go."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute

from tests.stream.engine.certificates import issue
from tests.web.wire.raw import UPGRADE, RawClient, connected
from tests.web.wire.serving import echo, serving
from web.connections.limits import WireLimits
from web.settings import Settings

HASTE = WireLimits(head=0.4, body=0.4, send=0.4, linger=0.1)
begun: list[str] = []
START = b"GET /page HTTP/1.1\r\nHost: 127.0.0.1\r\n"


async def page(request: Request) -> PlainTextResponse:
    """Answer the length of the body, or with `?bytes=` so many bytes."""
    body = await request.body()
    begun.append("page")
    asked = request.query_params.get("bytes")
    return PlainTextResponse(str(len(body)) if asked is None else "*" * int(asked))


async def pieces(_: Request) -> StreamingResponse:
    """Answer without an end."""

    async def endless() -> AsyncIterator[bytes]:
        begun.append("pieces")
        while True:
            yield bytes(100_000)
            await asyncio.sleep(0)

    return StreamingResponse(endless())


def application() -> Starlette:
    begun.clear()
    routes = [Route("/page", page, methods=["GET", "POST"]), Route("/pieces", pieces), WebSocketRoute("/echo", echo)]
    return Starlette(routes=routes)


async def answer(client: RawClient) -> tuple[int, bytes]:
    """Status and body of the next answer."""
    async with asyncio.timeout(10):
        head = (await client.reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next(int(line.split()[1]) for line in head.splitlines() if line.startswith("content-length:"))
        return int(head.split()[1]), await client.reader.readexactly(length)


@pytest.mark.fault(4)
@pytest.mark.parametrize(
    "start",
    [b"", b"G", START, b"\r\n", START + UPGRADE.encode(), START + b"X-Long: " + b"x" * 5000],
    ids=["nothing", "a letter", "half a head", "an empty line", "half a handshake", "half a line"],
)
async def test_connections_without_a_whole_head_are_closed(start: bytes) -> None:
    async with serving(application(), wire=HASTE) as (server, port), asyncio.TaskGroup() as group:

        async def stay() -> None:
            async with connected(port) as client:
                await client.send(start)
                assert await client.is_closed()

        for _ in range(30):
            group.create_task(stay())
    assert not server.server_state.connections


@pytest.mark.fault(4)
async def test_a_head_that_drips_does_not_begin_anew_with_each_byte() -> None:
    async with serving(application(), wire=HASTE) as (_, port), connected(port) as client:
        closing = asyncio.create_task(client.is_closed())
        letters = 0
        while not closing.done():
            await client.send(START[letters : letters + 1] or b"x")
            letters += 1
            await asyncio.sleep(0.05)
        assert letters < len(START)


@pytest.mark.parametrize("drip", [b"", b"\r\n", b"P"], ids=["silent", "with empty lines", "with a letter"])
async def test_a_connection_that_was_used_has_no_longer_for_the_next_head(drip: bytes) -> None:
    async with serving(application(), wire=HASTE) as (_, port), connected(port) as client:
        await client.send(START + b"\r\n")
        assert await answer(client) == (200, b"0")
        await client.send(drip)
        assert await client.is_closed()


async def test_a_connection_is_used_again_and_each_head_has_the_whole_time() -> None:
    async with serving(application(), wire=HASTE) as (_, port), connected(port) as client:
        for _ in range(4):
            await asyncio.sleep(0.2)
            await client.send(START + b"\r\n")
            assert await answer(client) == (200, b"0")


LONG = {
    "a token in the query": b"GET /echo?jwt=" + b"x" * 9000 + b" HTTP/1.1\r\nHost: h\r\n",
    "a token in a header": b"GET /echo HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer " + b"x" * 9000 + b"\r\n",
    "a subprotocol": b"GET /echo HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Protocol: jwt." + b"x" * 9000 + b"\r\n",
    "many headers": b"GET /page HTTP/1.1\r\nHost: h\r\n" + b"X-More: x\r\n" * 200,
    "much in all": b"GET /page HTTP/1.1\r\nHost: h\r\n" + (b"X-More: " + b"x" * 8000 + b"\r\n") * 8,
}


@pytest.mark.fault(11)
@pytest.mark.parametrize("upgrade", [UPGRADE.encode(), b""], ids=["WebSocket", "HTTP"])
@pytest.mark.parametrize("name", LONG)
async def test_a_head_that_is_too_long_is_refused_and_the_connection_closed(name: str, upgrade: bytes) -> None:
    # That is less than any limit that would end the connection anyhow.
    async with serving(application()) as (_, port), connected(port) as client, asyncio.timeout(5):
        await client.send(LONG[name] + upgrade + b"\r\n")
        assert (await answer(client))[0] == 431
        assert await client.is_closed()


async def test_a_line_without_an_end_is_refused_before_it_fills_the_memory() -> None:
    async with serving(application()) as (_, port), connected(port) as client, asyncio.timeout(5):
        await client.send(START + b"X-Endless: ")
        for _ in range(20):
            await client.send(b"x" * 4096)
            await asyncio.sleep(0)
        assert (await answer(client))[0] == 431
        assert await client.is_closed()


@pytest.mark.parametrize(
    "head",
    [
        b"nonsense\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: h\r\n" + UPGRADE.encode() + b"\r\n",
        b"GET /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n" + UPGRADE.encode() + b"\r\nhello",
        b"GET /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n" + UPGRADE.encode() + b"\r\n0\r\n\r\n",
        b"GET /echo HTTP/1.1\r\nHost: h\r\n" + UPGRADE.replace("13", "12").encode() + b"\r\n",
        b"GET /echo HTTP/1.1\r\nHost: h\r\n" + UPGRADE.replace("Key", "Kee").encode() + b"\r\n",
    ],
    ids=["no request", "POST", "a body", "chunks", "an old version", "no key"],
)
async def test_what_is_no_handshake_gets_400_and_the_connection_is_closed(head: bytes) -> None:
    async with serving(application()) as (_, port), connected(port) as client, asyncio.timeout(5):
        await client.send(head)
        assert (await answer(client))[0] == 400
        assert await client.is_closed()


async def test_a_body_that_stands_still_ends_the_connection_and_a_slow_one_does_not() -> None:
    head = b"POST /page HTTP/1.1\r\nHost: h\r\nContent-Length: 30000\r\n\r\n"
    async with serving(application(), wire=HASTE) as (_, port):
        async with connected(port) as client:
            await client.send(head + bytes(10_000))
            assert await client.is_closed()
        async with connected(port) as client:
            await client.send(head)
            for _ in range(6):
                await client.send(bytes(5000))
                await asyncio.sleep(0.2)
            assert await answer(client) == (200, b"30000")


@pytest.mark.parametrize("path", ["/page?bytes=30000000", "/pieces"], ids=["whole", "in pieces"])
async def test_an_answer_that_nobody_takes_is_given_up(path: str) -> None:
    async with serving(application(), wire=HASTE) as (server, port), connected(port) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await client.send(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        async with asyncio.timeout(60):
            while not begun:
                await asyncio.sleep(0.01)
            while server.server_state.connections or server.server_state.tasks:
                await asyncio.sleep(0.05)


@pytest.mark.fault(4)
async def test_tls_that_is_never_agreed_on_is_closed_too(tmp_path: Path) -> None:
    files = issue(tmp_path)
    settings = Settings(port=0, tls_cert=files.certificate, tls_key=files.key)
    async with serving(application(), settings, HASTE) as (_, port):
        for start in (b"", b"\x16\x03\x01\x02\x00"):
            async with connected(port) as client:
                await client.send(start)
                assert await client.is_closed()
        trusted = ssl.create_default_context(cafile=str(files.ca))
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusted)
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        writer.close()
