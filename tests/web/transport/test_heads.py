"""Row 4 and the end of row 11: connections with a slow, missing or oversized request head are closed."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute

from tests.stream.engine.support.certificates import issue
from tests.web.transport.raw import UPGRADE, RawClient, connected
from tests.web.transport.serving import echo, serving
from web.settings.settings import Settings
from web.transport.limits import WireLimits

pytestmark = pytest.mark.virtual_time

LIMITS = WireLimits(send_seconds=30.0)
# uvicorn keeps a connection so long on which nothing comes after an answer.
KEPT_SECONDS = 5.0
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
    head = (await client.reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = next(int(line.split()[1]) for line in head.splitlines() if line.startswith("content-length:"))
    return int(head.split()[1]), await client.reader.readexactly(length)


def now() -> float:
    return asyncio.get_running_loop().time()


async def seconds_until_closed(client: RawClient) -> float:
    began = now()
    assert await client.is_closed()
    return now() - began


@pytest.mark.fault(4)
@pytest.mark.parametrize(
    "start",
    [b"", b"G", START, b"\r\n", START + UPGRADE.encode(), START + b"X-Long: " + b"x" * 5000],
    ids=["nothing", "a letter", "half a head", "an empty line", "half a handshake", "half a line"],
)
async def test_connections_without_a_whole_head_are_closed(start: bytes) -> None:
    async def stay(place: int | str) -> float:
        async with connected(place) as client:
            await client.send(start)
            return await seconds_until_closed(client)

    async with serving(application()) as (server, place):
        assert await asyncio.gather(*(stay(place) for _ in range(30))) == [LIMITS.head_seconds] * 30
        assert not server.server_state.connections


@pytest.mark.fault(4)
async def test_a_slow_head_has_one_limit() -> None:
    async with serving(application()) as (_, place), connected(place) as client:
        closing = asyncio.create_task(seconds_until_closed(client))
        letters = iter(START)
        while not closing.done():
            await client.send(bytes([next(letters)]))
            await asyncio.wait({closing}, timeout=0.75)
        assert await closing == LIMITS.head_seconds


@pytest.mark.parametrize(
    ("drip", "seconds"),
    [(b"", KEPT_SECONDS), (b"\r\n", LIMITS.head_seconds), (b"P", LIMITS.head_seconds)],
    ids=["silent", "with empty lines", "with a letter"],
)
async def test_a_used_connection_has_the_same_limit_for_a_head(drip: bytes, seconds: float) -> None:
    async with serving(application()) as (_, place), connected(place) as client:
        await asyncio.sleep(LIMITS.head_seconds / 2)
        await client.send(START + b"\r\n")
        assert await answer(client) == (200, b"0")
        closing = asyncio.create_task(seconds_until_closed(client))
        await asyncio.sleep(KEPT_SECONDS - 1)
        await client.send(drip)
        assert await closing == seconds


async def test_each_head_of_a_connection_has_the_whole_limit() -> None:
    async with serving(application()) as (_, place), connected(place) as client:
        for _ in range(4):
            await asyncio.sleep(KEPT_SECONDS - 0.01)
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
async def test_a_head_that_is_too_long_is_refused(name: str, upgrade: bytes) -> None:
    async with serving(application()) as (_, place), connected(place) as client:
        await client.send(LONG[name] + upgrade + b"\r\n")
        assert (await answer(client))[0] == 431
        assert await seconds_until_closed(client) == 0


async def test_an_endless_line_is_refused_early() -> None:
    async with serving(application()) as (_, place), connected(place) as client:
        await client.send(START + b"X-Endless: ")
        for _ in range(20):
            await client.send(b"x" * 4096)
            await asyncio.sleep(0)
        assert (await answer(client))[0] == 431
        assert await seconds_until_closed(client) < LIMITS.head_seconds


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
async def test_what_is_no_handshake_gets_400(head: bytes) -> None:
    async with serving(application()) as (_, place), connected(place) as client:
        await client.send(head)
        assert (await answer(client))[0] == 400
        assert await seconds_until_closed(client) == 0


async def test_a_stuck_body_ends_the_connection_a_slow_one_does_not() -> None:
    head = b"POST /page HTTP/1.1\r\nHost: h\r\nContent-Length: 30000\r\n\r\n"
    async with serving(application()) as (_, place):
        async with connected(place) as client:
            await client.send(head)
            await asyncio.sleep(LIMITS.body_seconds / 2)
            await client.send(bytes(10_000))
            # What came in time lets it have the same once more.
            assert await seconds_until_closed(client) == 1.5 * LIMITS.body_seconds
        async with connected(place) as client:
            await client.send(head)
            for _ in range(6):
                await asyncio.sleep(LIMITS.body_seconds - 1)
                await client.send(bytes(5000))
            assert await answer(client) == (200, b"30000")


@pytest.mark.parametrize(
    ("path", "seconds"),
    # A whole answer is over for the application at once: what is not taken before the next head is late, is closed.
    [("/page?bytes=30000000", LIMITS.head_seconds + LIMITS.send_seconds), ("/pieces", LIMITS.send_seconds)],
    ids=["whole", "in pieces"],
)
async def test_an_answer_that_nobody_takes_is_given_up(path: str, seconds: float) -> None:
    async with serving(application()) as (server, place), connected(place) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        asked = now()
        await client.send(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        while not begun:
            await asyncio.sleep(0.01)
        while server.server_state.connections or server.server_state.tasks:
            await asyncio.sleep(0.01)
    assert now() - asked == pytest.approx(seconds, abs=0.2)


async def test_a_slow_reader_gets_its_whole_answer() -> None:
    async with serving(application()) as (_, place), connected(place) as client:
        await client.send(b"GET /page?bytes=2000000 HTTP/1.1\r\nHost: h\r\n\r\n")
        await client.reader.readuntil(b"\r\n\r\n")
        began = now()
        for _ in range(10):
            await asyncio.sleep(LIMITS.send_seconds / 2)
            await client.reader.readexactly(200_000)
        assert now() - began == 5 * LIMITS.send_seconds


@pytest.mark.fault(4)
async def test_tls_that_is_never_agreed_on_is_closed_too(tmp_path: Path) -> None:
    files = issue(tmp_path)
    settings = Settings(port=0, tls_cert=files.certificate, tls_key=files.key)
    async with serving(application(), settings) as (_, place):
        for start in (b"", b"\x16\x03\x01\x02\x00"):
            async with connected(place) as client:
                await client.send(start)
                assert await seconds_until_closed(client) == LIMITS.head_seconds
        trusted = ssl.create_default_context(cafile=str(files.ca))
        assert isinstance(place, str)
        reader, writer = await asyncio.open_unix_connection(place, ssl=trusted, server_hostname="127.0.0.1")
        began = now()
        assert await reader.read() == b""
        assert now() - began == LIMITS.head_seconds
        writer.close()
