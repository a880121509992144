"""Words through the whole gateway while its recognizer fails: none is lost, none is said twice, nothing is left.

Most of it is on the virtual clock, at the speed of speech and with the limits that users have; the gateway is the real
one, its Riva in memory. What only a real line, process or engine can do follows at the end, as fast as it goes.
"""

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import grpc
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection

from stream.engine.server.server import EngineOptions, EngineServer
from stream.protocols.farsava.messages import DoneMessage, FinalMessage, PartialMessage, WarningMessage, decode
from stream.riva import RivaOptions, RivaRecognizer
from tests.hostile.process import running_process
from tests.hostile.proxy.network import Close, NetworkEntry, Reset, Stall, breaking_plan
from tests.hostile.proxy.proxy import FaultProxy
from tests.hostile.relay import relaying
from tests.hostile.riva.audio import numbered_speech, silence, spoken_numbers
from tests.hostile.riva.faults import (
    BREAKING,
    Abort,
    At,
    EndEarly,
    Entry,
    Freeze,
    LateFinals,
    LatePartial,
    OwnEndpoints,
    Undecodable,
    breaking_script,
    dumps,
)
from tests.hostile.riva.record import CallEnd
from tests.hostile.riva.riva import Behaviour, HostileRiva
from tests.hostile.server import running as running_riva
from tests.support.loops.tasks import own_tasks
from tests.support.memory_grpc import open_connections, open_here
from tests.support.processes import STUCK_SECONDS
from tests.support.sounds import clip_pcm, words_of
from tests.support.tiers import tiered
from tests.web.support.gateway import running_gateway
from tests.web.support.sockets import received, talking
from web.process.serve import running
from web.settings.settings import Settings, read_settings

CHUNK_BYTES = 3200
CHUNK_SECONDS = 0.1
GROUPS = [4, 3, 5, 4]
WORDS = sum(GROUPS)
Told = Callable[[], None]


@asynccontextmanager
async def gateway(*addresses: str, force_eou: tuple[str, ...] = (), **settings: object) -> AsyncIterator[str]:
    """A gateway in front of these; on the virtual clock they are in memory."""
    recognizer = RivaRecognizer(RivaOptions(uris=addresses, force_eou=force_eou), open_here)
    watching = asyncio.create_task(recognizer.watch())
    try:
        async with running_gateway(recognizer, read_settings({"port": 0} | settings)) as base:
            while not recognizer.is_ready:
                await asyncio.sleep(0.01)
            yield base
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await recognizer.close()


async def converse(
    base: str, pcm: bytes, query: str = "", *, pace_seconds: float = CHUNK_SECONDS, told: Told = lambda: None
) -> tuple[str, int]:
    """Speak, and return the text and how many gaps were told; every hypothesis is `told`."""
    gaps = 0
    async with talking(base, f"extended=true&{query}", compression=None, ping_interval=None) as socket:
        speaking = asyncio.create_task(send_speech(socket, pcm, pace_seconds))
        async for raw in received(socket):
            match decode(raw):
                case WarningMessage(code="gap"):
                    gaps += 1
                case PartialMessage():
                    told()
                case DoneMessage(results=results):
                    await speaking
                    return " ".join(result.transcript for result in results), gaps
        speaking.cancel()
    raise AssertionError(f"it ended without done: {socket.close_code} {socket.close_reason}")


async def send_speech(socket: ClientConnection, pcm: bytes, pace_seconds: float = CHUNK_SECONDS) -> None:
    for start in range(0, len(pcm), CHUNK_BYTES):
        await socket.send(pcm[start : start + CHUNK_BYTES])
        await asyncio.sleep(pace_seconds)
    await socket.send("close")


def speech(talker: int) -> bytes:
    """Talker n says the numbers from n times WORDS on."""
    return silence(100 * talker) + numbered_speech(GROUPS, talker * WORDS, pause_ms=1000) + silence(300)


async def numbers_of(
    base: str, talkers: int, query: str = "", *, pace_seconds: float = CHUNK_SECONDS, told: Told = lambda: None
) -> list[list[int]]:
    """What each talker's words became."""
    heard = await asyncio.gather(
        *(converse(base, speech(n), query, pace_seconds=pace_seconds, told=told) for n in range(talkers))
    )
    return [spoken_numbers(text) for text, _ in heard]


def everything(talkers: int) -> list[list[int]]:
    return [list(range(n * WORDS, (n + 1) * WORDS)) for n in range(talkers)]


def broken_calls(riva: HostileRiva) -> int:
    return sum(any(isinstance(fault, BREAKING) for fault in call.fired) for call in riva.calls)


# --- on the virtual clock ---


@pytest.mark.virtual_time
@pytest.mark.fault(25)
@pytest.mark.parametrize("seed", range(1, tiered(4, 40)))
async def test_failures_by_message_lose_no_word_and_double_none(seed: int) -> None:
    async with running_riva(HostileRiva(breaking_script(seed, 500))) as riva, gateway(riva.address) as base:
        assert await numbers_of(base, 4) == everything(4)
        assert broken_calls(riva.riva) >= 4


@pytest.mark.virtual_time
async def test_where_the_server_finds_the_endpoints_nothing_is_lost_either() -> None:
    script: list[Entry] = [Abort(at=At.MESSAGE, count=count) for count in (3, 30, 20, 9)]
    async with running_riva(HostileRiva(script)) as riva, gateway(riva.address) as base:
        assert await numbers_of(base, 1, "vad=off") == everything(1)
        assert [bool(call.fired) for call in riva.riva.calls] == [True] * 4 + [False]


@pytest.mark.virtual_time
async def test_a_server_that_is_away_for_seconds_costs_no_word() -> None:
    async with running_riva(HostileRiva()) as riva, gateway(riva.address) as base:
        speaking = asyncio.create_task(numbers_of(base, 2))
        for _ in range(2):
            await asyncio.sleep(2)
            await riva.kill()
            await asyncio.sleep(3)
            await riva.start()
        assert await speaking == everything(2)


@pytest.mark.virtual_time
async def test_one_of_two_servers_may_die_for_good() -> None:
    async with (
        running_riva(HostileRiva()) as first,
        running_riva(HostileRiva()) as second,
        gateway(first.address, second.address) as base,
    ):
        speaking = asyncio.create_task(numbers_of(base, 4))
        await asyncio.sleep(3)
        assert first.riva.open_calls
        await first.kill()
        assert await speaking == everything(4)


@pytest.mark.virtual_time
async def test_a_server_that_refuses_for_a_while_is_waited_for() -> None:
    busy = Abort(code=grpc.StatusCode.RESOURCE_EXHAUSTED, at=At.OPEN, pushback_ms=2_000)
    async with running_riva(HostileRiva([busy, busy, busy])) as riva, gateway(riva.address) as base:
        assert await numbers_of(base, 1) == everything(1)


@pytest.mark.virtual_time
@pytest.mark.fault(25)
async def test_when_all_fails_the_gap_is_told_and_the_connection_goes_on() -> None:
    refused = Abort(code=grpc.StatusCode.PERMISSION_DENIED, at=At.RESPONSE, count=4)
    async with running_riva(HostileRiva([None, refused])) as riva, gateway(riva.address) as base:
        text, gaps = await converse(base, numbered_speech([3, 6, 3], pause_ms=1000))
    assert gaps == 1
    # What was known of the second group when it failed is kept, and what is said afterwards is heard.
    numbers = spoken_numbers(text)
    assert (numbers[:5], numbers[-3:]) == ([0, 1, 2, 3, 4], [9, 10, 11])


WAYS = ["", "vad=off&hangoverMs=500"]


@pytest.mark.virtual_time
@pytest.mark.parametrize("query", WAYS)
async def test_a_late_partial_with_the_text_of_a_final_is_not_shown(query: str) -> None:
    settled: list[int] = []
    fault = (LatePartial(300), OwnEndpoints(600))
    async with (
        running_riva(HostileRiva(otherwise=fault)) as riva,
        gateway(riva.address) as base,
        talking(base, f"extended=true&{query}", compression=None, ping_interval=None) as socket,
    ):
        speaking = asyncio.create_task(send_speech(socket, speech(0) + silence(1500)))
        async for raw in received(socket):
            match decode(raw):
                case PartialMessage(results=[best]):
                    numbers = spoken_numbers(best.transcript)
                    assert numbers == sorted(set(numbers) - set(settled))
                case FinalMessage(results=[best]):
                    settled += spoken_numbers(best.transcript)
        await speaking
    assert settled == everything(1)[0]


@pytest.mark.virtual_time
@pytest.mark.parametrize("query", WAYS)
async def test_slow_finals_lose_no_word(query: str) -> None:
    async with running_riva(HostileRiva(otherwise=LateFinals(4.5))) as riva, gateway(riva.address) as base:
        text, gaps = await converse(base, speech(0), query)
    assert (spoken_numbers(text), gaps) == (everything(1)[0], 0)
    # Where one stream holds all utterances, what follows a slow final waits too, which looks like a stall.
    assert query or all(call.end is CallEnd.OK for call in riva.riva.calls)


@pytest.mark.virtual_time
async def test_finals_slower_than_the_limit_are_told_as_gaps() -> None:
    async with running_riva(HostileRiva(otherwise=LateFinals(25))) as riva, gateway(riva.address) as base:
        _, gaps = await converse(base, speech(0))
    assert gaps == len(GROUPS)


@pytest.mark.virtual_time
@pytest.mark.parametrize(("is_ignored", "calls", "seconds"), [(False, 1, 0.0), (True, 2, 1.0)])
async def test_finalize_forces_a_final_or_ends_the_stream(is_ignored: bool, calls: int, seconds: float) -> None:
    finals: list[tuple[list[int], str]] = []
    loop = asyncio.get_running_loop()
    async with (
        running_riva(HostileRiva(behaviour=Behaviour(ignores_force=is_ignored))) as riva,
        gateway(riva.address, force_eou=("default",)) as base,
        talking(base, "extended=true&vad=off&hangoverMs=5000", compression=None, ping_interval=None) as socket,
    ):
        for start in range(0, len(first := numbered_speech([4])), CHUNK_BYTES):
            await socket.send(first[start : start + CHUNK_BYTES])
            await asyncio.sleep(CHUNK_SECONDS)
        await socket.send('{"type":"finalize"}')
        asked = loop.time()
        async for raw in received(socket):
            match decode(raw):
                case FinalMessage(results=[best], reason=reason) if best.words:
                    if not finals:
                        assert loop.time() - asked == pytest.approx(seconds, abs=0.2)
                        await send_speech(socket, numbered_speech([3], 4), 0.0)
                    finals.append((spoken_numbers(best.transcript), reason))
    assert finals == [([0, 1, 2, 3], "finalize"), ([4, 5, 6], "recognizer")]
    assert [call.forced for call in riva.riva.calls] == [1] + [0] * (calls - 1)


@pytest.mark.virtual_time
@pytest.mark.parametrize("query", WAYS)
async def test_responses_that_cannot_be_decoded_lose_no_word(query: str) -> None:
    script: list[Entry] = [Undecodable(count) for count in (1, 2, 3, 5, 8)]
    async with running_riva(HostileRiva(script)) as riva, gateway(riva.address) as base:
        assert await numbers_of(base, 1, query) == everything(1)
        assert all(call.fired for call in riva.riva.calls[:4])


@pytest.mark.virtual_time
async def test_failures_leave_no_call_no_task_and_no_connection_behind() -> None:
    async with running_riva(HostileRiva(breaking_script(7, 500))) as riva:
        async with gateway(riva.address) as base:
            await numbers_of(base, 1)
            await asyncio.sleep(70)
            tasks = own_tasks()
            assert open_connections(riva.address) == 1
            for _ in range(tiered(1, 10)):
                assert await numbers_of(base, 4) == everything(4)
            assert broken_calls(riva.riva) >= 4
            # Connections that are given up are closed with the next look at the server, a minute later at most.
            await asyncio.sleep(70)
            assert riva.riva.open_calls == 0
            assert own_tasks() - tasks == Counter()
            assert open_connections(riva.address) == 1
        assert open_connections(riva.address) == 0


# --- over real lines, to real processes and engines ---

# A busy machine is patiently waited for: it is not what fails here.
PATIENT: dict[str, object] = {"port": 0, "stall_limit_seconds": STUCK_SECONDS, "final_limit_seconds": STUCK_SECONDS}
AT_ONCE = 0.0


@pytest.mark.fault(25)
@pytest.mark.parametrize("seed", range(1, tiered(2, 6)))
async def test_connections_that_break_lose_no_word_and_double_none(seed: int) -> None:
    async with running_riva(HostileRiva()) as riva:
        plan = breaking_plan(seed, 200, (100_000, 600_000), (1_000, 8_000))
        # Of a line that goes silent there is a test of its own: it takes the patience with it.
        breaks = [entry for entry in plan if not isinstance(entry, Stall)]
        async with FaultProxy(riva.port, breaks) as proxy:
            async with running(read_settings(PATIENT | {"riva_uri": proxy.address})) as server:
                assert await numbers_of(server.url, 4, pace_seconds=AT_ONCE) == everything(4)
                assert any(connection.has_fired for connection in proxy.connections)
            # A broken call lives in its traceback until the collector comes by, and its connection with it.
            await riva.riva.until(lambda: gc.collect() >= 0 and proxy.open_connections == 0)


@pytest.mark.fault(25)
async def test_a_connection_that_goes_silent_costs_no_word() -> None:
    async with running_riva(HostileRiva()) as riva, FaultProxy(riva.port, [Stall(60_000)]) as proxy:
        async with running(Settings(port=0, riva_uri=proxy.address)) as server:
            assert await numbers_of(server.url, 1, pace_seconds=AT_ONCE) == everything(1)
        assert proxy.connections[0].has_fired
        assert len(proxy.connections) > 1


async def test_a_server_that_dies_and_comes_back_costs_no_word() -> None:
    # Calls that are open when it dies, for certain.
    riva = HostileRiva([Freeze(At.DRAIN)] * 2)
    async with (
        running_riva(riva) as dying,
        running(read_settings(PATIENT | {"riva_uri": dying.address})) as server,
    ):
        speaking = asyncio.create_task(numbers_of(server.url, 2, pace_seconds=CHUNK_SECONDS / 4))
        await riva.until(lambda: sum(bool(call.fired) for call in riva.calls) == 2)
        await dying.restart()
        assert await speaking == everything(2)
    assert len(riva.calls) > 2 * len(GROUPS)


async def test_of_two_processes_one_may_be_killed_for_good() -> None:
    # The other one is in ours: it starts at once, where a process would take its time on a busy machine.
    stuck = dumps([Freeze(At.DRAIN)])
    async with running_process("--otherwise", stuck) as dying, running_riva(HostileRiva()) as living:
        uris = f"{dying.address},{living.address}"
        async with running(read_settings(PATIENT | {"riva_uri": uris})) as server:
            is_heard = asyncio.Event()
            speaking = asyncio.create_task(numbers_of(server.url, 2, pace_seconds=CHUNK_SECONDS / 4, told=is_heard.set))
            await is_heard.wait()
            await dying.kill()
            assert await speaking == everything(2)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[str]:
    server = EngineServer(EngineOptions(listen="127.0.0.1:0", workers=2))
    address = await server.start()
    yield address
    with suppress(asyncio.CancelledError):
        await server.stop(0)


SPOKEN = clip_pcm("quick.wav") + silence(800) + clip_pcm("weather.wav") + silence(300)


@pytest.mark.asyncio(loop_scope="module")
async def test_the_real_engine_says_the_same_words_however_its_calls_and_lines_break(engine: str) -> None:
    # Both utterances are recognized at once, and one of them may meet a whole script: given up is after six failures.
    scripts: list[list[Entry]] = [
        [
            Abort(code=grpc.StatusCode.UNAVAILABLE, at=At.MESSAGE, count=12),
            EndEarly(At.RESPONSE, 3),
            EndEarly(At.DRAIN),
        ],
        [Abort(code=grpc.StatusCode.INTERNAL, at=At.DRAIN), None, Abort(code=grpc.StatusCode.ABORTED, at=At.DONE)],
    ]
    plan: list[NetworkEntry] = [Reset(60_000), Close(70_000)]
    async with running(read_settings(PATIENT | {"riva_uri": engine})) as server:
        undisturbed, _ = await converse(server.url, SPOKEN, pace_seconds=AT_ONCE)
    for script in scripts:
        async with relaying(engine, script) as (uri, relay):
            async with running(read_settings(PATIENT | {"riva_uri": uri})) as server:
                text, gaps = await converse(server.url, SPOKEN, pace_seconds=AT_ONCE)
            assert (words_of(text), gaps) == (words_of(undisturbed), 0)
            # How many depends on how the sound is cut into messages, which follows the machine.
            assert relay.fired
    async with FaultProxy(int(engine.rpartition(":")[2]), plan) as proxy:
        async with running(read_settings(PATIENT | {"riva_uri": proxy.address})) as server:
            text, gaps = await converse(server.url, SPOKEN, pace_seconds=AT_ONCE)
        assert (words_of(text), gaps) == (words_of(undisturbed), 0)
        assert len(proxy.connections) > 2
