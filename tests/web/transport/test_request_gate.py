"""Requests and handshakes start one at a time, and some of a flood are refused without the application."""

import asyncio
import json
import logging

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from tests.support.processes import STUCK_SECONDS
from tests.web.transport.raw import BINARY, TEXT, UPGRADE, RawClient, connected, frame
from tests.web.transport.serving import echo, serving
from web.transport.limits import wire_config
from web.transport.request_gate import RequestGate

HANDSHAKE = f"GET /echo HTTP/1.1\r\nHost: 127.0.0.1\r\n{UPGRADE}\r\n".encode()


@pytest.mark.virtual_time
@pytest.mark.fault(10)
async def test_other_addresses_are_served_during_a_flood() -> None:
    gate = RequestGate()
    entered: list[int] = []
    ticks: list[int] = []
    loop = asyncio.get_running_loop()

    def tick() -> None:
        ticks.append(len(entered))
        loop.call_later(0.0004, tick)

    loop.call_soon(tick)
    for number in range(10):
        gate.enter(lambda number=number: entered.append(number))  # type: ignore[misc]
    assert entered == [0]  # who comes first does not wait
    await asyncio.sleep(0.0095)
    assert entered == list(range(10))
    assert set(ticks) >= set(range(1, 10))


@pytest.mark.virtual_time
@pytest.mark.fault(10)
async def test_addresses_take_turns_however_many_come_from_one() -> None:
    gate = RequestGate()
    entered: list[str] = []
    for source in ["crowd"] * 100 + ["other", "third", "other"]:
        gate.enter(lambda source=source: entered.append(source), source)  # type: ignore[misc]
    await asyncio.sleep(1)
    assert entered[:7] == ["crowd", "crowd", "other", "third", "crowd", "other", "crowd"]
    assert len(entered) == 103


@pytest.mark.virtual_time
async def test_neither_heads_that_drip_nor_bodies_wait_for_their_turn() -> None:
    app = Starlette(routes=[Route("/page", length_of_body, methods=["POST"])])
    async with serving(app) as (server, port), connected(port) as client, connected(port) as dripping:
        await client.send(b"POST /page HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n")
        await asyncio.sleep(0.1)
        wire_config(server.config).request_gate.enter(lambda: 60.0)
        began = asyncio.get_running_loop().time()
        await dripping.send(b"GET /page HT")
        await client.send(bytes(5_000_000))
        assert (await answered(client)).startswith(b"HTTP/1.1 200 ")
        assert asyncio.get_running_loop().time() - began < 60


async def length_of_body(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


@pytest.mark.virtual_time
async def test_one_that_fails_holds_up_nobody() -> None:
    gate = RequestGate()
    entered: list[int] = []

    def fail() -> None:
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011 - the one that is raised above
        gate.enter(fail)
    gate.enter(lambda: entered.append(1))
    await asyncio.sleep(0.001)
    assert entered == [1]


def slow_to_accept(is_asked: asyncio.Event, may_accept: asyncio.Event) -> Starlette:
    async def accept_later(websocket: WebSocket) -> None:
        is_asked.set()
        await may_accept.wait()
        await echo(websocket)

    return Starlette(routes=[WebSocketRoute("/echo", accept_later)])


async def answered(client: RawClient) -> bytes:
    async with asyncio.timeout(STUCK_SECONDS):
        return await client.reader.readuntil(b"\r\n\r\n")


@pytest.mark.virtual_time
@pytest.mark.fault(1)
@pytest.mark.parametrize("is_garbage", [False, True])
async def test_frames_before_the_handshake_answer_are_read_after_it(
    caplog: pytest.LogCaptureFixture, *, is_garbage: bool
) -> None:
    conversation = frame(BINARY, b"sound") + frame(TEXT, b"more")
    is_asked, may_accept = asyncio.Event(), asyncio.Event()
    async with serving(slow_to_accept(is_asked, may_accept)) as (_, port), connected(port) as client:
        await client.send(HANDSHAKE)
        await is_asked.wait()
        client.writer.write(b"\xff" * 100_000 if is_garbage else conversation)
        await asyncio.sleep(0.1)
        may_accept.set()
        assert (await answered(client)).startswith(b"HTTP/1.1 101 ")
        received = await client.receive(messages=2)
    expected = ([], 1002) if is_garbage else ([(BINARY, b"sound"), (TEXT, b"more")], None)
    assert (received.messages, received.code) == expected
    assert not caplog.records


async def test_a_handshake_can_be_answered_without_the_application() -> None:
    asked: list[str] = []
    calls = 0

    def early_answer(host: str) -> Response | None:
        asked.append(host)
        return PlainTextResponse("slowly", 429, {"Retry-After": "1"})

    async def application(websocket: WebSocket) -> None:
        nonlocal calls
        calls += 1
        await echo(websocket)

    app = Starlette(routes=[WebSocketRoute("/echo", application)])
    async with serving(app, early_answer=early_answer) as (_, port), connected(port) as client:
        await client.send(HANDSHAKE)
        head = (await answered(client)).decode().lower()
        assert head.startswith("http/1.1 429 too many requests\r\nconnection: close\r\nretry-after: 1\r\n")
        assert await client.reader.readexactly(6) == b"slowly"
        assert await client.is_closed()
    assert (asked, calls) == (["127.0.0.1"], 0)


async def test_a_peer_that_leaves_before_its_refusal_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(Starlette(), early_answer=lambda _: PlainTextResponse("slowly", 429)) as (server, port):
        for _ in range(50):
            async with connected(port) as client:
                await client.send(HANDSHAKE)
        async with asyncio.timeout(STUCK_SECONDS):
            while server.server_state.connections:
                await asyncio.sleep(0.01)
    assert not caplog.records


async def never_reads(_: Request) -> Response:
    await asyncio.sleep(60)
    return Response()


@pytest.mark.virtual_time
@pytest.mark.parametrize("held_by", ["the application", "the gate"])
async def test_a_body_that_nobody_reads_is_not_gathered(held_by: str) -> None:
    app = Starlette(routes=[Route("/page", never_reads, methods=["POST"])])
    body = bytes(20_000_000)
    async with serving(app) as (server, port), connected(port) as client:
        if held_by == "the gate":
            wire_config(server.config).request_gate.enter(lambda: 60.0)
        client.writer.write(b"POST /page HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n\r\n" + body)
        await asyncio.sleep(0.5)
        assert client.writer.transport.get_write_buffer_size() > len(body) // 4
        server.force_exit = True


@pytest.mark.virtual_time
async def test_who_was_refused_gets_one_answer_whatever_follows(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(Starlette()) as (_, port), connected(port) as client:
        await client.send(b"no request at all\r\n\r\n")
        assert (await answered(client)).startswith(b"HTTP/1.1 400 ")
        await client.send(b"nor is this\r\n\r\n")
        async with asyncio.timeout(STUCK_SECONDS):
            body = json.loads(await client.reader.read())
            assert body["type"] == "invalid_message"
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
