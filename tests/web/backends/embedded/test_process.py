"""The embedded engine as a real process: stopped, it is replaced, and it never outlives whoever started it."""

import asyncio
import os
import select
import signal
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from stream.protocols.farsava.messages import DoneMessage, PartialMessage, decode
from tests.support.processes import STUCK_SECONDS, child_of, started
from tests.support.sounds import clip_pcm, clip_texts, words_of
from tests.web.support.sockets import http_client, received, talking
from web.backends.embedded.backend import connected_backend, host_of
from web.backends.embedded.process import engine_process
from web.backends.embedded.settings import EngineSettings
from web.process.serve import running
from web.settings.settings import read_settings
from web.supervision.heartbeat import HangLimits

CHUNK_BYTES = 3200
# A second of silence is nothing on a busy machine, and one in which the engine does nothing is none of its own.
LIMITS = HangLimits(idle=2.0, busy=STUCK_SECONDS)
PATIENT: dict[str, object] = {"port": 0, "stall_limit_seconds": STUCK_SECONDS, "final_limit_seconds": STUCK_SECONDS}


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def until(condition: Callable[[httpx.Response], bool], client: httpx.AsyncClient) -> httpx.Response:
    """Ask for readiness until the answer is as wanted."""
    async with asyncio.timeout(STUCK_SECONDS):
        while not condition(answer := await client.get("/readyz")):
            await asyncio.sleep(0.02)
    return answer


async def talk(url: str, is_heard: asyncio.Event, is_replaced: asyncio.Event) -> list[str]:
    """Say a sentence up to the middle of the next one, and the rest of that when the engine is another."""
    first, second = clip_pcm("quick.wav") + bytes(32_000), clip_pcm("weather.wav") + bytes(32_000)
    async with talking(url, "extended=true", compression=None, ping_interval=None) as socket:

        async def send() -> None:
            await socket.send(first + second[: len(second) // 2])
            await is_replaced.wait()
            await socket.send(second[len(second) // 2 :])
            await socket.send("close")

        sending = asyncio.create_task(send())
        async for raw in received(socket):
            match decode(raw):
                case PartialMessage():
                    is_heard.set()
                case DoneMessage(results=results):
                    await sending
                    return words_of(" ".join(result.transcript for result in results))
    raise AssertionError("it ended without done")


@pytest.mark.fault(33)
async def test_a_stopped_engine_is_replaced_and_no_word_is_lost() -> None:
    settings = read_settings(PATIENT)
    async with (
        engine_process(EngineSettings(), LIMITS) as engine,
        connected_backend(host_of(engine)) as backend,
        running(settings, backend.recognizer) as server,
        http_client(server.url) as client,
    ):
        await until(lambda answer: answer.status_code == 200, client)
        is_heard, is_replaced = asyncio.Event(), asyncio.Event()
        talking_ = asyncio.create_task(talk(server.url, is_heard, is_replaced))
        async with asyncio.timeout(STUCK_SECONDS):
            await is_heard.wait()
        pid = engine.supervisor.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        refusal = await until(lambda answer: answer.status_code == 503, client)
        assert refusal.json()["detail"] == "the recognizer is not ready"
        await until(lambda answer: answer.status_code == 200, client)
        assert engine.supervisor.pid not in {pid, None}
        assert not is_running(pid)
        is_replaced.set()
        async with asyncio.timeout(STUCK_SECONDS):
            heard = await talking_
    assert heard == words_of(clip_texts()["quick.wav"]) + words_of(clip_texts()["weather.wav"])


@pytest.mark.fault(33)
def test_a_stopped_engine_dies_with_its_killed_gateway() -> None:
    with started("serve", "--port", "0", "--quiet") as (process, _):
        pid = child_of(process.pid)
        engine = os.pidfd_open(pid)
        try:
            # It cannot see that its standard input closes.
            os.kill(pid, signal.SIGSTOP)
            process.kill()
            assert select.select([engine], [], [], STUCK_SECONDS)[0] == [engine]
        finally:
            os.close(engine)
