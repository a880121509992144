"""Words through the whole gateway while its recognizer fails: none is lost, none is said twice, nothing is left."""

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from stream.client import connect
from stream.engine.server import EngineOptions, EngineServer
from stream.wire import DoneMessage, WarningMessage
from tests.hostile.audio import numbered_speech, silence, spoken_numbers
from tests.hostile.faults import BREAKING, Abort, At, EndEarly, Entry, Freeze, breaking_script, dumps
from tests.hostile.network import Close, NetworkEntry, Reset, Stall, Way, breaking_plan
from tests.hostile.process import running_process
from tests.hostile.proxy import FaultProxy
from tests.hostile.relay import relaying
from tests.hostile.riva import HostileRiva
from tests.hostile.server import running as running_riva
from tests.sounds import clip_pcm, words_of
from tests.tasks import own_tasks
from web.serve import running
from web.settings import read_settings

CHUNK_BYTES = 3200
# Four times the speed of speech.
CHUNK_SECONDS = 0.025
GROUPS = [4, 3, 5, 4]
WORDS = sum(GROUPS)


@asynccontextmanager
async def gateway(address: str, **settings: object) -> AsyncIterator[str]:
    overrides = {"riva_uri": address, "port": 0, "stall_limit_seconds": 0.6} | settings
    async with running(read_settings(overrides)) as server:
        yield server.url


async def converse(url: str, pcm: bytes, **config: object) -> tuple[str, int]:
    """Speak, and return the text and how many gaps were told."""
    gaps, text = 0, ""
    async with connect(url, config={"extended": True} | config) as live:

        async def send() -> None:
            for start in range(0, len(pcm), CHUNK_BYTES):
                await live.send(pcm[start : start + CHUNK_BYTES])
                await asyncio.sleep(CHUNK_SECONDS)
            await live.finish()

        sending = asyncio.create_task(send())
        async for message in live:
            match message:
                case WarningMessage(code="gap"):
                    gaps += 1
                case DoneMessage():
                    text = " ".join(result.transcript for result in message.results)
        await sending
    return text, gaps


async def numbers_of(url: str, talkers: int, **config: object) -> list[list[int]]:
    """What each talker's words became; talker n says the numbers from n times WORDS on."""
    speeches = [
        silence(100 * n) + numbered_speech(GROUPS, n * WORDS, pause_ms=1000) + silence(300) for n in range(talkers)
    ]
    heard = await asyncio.gather(*(converse(url, speech, **config) for speech in speeches))
    return [spoken_numbers(text) for text, _ in heard]


def everything(talkers: int) -> list[list[int]]:
    return [list(range(n * WORDS, (n + 1) * WORDS)) for n in range(talkers)]


@pytest.mark.fault(25)
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_failures_by_message_lose_no_word_and_double_none(seed: int) -> None:
    async with running_riva(HostileRiva(breaking_script(seed, 500))) as riva, gateway(riva.address) as url:
        assert await numbers_of(url, 4) == everything(4)
        broken = [call for call in riva.riva.calls if any(isinstance(fault, BREAKING) for fault in call.fired)]
        assert len(broken) >= 4


@pytest.mark.fault(25)
@pytest.mark.parametrize("seed", [1, 2])
async def test_failures_by_byte_lose_no_word_and_double_none(seed: int) -> None:
    async with running_riva(HostileRiva()) as riva:
        plan = breaking_plan(seed, 200, (100_000, 600_000), (1_000, 8_000))
        async with FaultProxy(riva.port, plan) as proxy, gateway(proxy.address) as url:
            assert await numbers_of(url, 4) == everything(4)
            assert sum(bool(connection.fired) for connection in proxy.connections) >= 1


async def test_where_the_server_finds_the_endpoints_nothing_is_lost_either() -> None:
    script: list[Entry] = [Abort(at=At.MESSAGE, count=count) for count in (3, 30, 20, 9)]
    async with running_riva(HostileRiva(script)) as riva, gateway(riva.address) as url:
        assert await numbers_of(url, 1, vad="off") == everything(1)
        assert [bool(call.fired) for call in riva.riva.calls] == [True] * 4 + [False]


async def test_a_server_that_is_killed_and_comes_back_costs_no_word() -> None:
    async with running_process() as riva, gateway(riva.address) as url:
        talking = asyncio.create_task(numbers_of(url, 2))
        for _ in range(2):
            await asyncio.sleep(0.7)
            await riva.kill()
            await asyncio.sleep(0.3)
            await riva.start()
        assert await talking == everything(2)


async def test_one_of_two_servers_may_die_for_good() -> None:
    async with (
        running_process() as first,
        running_process() as second,
        gateway(f"{first.address},{second.address}") as url,
    ):
        talking = asyncio.create_task(numbers_of(url, 4))
        await asyncio.sleep(0.8)
        await first.kill()
        assert await talking == everything(4)


async def test_a_server_that_refuses_for_a_while_is_waited_for() -> None:
    busy = Abort(grpc.StatusCode.RESOURCE_EXHAUSTED, At.OPEN, pushback_ms=200)
    async with running_process("--script", dumps([busy, busy, busy])) as riva, gateway(riva.address) as url:
        assert await numbers_of(url, 1) == everything(1)


@pytest.mark.fault(25)
async def test_when_all_fails_the_gap_is_told_and_the_connection_goes_on() -> None:
    refused = Abort(grpc.StatusCode.PERMISSION_DENIED, At.RESPONSE, 4)
    async with running_riva(HostileRiva([None, refused])) as riva, gateway(riva.address) as url:
        pcm = numbered_speech([3, 6, 3], pause_ms=1000)
        text, gaps = await converse(url, pcm)
        assert gaps == 1
        # What was known of the second group when it failed is kept, and what is said afterwards is heard.
        numbers = spoken_numbers(text)
        assert (numbers[:5], numbers[-3:]) == ([0, 1, 2, 3, 4], [9, 10, 11])


@asynccontextmanager
async def engine() -> AsyncIterator[str]:
    server = EngineServer(EngineOptions("127.0.0.1:0", workers=2))
    address = await server.start()
    try:
        yield address
    finally:
        await server.stop(0)


# A real engine on a busy machine may take longer for an answer than a scripted one.
PATIENT = {"stall_limit_seconds": 2.0}
SPOKEN = clip_pcm("quick.wav") + silence(800) + clip_pcm("weather.wav") + silence(300)


async def test_the_real_engine_says_the_same_words_however_often_its_calls_break() -> None:
    script: list[Entry] = [
        Abort(grpc.StatusCode.UNAVAILABLE, At.MESSAGE, 12),
        EndEarly(At.RESPONSE, 3),
        Freeze(At.MESSAGE, 4),
        None,
        Abort(grpc.StatusCode.INTERNAL, At.DRAIN),
        EndEarly(At.DRAIN),
        Abort(grpc.StatusCode.ABORTED, At.DONE),
    ]
    async with engine() as address, relaying(address, script) as (uri, relay):
        async with gateway(address, **PATIENT) as url:
            undisturbed, _ = await converse(url, SPOKEN)
        async with gateway(uri, **PATIENT) as url:
            text, gaps = await converse(url, SPOKEN)
    assert (words_of(text), gaps) == (words_of(undisturbed), 0)
    assert len(relay.fired) == 6


async def test_the_real_engine_says_the_same_words_over_a_line_that_breaks() -> None:
    async with engine() as address:
        async with gateway(address, **PATIENT) as url:
            undisturbed, _ = await converse(url, SPOKEN)
        plan: list[NetworkEntry] = [Reset(60_000), Stall(70_000), Close(2_000, Way.DOWN)]
        async with FaultProxy(int(address.rpartition(":")[2]), plan) as proxy, gateway(proxy.address, **PATIENT) as url:
            text, gaps = await converse(url, SPOKEN)
            assert len(proxy.connections) > 2
    assert (words_of(text), gaps) == (words_of(undisturbed), 0)


async def test_failures_leave_no_call_no_task_and_no_connection_behind() -> None:
    async with running_riva(HostileRiva(breaking_script(7, 500))) as riva, FaultProxy(riva.port) as line:
        async with gateway(line.address) as url:
            await numbers_of(url, 1)
            tasks, connections = own_tasks(), line.open_connections
            for _ in range(3):
                assert await numbers_of(url, 4) == everything(4)
            await riva.riva.until(lambda: riva.riva.open_calls == 0)
            assert own_tasks() - tasks == Counter()
            # Those given up for a stalled stream are closed a moment after their last stream; a broken call lives in
            # its traceback until the collector comes by, and its connection with it.
            await riva.riva.until(lambda: gc.collect() >= 0 and line.open_connections <= connections)
        await riva.riva.until(lambda: line.open_connections == 0)
