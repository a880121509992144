"""Rows 7 and 29: clients that read late, never, or close directly after their last audio."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from structlog.testing import capture_logs

from stream.session.events import Alternative, Hypothesis, Word
from tests.support.recognizers import CountingStream, FloodingStream, ScriptedRecognizer
from tests.support.sounds import clip_pcm
from tests.web.support.gateway import running_gateway
from tests.web.support.sockets import LIVE, http_client
from tests.web.transport.raw import BINARY, TEXT, RawClient, Received, close, frame, upgraded
from tests.web.transport.serving import serving
from web.transport.limits import WireLimits

pytestmark = pytest.mark.virtual_time

LIMITS = WireLimits(send_seconds=30.0)
UTTERANCE = clip_pcm("quick.wav") + bytes(32_000)
PIECE = 3200
LONG_WORD = "x" * 8000


class TalkativeStream(CountingStream):
    """Says a very long word anew whenever it hears something, and settles it."""

    said: ClassVar[int] = 0

    async def hypotheses(self) -> AsyncIterator[Hypothesis]:
        async for received in super().hypotheses():
            for number in range(1 if received.is_final else 20):
                TalkativeStream.said += 1
                word = Word(f"{LONG_WORD}{number}", 0, 1600) if received.is_final else Word(f"{LONG_WORD}{number}")
                yield Hypothesis((Alternative((word,)),), is_final=received.is_final, processed=received.processed)
                await asyncio.sleep(0)


def now() -> float:
    return asyncio.get_running_loop().time()


def path_of(base: str) -> str:
    return base.removeprefix("unix:")


@asynccontextmanager
async def deaf(path: str) -> AsyncIterator[RawClient]:
    """A live connection that reads nothing until it is told."""
    async with upgraded(path, LIVE) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        yield client


async def hear_all(client: RawClient) -> tuple[Received, list[dict[str, Any]]]:
    client.writer.transport.resume_reading()  # type: ignore[attr-defined]
    received = await client.receive()
    return received, [json.loads(payload) for opcode, payload in received.messages if opcode == TEXT]


def is_final(message: dict[str, Any]) -> bool:
    return bool(message["results"][0]["words"][-1]["endTime"] > 0)


@pytest.mark.fault(7)
async def test_a_late_reader_gets_all_finals_and_the_newest_partial() -> None:
    TalkativeStream.said = 0
    recognizer = ScriptedRecognizer(script=[TalkativeStream])
    utterances = 6
    async with running_gateway(recognizer) as base, deaf(path_of(base)) as client:
        sound = UTTERANCE * utterances
        for start in range(0, len(sound), PIECE):
            await client.send(frame(BINARY, sound[start : start + PIECE]))
        await client.send(frame(TEXT, b"close"))
        while len(recognizer.streams) < utterances or not recognizer.streams[-1]._is_finished:
            await asyncio.sleep(0.05)
        await asyncio.sleep(LIMITS.send_seconds - 1)
        received, (*partials, done) = await hear_all(client)
    assert (received.code, done["status"], len(done["results"])) == (1000, "done", utterances)
    assert sum(is_final(message) for message in partials) == utterances
    # What the kernel and the transport hold for a reader, in both directions, and one a final.
    held = 1_000_000 // len(LONG_WORD)
    assert len(partials) < held + 2 * utterances < TalkativeStream.said / 2


@pytest.mark.long_callbacks("its recognizer floods the server with words of 8000 letters")
@pytest.mark.fault(7)
async def test_a_stuck_reader_gets_one_close_and_no_further_wait() -> None:
    recognizer = ScriptedRecognizer(script=[FloodingStream])
    with capture_logs() as logs:
        async with running_gateway(recognizer) as base, deaf(path_of(base)) as client:
            began = now()
            await client.send(frame(BINARY, clip_pcm("quick.wav")))
            await client.send(frame(TEXT, b"close"))
            while not any(log["event"] == "session_closed" for log in logs):
                await asyncio.sleep(0.05)
            assert now() - began == pytest.approx(LIMITS.send_seconds, abs=0.1)
            received, messages = await hear_all(client)
    assert (received.code, received.reason) == (1008, "slow_reader")
    assert "done" not in [message["status"] for message in messages]
    assert [log["event"] for log in logs].count("session_cut") == 1


@pytest.mark.fault(7)
async def test_a_client_that_never_reads_is_closed() -> None:
    recognizer = ScriptedRecognizer(script=[TalkativeStream])
    with capture_logs() as logs:
        async with running_gateway(recognizer) as base, deaf(path_of(base)) as client:

            async def talk() -> None:
                while True:
                    await client.send(frame(BINARY, UTTERANCE))
                    await asyncio.sleep(1)

            began = now()
            talker = asyncio.create_task(talk())
            while not any(log["event"] == "session_closed" for log in logs):
                await asyncio.sleep(0.05)
            assert now() - began == pytest.approx(LIMITS.send_seconds, abs=1)
            opened = len(recognizer.streams)
            await asyncio.sleep(LIMITS.send_seconds - 2)
            talker.cancel()
            received, messages = await hear_all(client)
            assert len(recognizer.streams) == opened
    assert all(stream._is_finished or stream.is_abandoned for stream in recognizer.streams)
    assert (received.code, received.reason) == (1008, "slow_reader")
    assert len(messages) * len(LONG_WORD) < 1_000_000


async def test_a_reader_that_never_comes_back_is_forgotten() -> None:
    is_over = asyncio.Event()

    async def flood(websocket: WebSocket) -> None:
        await websocket.accept()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(send_for_ever(websocket), 1)
        await websocket.close(1008)
        is_over.set()

    app = Starlette(routes=[WebSocketRoute(LIVE, flood)])
    async with serving(app) as (server, path), deaf(str(path)):
        await is_over.wait()
        began = now()
        await asyncio.sleep(LIMITS.send_seconds - 0.01)
        assert server.server_state.connections
        while server.server_state.connections or server.server_state.tasks:
            await asyncio.sleep(0.01)
        assert now() - began == pytest.approx(LIMITS.send_seconds, abs=0.02)


async def send_for_ever(websocket: WebSocket) -> None:
    while True:
        await websocket.send_text(LONG_WORD)


@pytest.mark.fault(29)
async def test_audio_with_a_close_in_one_segment_is_stored() -> None:
    async with running_gateway() as base, http_client(base) as http:
        async with upgraded(path_of(base), LIVE) as client:
            await client.send(frame(BINARY, clip_pcm("quick.wav")) + close(1000))
            assert (await client.receive()).code == 1000
        stored: list[dict[str, Any]] = []
        while not stored or stored[0]["status"] != "done":
            stored = (await http.get("/v1/speech/transcriptions")).json()["transcriptions"]
            await asyncio.sleep(0.05)
        text = (await http.get(f"/v1/speech/transcriptions/{stored[0]['transcriptionId']}")).json()
    assert text["results"][0]["transcript"].startswith("w0 w1 w2")
