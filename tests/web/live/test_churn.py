"""Row 28: whoever comes and goes, in whatever way, leaves nothing behind."""

import asyncio
import gc
import os
from collections import Counter
from contextlib import suppress

import pytest
from websockets.exceptions import InvalidStatus

from tests.support.loops.tasks import own_tasks
from tests.support.recognizers import ScriptedRecognizer
from tests.support.sounds import clip_pcm
from tests.support.tiers import tiered
from tests.web.support.gateway import running_gateway
from tests.web.support.sockets import LIVE, converse, talking
from tests.web.transport.raw import BINARY, UPGRADE, close, connected, frame, upgraded
from web.settings.settings import Settings

pytestmark = pytest.mark.virtual_time

SOUND = clip_pcm("yes.wav")
# All come from one address, at once.
MANY = Settings(port=0, handshakes_per_second=100_000, streams=10_000, streams_per_owner=10_000)


async def say_close(base: str) -> None:
    assert (await converse(base, SOUND, "close")).close_code == 1000


async def close_the_connection(base: str) -> None:
    async with talking(base) as socket:
        await socket.send(SOUND)


async def vanish_in_mid_word(base: str) -> None:
    async with talking(base) as socket:
        await socket.send(SOUND)
        socket.transport.abort()


async def close_without_listening(base: str) -> None:
    async with upgraded(base.removeprefix("unix:"), LIVE) as client:
        await client.send(frame(BINARY, SOUND) + close(1000))


async def break_the_rules(base: str) -> None:
    async with upgraded(base.removeprefix("unix:"), LIVE) as client:
        await client.send(frame(BINARY, SOUND) + frame(3))
        assert (await client.receive()).code == 1002


async def say_nonsense(base: str) -> None:
    assert (await converse(base, SOUND, "nonsense")).close_code == 1007


async def say_nothing_at_all(base: str) -> None:
    async with talking(base):
        await asyncio.sleep(0.1)


async def be_refused(base: str) -> None:
    with pytest.raises(InvalidStatus):
        await talking(base, "vad=loud")


async def break_off_the_handshake(base: str) -> None:
    async with connected(base.removeprefix("unix:")) as client:
        await client.send(f"GET {LIVE} HTTP/1.1\r\nHost: 127.0.0.1\r\n{UPGRADE}".encode())


async def leave_before_the_answer(base: str) -> None:
    async with connected(base.removeprefix("unix:")) as client:
        await client.send(f"GET {LIVE} HTTP/1.1\r\nHost: 127.0.0.1\r\n{UPGRADE}\r\n".encode())


WAYS = (
    say_close,
    close_the_connection,
    vanish_in_mid_word,
    close_without_listening,
    break_the_rules,
    say_nonsense,
    say_nothing_at_all,
    be_refused,
    break_off_the_handshake,
    leave_before_the_answer,
)


def descriptors() -> list[str]:
    """What is open, by name."""
    names = []
    for one in os.listdir("/proc/self/fd"):  # noqa: PTH208 - a directory that changes while it is read
        with suppress(FileNotFoundError):
            names.append(os.readlink(f"/proc/self/fd/{one}"))  # noqa: PTH115
    return sorted(names)


async def what_is_left(recognizer: ScriptedRecognizer) -> tuple[Counter[str], int, list[str]]:
    """Tasks, streams and descriptors that are open once every limit has passed."""
    await asyncio.sleep(120)
    gc.collect()
    streams = sum(not stream._is_finished and not stream.is_abandoned for stream in recognizer.streams)
    return own_tasks(), streams, descriptors()


def sockets(names: list[str]) -> list[str]:
    return [name for name in names if name.startswith("socket:")]


@pytest.mark.fault(28)
async def test_hundreds_come_and_go_in_every_way_and_leave_nothing() -> None:
    recognizer = ScriptedRecognizer()
    async with running_gateway(recognizer, MANY) as base:
        # What is opened once and kept is there after the first round.
        await asyncio.gather(*(way(base) for way in WAYS * 2))
        tasks, streams, names = await what_is_left(recognizer)
        for _ in range(tiered(2, 60)):
            async with asyncio.TaskGroup() as crowd:
                for number in range(100):
                    crowd.create_task(WAYS[number % len(WAYS)](base))
                    await asyncio.sleep(0.01)
        tasks_then, streams_then, names_then = await what_is_left(recognizer)
    assert tasks_then == tasks
    assert streams_then == streams == 0
    assert sockets(names_then) == sockets(names)
    # A file that one of the ways left open would be there twenty times; the pool of the database opens a few.
    assert len(names_then) < len(names) + 20, names_then
    assert len(recognizer.streams) >= tiered(80, 2400)
