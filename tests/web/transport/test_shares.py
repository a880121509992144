"""Row 36: each turn of the loop handles a few frames, however many arrive at once."""

import asyncio
from collections.abc import Callable

import pytest
import uvloop
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from tests.support.processes import STUCK_SECONDS
from tests.support.recognizers import ScriptedRecognizer
from tests.web.support.gateway import running_gateway
from tests.web.support.sockets import LIVE
from tests.web.transport.raw import BINARY, CONT, PING, PONG, TEXT, close, frame, upgraded
from tests.web.transport.serving import echoing, serving
from web.transport.websocket import LiveConnection

pytestmark = pytest.mark.virtual_time

MANY = 5000
# Those of a slice that holds nothing else, behind as many as are handled at once.
MOST_AT_ONCE = 16 + 128 // 6


@pytest.fixture
def handled(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many frames each callback handled, of all connections."""
    counts: list[int] = []
    parse: Callable[[LiveConnection], None] = LiveConnection._parse
    parse_part: Callable[[LiveConnection, bytes], int] = LiveConnection._parse_part

    def counted(connection: LiveConnection) -> None:
        counts.append(0)
        parse(connection)

    def counted_slice(connection: LiveConnection, data: bytes) -> int:
        count = parse_part(connection, data)
        counts[-1] += count
        return count

    monkeypatch.setattr(LiveConnection, "_parse", counted)
    monkeypatch.setattr(LiveConnection, "_parse_part", counted_slice)
    return counts


@pytest.mark.fault(36)
@pytest.mark.parametrize(
    "frames",
    [
        [frame(PING)] * MANY,
        [frame(PONG)] * MANY,
        [frame(BINARY, b"")] * MANY,
        [frame(BINARY, b"", fin=False), *[frame(CONT, b"", fin=False)] * MANY, frame(CONT)],
    ],
    ids=["pings", "pongs", "empty messages", "empty fragments"],
)
async def test_many_frames_are_handled_a_few_at_a_time(frames: list[bytes], handled: list[int]) -> None:
    async with serving(echoing()) as (_, port), upgraded(port) as client:
        await client.send(b"".join([*frames, frame(TEXT, b"last")]))
        while (await client.receive(len(client.received.messages) + 1)).messages[-1] != (TEXT, b"last"):
            pass
        await client.send(close(1000))
        assert (await client.receive()).code == 1000
    assert sum(handled) == len(frames) + 3  # with the handshake, the last message and the goodbye
    assert max(handled) <= MOST_AT_ONCE


async def test_messages_are_parsed_as_they_are_taken() -> None:
    taken = asyncio.Event()
    most_waiting = 0

    async def slow(websocket: WebSocket) -> None:
        nonlocal most_waiting
        await websocket.accept()
        protocol = next(iter(server.server_state.connections))
        assert isinstance(protocol, LiveConnection)
        for _ in range(MANY):
            await websocket.receive_bytes()
            most_waiting = max(most_waiting, protocol.queue.qsize())
        taken.set()
        await websocket.close()

    app = Starlette(routes=[WebSocketRoute("/echo", slow)])
    async with serving(app) as (server, port), upgraded(port) as client:
        await client.send(frame(BINARY, b"x") * MANY)
        await taken.wait()
        await client.receive()
    assert most_waiting <= MOST_AT_ONCE


async def test_what_came_before_the_end_of_the_connection_is_taken() -> None:
    count, is_over = 0, asyncio.Event()

    async def counting(websocket: WebSocket) -> None:
        nonlocal count
        await websocket.accept()
        while (await websocket.receive())["type"] == "websocket.receive":
            count += 1
        is_over.set()

    app = Starlette(routes=[WebSocketRoute("/echo", counting)])
    async with serving(app) as (server, port):
        async with upgraded(port) as client:
            await client.send(frame(PING) * 100 + frame(BINARY, b"x") * MANY)
            client.writer.close()
            await client.writer.wait_closed()
        await is_over.wait()
        await asyncio.sleep(0)
        assert (count, server.server_state.connections) == (MANY, set())


async def test_a_connection_ends_whose_application_takes_nothing_more() -> None:
    async def deaf(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive()

    app = Starlette(routes=[WebSocketRoute("/echo", deaf)])
    async with serving(app) as (server, port):
        async with upgraded(port) as client:
            await client.send(frame(BINARY, b"x") * MANY)
        await asyncio.sleep(60)
        assert server.server_state.connections == set()


@pytest.mark.fault(36)
@pytest.mark.parametrize(
    "message",
    [
        frame(BINARY, b""),
        frame(TEXT, b'{"type":"keepAlive"}'),
        frame(TEXT, b'{"type":"finalize"}'),
        frame(TEXT, b'{"config":{"boost":1}}'),
    ],
    ids=["empty", "keepAlive", "finalize", "config"],
)
async def test_messages_that_come_at_once_let_the_loop_go_round(message: bytes) -> None:
    rounds = 0

    async def count() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    async with running_gateway(ScriptedRecognizer()) as base, upgraded(base.removeprefix("unix:"), LIVE) as client:
        counting = asyncio.create_task(count())
        await client.send(message * 500 + frame(TEXT, b"close"))
        received = await client.receive()
        counting.cancel()
    assert received.code == 1000
    assert rounds >= 500


@pytest.mark.parametrize("last", [b"", frame(TEXT, b"\xff"), frame(3)], ids=["pings", "no UTF-8", "no frame"])
def test_a_lost_uvloop_connection_ends(last: bytes) -> None:
    async def lose() -> None:
        async with serving(echoing()) as (server, port):
            async with upgraded(port) as client:
                await client.send(frame(PING) * MANY + last + frame(PING) * MANY)
                client.writer.transport.abort()
            async with asyncio.timeout(STUCK_SECONDS):
                while server.server_state.connections:
                    await asyncio.sleep(0.01)

    faults: list[object] = []
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.get_loop().set_exception_handler(lambda _, context: faults.append(context))
        runner.run(lose())
    assert faults == []
