"""Row 22: a stop delivers every final, a second one ends the server at once."""

import asyncio
import contextlib
import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from websockets.asyncio.client import ClientConnection

from stream.session.events import Hypothesis
from tests.support.processes import STUCK_SECONDS, child_of, started, url_in
from tests.support.recognizers import CountingStream, MuteStream, ScriptedRecognizer
from tests.support.sounds import clip_pcm, words_of
from tests.support.tiers import tiered
from tests.web.support.gateway import running_gateway
from tests.web.support.sockets import Conversation, received, refusal, talking
from tests.web.transport.raw import connected
from tests.web.transport.serving import serving
from web.process.serve import _wait_for_end
from web.routes.operations import Endpoint

CLIENTS = tiered(4, 20)
SHUTTING_DOWN = (503, "shutting_down")


async def talk(url: str, is_told: asyncio.Event) -> Conversation:
    """Say a sentence, go on with silence as a microphone does, and listen to the end."""
    conversation = Conversation()
    async with asyncio.timeout(STUCK_SECONDS), talking(url, compression=None) as socket:
        await socket.send(clip_pcm("quick.wav"))
        humming = asyncio.create_task(_hum(socket))
        async for message in received(socket):
            conversation.messages.append(json.loads(message))
            is_told.set()
        humming.cancel()
        await asyncio.gather(humming, return_exceptions=True)
        conversation.close_code, conversation.close_reason = socket.close_code, socket.close_reason
    return conversation


async def _hum(socket: ClientConnection) -> None:
    """Sound that keeps the sentence open: no pause in it is ever long enough."""
    breath = clip_pcm("quick.wav")[:3200]
    while True:
        await asyncio.sleep(0.1)
        await socket.send(breath)


def readiness(url: str) -> tuple[int, str]:
    """Status of /readyz and the type of its error."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=STUCK_SECONDS) as answer:  # noqa: S310
            return answer.status, "ready"
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)["type"]


@pytest.mark.fault(22)
async def test_a_stop_delivers_every_final_refuses_new_ones_and_takes_the_engine_along() -> None:
    with started("serve", "--port", "0", "--quiet") as (process, line):
        url, engine = url_in(line), child_of(process.pid)
        told = [asyncio.Event() for _ in range(CLIENTS)]
        talks = [asyncio.create_task(talk(url, one)) for one in told]
        async with asyncio.timeout(STUCK_SECONDS):
            await asyncio.gather(*(one.wait() for one in told))
        assert await asyncio.to_thread(readiness, url) == (200, "ready")
        process.send_signal(signal.SIGTERM)
        # The signal is seen at the server's next tick, and the first talker may be done a moment later.
        ready = (200, "ready")
        while ready == (200, "ready"):
            ready = await asyncio.to_thread(readiness, url)
        refused = await refusal(url)
        conversations = await asyncio.gather(*talks)
        assert await asyncio.to_thread(process.wait, STUCK_SECONDS) == 0
        assert not is_running(engine)
    assert ready == SHUTTING_DOWN
    assert (refused[0], refused[1]["type"]) == (503, "shutting_down")
    for conversation in conversations:
        assert (conversation.close_code, conversation.close_reason) == (1012, "shutting_down")
        assert words_of(conversation.transcript)[:4] == ["the", "quick", "brown", "fox"]
        assert conversation.settled


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@pytest.mark.fault(22)
async def test_a_second_signal_does_not_wait_for_what_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    # The engine stands still, so no final will come, for as long as the settings wait for one.
    monkeypatch.setenv("NIYOSHA_FINAL_LIMIT_SECONDS", "300")
    with started("serve", "--port", "0", "--quiet") as (process, line):
        url, engine = url_in(line), child_of(process.pid)
        is_told = asyncio.Event()
        talk_ = asyncio.create_task(talk(url, is_told))
        async with asyncio.timeout(STUCK_SECONDS):
            await is_told.wait()
        os.kill(engine, signal.SIGSTOP)
        try:
            process.send_signal(signal.SIGTERM)
            # It has seen the first signal, and waits.
            while await asyncio.to_thread(readiness, url) != SHUTTING_DOWN:
                pass
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, STUCK_SECONDS) == 1
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(engine, signal.SIGCONT)
        assert not is_running(engine)
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
        conversation = await talk_
    assert conversation.close_code in {1006, 1012}


class SlowStream(CountingStream):
    """Takes most of the time that there is for a final."""

    async def hypotheses(self) -> AsyncIterator[Hypothesis]:
        async for hypothesis in super().hypotheses():
            if hypothesis.is_final:
                await asyncio.sleep(4)
            yield hypothesis


@pytest.mark.fault(22)
@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("kind", "seconds", "words"), [(SlowStream, 4, ["w0", "w1"]), (MuteStream, 20, [])], ids=["slow", "mute"]
)
async def test_a_stop_waits_for_a_recognizer_as_long_as_for_any_final(
    kind: type[CountingStream], seconds: float, words: list[str]
) -> None:
    recognizer, loop = ScriptedRecognizer(script=[kind]), asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        base = await stack.enter_async_context(running_gateway(recognizer))
        talks = [asyncio.create_task(talk(base, asyncio.Event())) for _ in range(20)]
        while len(recognizer.streams) < len(talks):
            await asyncio.sleep(0.01)
        began = loop.time()
        stopping = asyncio.create_task(stack.aclose())
        await asyncio.sleep(1)
        status, body = await refusal(base)
        conversations = await asyncio.gather(*talks)
        # So long a client that still talks is listened to.
        assert loop.time() - began == pytest.approx(seconds, abs=0.6)
        await stopping
    assert (status, body["type"]) == SHUTTING_DOWN
    for conversation in conversations:
        assert (conversation.close_code, conversation.close_reason) == (1012, "shutting_down")
        assert conversation.transcript.split()[:2] == words


@pytest.mark.virtual_time
async def test_an_idle_server_stops_within_a_tick() -> None:
    loop = asyncio.get_running_loop()
    async with running_gateway():
        await asyncio.sleep(1)
        began = loop.time()
    assert loop.time() - began < 0.5


async def never_ends(_: Request) -> Response:
    await asyncio.sleep(1000)
    return Response()


async def ends_late(_: Request) -> Response:
    await asyncio.sleep(8)
    return Response("late")


@pytest.mark.fault(40)
@pytest.mark.virtual_time
@pytest.mark.parametrize(("endpoint", "seconds", "answer"), [(ends_late, 8, b"late"), (never_ends, 10, b"")])
async def test_a_stop_waits_for_requests_until_its_limit(endpoint: Endpoint, seconds: float, answer: bytes) -> None:
    app, loop = Starlette(routes=[Route("/page", endpoint)]), asyncio.get_running_loop()
    async with serving(app, drain_seconds=10) as (server, port), connected(port) as client:
        await client.send(b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n")
        began = loop.time()
        server.drain()
        received = await client.reader.read()
        assert loop.time() - began == pytest.approx(seconds, abs=1.1)
        assert received.endswith(answer)
        assert (b" 200 " in received) == bool(answer)


@pytest.mark.fault(40)
@pytest.mark.virtual_time
async def test_a_stop_does_not_wait_for_a_server_that_cannot_be_cancelled() -> None:
    loop, is_over = asyncio.get_running_loop(), asyncio.Event()

    async def serve() -> bool:
        while not is_over.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await is_over.wait()
        return True

    serving, began = asyncio.create_task(serve()), loop.time()
    await _wait_for_end(serving, 30)
    assert loop.time() - began == 30
    is_over.set()
    await serving


@pytest.mark.virtual_time
async def test_what_ends_a_server_is_raised() -> None:
    async def serve() -> bool:
        raise OSError("no more files")

    with pytest.raises(OSError, match="no more files"):
        await _wait_for_end(asyncio.create_task(serve()), 30)
