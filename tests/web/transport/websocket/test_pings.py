"""Rows 6 and 8: a peer that is gone is closed, one that is only throttled is not."""

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from tests.support.loops.tasks import own_tasks
from tests.support.recognizers import ScriptedRecognizer
from tests.support.sounds import clip_pcm
from tests.web.support.gateway import running_gateway
from tests.web.support.sockets import LIVE
from tests.web.transport.raw import BINARY, PONG, RawClient, frame, upgraded
from tests.web.transport.serving import echoing, serving
from web.settings.settings import Settings
from web.transport.limits import WireLimits

pytestmark = pytest.mark.virtual_time

LIMITS = WireLimits(send_seconds=30.0)


def now() -> float:
    return asyncio.get_running_loop().time()


@pytest.mark.fault(6)
async def test_a_peer_without_pong_is_closed() -> None:
    told: list[int] = []

    async def wait(websocket: WebSocket) -> None:
        await websocket.accept()
        with pytest.raises(WebSocketDisconnect) as caught:
            await websocket.receive_text()
        told.append(caught.value.code)

    async with serving(Starlette(routes=[WebSocketRoute("/echo", wait)])) as (server, port):
        async with upgraded(port) as client:
            began = now()
            answer = await client.receive()
            assert now() - began == LIMITS.ping_seconds + LIMITS.pong_seconds
            assert await client.is_closed()
            assert now() - began == LIMITS.ping_seconds + LIMITS.pong_seconds
        assert (answer.code, answer.reason, len(answer.pings)) == (1011, "keepalive ping timeout", 1)
        assert told == [1011]
        assert not server.server_state.connections


async def test_only_a_correct_pong_keeps_the_connection() -> None:
    async with serving(echoing()) as (_, port), upgraded(port) as right, upgraded(port) as wrong:

        async def answer(client: RawClient, change: bytes) -> int:
            for answered in range(8):
                if (await client.receive(pings=answered + 1)).code is not None:
                    return answered
                await asyncio.sleep(LIMITS.pong_seconds - 0.01)
                await client.send(frame(PONG, client.received.pings[-1] + change))
            return 8

        assert await asyncio.gather(answer(right, b""), answer(wrong, b"?")) == [8, 1]
        assert wrong.received.code == 1011


async def test_a_sending_peer_gets_longer_for_its_pong() -> None:
    async with serving(echoing()) as (_, port), upgraded(port) as client:
        began = now()
        hearing = asyncio.create_task(client.receive())
        sent = 0
        while not hearing.done():
            # Nothing whole: the server reads on, and never pauses.
            await client.send(frame(BINARY, b"x", fin=False) if not sent else frame(0, b"x", fin=False))
            sent += 1
            await asyncio.wait({hearing}, timeout=7)
        assert (await hearing).code == 1011
        # Three times it has as long as for the pong itself.
        assert now() - began == LIMITS.ping_seconds + 4 * LIMITS.pong_seconds


@pytest.mark.fault(8)
async def test_a_throttled_sender_does_not_count_as_gone() -> None:
    gate = asyncio.Event()

    async def slow(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive_bytes()
        await gate.wait()
        received = 1
        while received < 40:
            await websocket.receive_bytes()
            received += 1
        await websocket.send_text(str(received))
        await websocket.close()

    app = Starlette(routes=[WebSocketRoute("/echo", slow)])
    async with serving(app) as (_, port), upgraded(port) as client:
        # The pongs are behind the sound, as with any client's library.
        sending = asyncio.create_task(client.send(frame(BINARY, bytes(100_000)) * 40))
        hearing = asyncio.create_task(client.receive())
        await asyncio.sleep(10 * (LIMITS.ping_seconds + LIMITS.pong_seconds))
        assert not hearing.done()
        gate.set()
        await sending
        for ping in client.received.pings:
            await client.send(frame(PONG, ping))
        answer = await hearing
    assert (answer.messages, answer.code) == ([(1, b"40")], 1000)


@pytest.mark.fault(6)
async def test_a_talker_that_vanishes_without_a_word_leaves_nothing_behind() -> None:
    recognizer = ScriptedRecognizer()
    async with running_gateway(recognizer, Settings(port=0, idle_limit_seconds=600)) as base:
        before = own_tasks()
        async with upgraded(base.removeprefix("unix:"), LIVE) as client:
            began = now()
            await client.send(frame(BINARY, clip_pcm("quick.wav")))
            answer = await client.receive()
            assert (answer.code, now() - began) == (1011, LIMITS.ping_seconds + LIMITS.pong_seconds)
        # What it said is stored by then, or soon.
        await asyncio.sleep(1)
        assert own_tasks() == before
        assert recognizer.streams
        assert all(stream._is_finished or stream.is_abandoned for stream in recognizer.streams)
