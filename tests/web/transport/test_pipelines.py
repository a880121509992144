"""Row 34: pipelined requests are answered in order, and not read before their turn."""

import asyncio
import json

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tests.support.processes import STUCK_SECONDS
from tests.web.transport.raw import RawClient, connected
from tests.web.transport.serving import serving
from tests.web.transport.test_heads import answer
from web.transport.http import HttpConnection
from web.transport.server import GatewayServer

pytestmark = pytest.mark.virtual_time

# As short as a request can be: most of them fit into what is read at once.
SHORTEST = b"GET / HTTP/1.1\r\n\r\n"
READ_BYTES = 1 << 18


def numbering(length: int = 0) -> tuple[Starlette, list[int]]:
    """Answer each request with its number, and as many bytes more."""
    begun: list[int] = []

    async def number(request: Request) -> PlainTextResponse:
        begun.append(len(begun))
        number = str(begun[-1])
        await request.body()
        return PlainTextResponse(number + "*" * length)

    return Starlette(routes=[Route("/", number, methods=["GET", "POST"])]), begun


def only_connection(server: GatewayServer) -> HttpConnection:
    (connection,) = server.server_state.connections
    assert isinstance(connection, HttpConnection)
    return connection


async def flooded(client: RawClient, requests: int) -> None:
    """Send requests until nothing more is taken."""
    client.writer.write(SHORTEST * requests)
    await asyncio.sleep(0.5)


@pytest.mark.fault(34)
async def test_unread_answers_leave_pipelined_requests_in_the_socket() -> None:
    app, begun = numbering(length=20_000)
    async with serving(app) as (server, place), connected(place) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await flooded(client, 100_000)
        connection = only_connection(server)
        assert connection.transport.get_write_buffer_size() < 200_000
        assert len(connection.pipeline) * len(SHORTEST) < 1024
        assert len(connection._unparsed) <= READ_BYTES
        # What is neither answered nor held is still the client's.
        assert client.writer.transport.get_write_buffer_size() > len(SHORTEST) * (100_000 - len(begun)) // 2
        client.writer.transport.abort()
        async with asyncio.timeout(STUCK_SECONDS):
            while server.server_state.connections:
                await asyncio.sleep(0.01)


async def test_pipelined_requests_are_all_answered_in_their_order() -> None:
    app, _ = numbering()
    async with serving(app) as (_, place), connected(place) as client:
        await client.send(SHORTEST * 3000)
        async with asyncio.timeout(STUCK_SECONDS):
            assert [(await answer(client))[1] for _ in range(3000)] == [str(n).encode() for n in range(3000)]


@pytest.mark.parametrize("piece", [0, 7, 300])
async def test_bodies_between_pipelined_requests_stay_theirs(piece: int) -> None:
    app, _ = numbering()
    sized = b"POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000
    chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"5\r\nhello\r\n" * 300 + b"0\r\n\r\n"
    sent = (sized + chunked + SHORTEST) * 2
    async with serving(app) as (_, place), connected(place) as client:
        sending = asyncio.create_task(client.send(sent[:5000] if piece == 7 else sent, piece))
        if piece == 7:
            await sending
            await client.send(sent[5000:])
        async with asyncio.timeout(STUCK_SECONDS):
            assert [(await answer(client))[1] for _ in range(6)] == [b"0", b"1", b"2", b"3", b"4", b"5"]
        await sending


async def test_a_malformed_pipelined_request_is_refused_in_order() -> None:
    app, _ = numbering()
    async with serving(app) as (_, place), connected(place) as client:
        await client.send(SHORTEST + b"nonsense\r\n\r\n" + SHORTEST)
        assert await answer(client) == (200, b"0")
        status, body = await answer(client)
        assert (status, json.loads(body)["type"]) == (400, "invalid_message")
        assert await client.is_closed()


async def test_a_body_that_breaks_in_its_middle_is_refused_once() -> None:
    app, begun = numbering()
    async with serving(app) as (server, place), connected(place) as client:
        await client.send(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nnonsense\r\n")
        assert (await answer(client))[0] == 400
        assert await client.is_closed()
        async with asyncio.timeout(STUCK_SECONDS):
            while server.server_state.tasks:
                await asyncio.sleep(0.01)
    assert begun == [0]
