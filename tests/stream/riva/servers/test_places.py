"""Places of live sessions at servers; on the virtual clock."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import grpc
import pytest
from riva.client.proto import riva_asr_pb2_grpc

from stream.engine.model.models import Models
from stream.engine.model.whisper import Whisper
from stream.engine.scheduling.scheduler import Scheduler
from stream.engine.server.admission import Admission
from stream.engine.server.servicer import RecognitionServicer, add_places_to_server
from stream.recognition.places import Refusal
from stream.recognition.recognizer import Capacity, RecognizerError, RecognizerFullError
from stream.riva import RivaRecognizer
from stream.riva.servers.places import CountedPlaces
from stream.session.events import RecognitionOptions
from tests.stream.engine.support.pools import TimedPool
from tests.stream.riva.scripted_riva import OPTIONS, ScriptedRiva, recognizing, row, serving
from tests.support.memory_grpc import MemoryServer

pytestmark = pytest.mark.virtual_time


class Engine:
    """An engine in memory, with so many places for each of its two workers."""

    def __init__(self, whisper: Whisper, places: int) -> None:
        self._whisper = whisper
        self._places = places
        self.server = MemoryServer()
        self.address = self.server.address

    async def start(self) -> None:
        self.server = MemoryServer(self.address)
        self.admission = Admission(self._places, workers=2)
        servicer = RecognitionServicer(Models([self._whisper]), Scheduler(2, TimedPool()), self.admission)
        riva_asr_pb2_grpc.add_RivaSpeechRecognitionServicer_to_server(servicer, self.server)
        add_places_to_server(servicer, self.server)  # type: ignore[arg-type]
        await self.server.start()

    @property
    def taken(self) -> int:
        return self.admission.capacity(asyncio.get_running_loop().time()).taken


@pytest.fixture(scope="module")
def whisper() -> Whisper:
    return Whisper(None, 1)


@asynccontextmanager
async def running(*engines: Engine) -> AsyncIterator[RivaRecognizer]:
    """Start engines and speak to them as a gateway does."""
    for engine in engines:
        await engine.start()
    async with recognizing(*(engine.address for engine in engines)) as recognizer:
        watching = asyncio.create_task(recognizer.watch())
        await asyncio.sleep(1)
        yield recognizer
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    for engine in engines:
        await engine.server.stop(None)


def session(name: str) -> RecognitionOptions:
    return replace(OPTIONS, session_id=name)


async def fill(stack: AsyncExitStack, recognizer: RivaRecognizer, name: str = "s", owner: str = "") -> int:
    """Let sessions in until one is refused; return how many got in."""
    for number in range(1000):
        try:
            await stack.enter_async_context(recognizer.admitted(session(f"{name}{number}"), owner))
        except RecognizerFullError:
            return number
    raise AssertionError("nobody was refused")


async def test_the_engine_says_how_many_are_let_in(whisper: Whisper) -> None:
    async with running(Engine(whisper, 3)) as recognizer, AsyncExitStack() as stack:
        assert await recognizer.capacity() == Capacity(3, 0, 3, 0)
        assert await fill(stack, recognizer) == 3
        assert await recognizer.capacity() == Capacity(3, 3, 0, 0)
        with pytest.raises(RecognizerFullError, match="RESOURCE_EXHAUSTED: 3 sessions are talking") as caught:
            await stack.enter_async_context(recognizer.admitted(session("more")))
        assert (caught.value.reason, caught.value.retry_after_seconds) == (Refusal.FULL, 5.0)
        assert all(server.is_usable and not server.is_suspect for server in recognizer._servers)


async def test_a_session_that_ends_frees_its_place_at_once(whisper: Whisper) -> None:
    engine = Engine(whisper, 1)
    async with running(engine) as recognizer:
        for _ in range(3):
            async with recognizer.admitted(session("a")):
                assert engine.taken == 1
            await asyncio.sleep(0.01)
            assert engine.taken == 0
        assert sum(server.streams for server in recognizer.servers) == 0


async def test_gateways_that_share_an_engine_share_its_places(whisper: Whisper) -> None:
    engine = Engine(whisper, 3)
    async with running(engine) as first, recognizing(engine.address) as second, AsyncExitStack() as stack:
        await second.refresh()
        await stack.enter_async_context(first.admitted(session("a")))
        assert await fill(stack, second, "b") == 2
        # One that dies leaves its places to the other.
        await second.close()
        await asyncio.sleep(0.1)
        assert await fill(stack, first, "c") == 2


async def test_owners_share_the_places(whisper: Whisper) -> None:
    async with running(Engine(whisper, 20)) as recognizer, AsyncExitStack() as stack:
        assert await fill(stack, recognizer, "a", owner="first") == 15
        assert await fill(stack, recognizer, "b", owner="second") == 5


async def test_several_engines_have_room_for_all_of_their_sessions(whisper: Whisper) -> None:
    engines = Engine(whisper, 2), Engine(whisper, 3)
    async with running(*engines) as recognizer, AsyncExitStack() as stack:
        assert await fill(stack, recognizer) == 5
        assert [engine.taken for engine in engines] == [2, 3]
        assert await recognizer.capacity() == Capacity(5, 5, 0, 0)


async def test_an_utterance_goes_to_the_engine_that_holds_its_place(whisper: Whisper) -> None:
    engines = Engine(whisper, 1), Engine(whisper, 1)
    async with running(*engines) as recognizer, AsyncExitStack() as stack:
        assert await fill(stack, recognizer) == 2
        for _ in range(3):
            for name in ("s0", "s1"):
                stream = await recognizer.open(session(name))
                await stream.accepted(5)
                await stream.abandon()
        assert [engine.taken for engine in engines] == [1, 1]


async def test_after_a_restart_those_who_were_in_are_in_again(whisper: Whisper) -> None:
    engine = Engine(whisper, 2)
    async with running(engine) as recognizer, AsyncExitStack() as stack:
        assert await fill(stack, recognizer) == 2
        await engine.server.stop(None)
        await asyncio.sleep(3)
        await engine.start()
        await asyncio.sleep(3)
        assert engine.taken == 2
        with pytest.raises(RecognizerFullError):
            await stack.enter_async_context(recognizer.admitted(session("more")))
        await stack.aclose()
        await asyncio.sleep(0.1)
        assert engine.taken == 0


async def test_one_that_lost_its_engine_gets_in_at_another_that_is_full(whisper: Whisper) -> None:
    engines = Engine(whisper, 2), Engine(whisper, 2)
    async with running(*engines) as recognizer, AsyncExitStack() as stack:
        assert await fill(stack, recognizer) == 4
        await engines[0].server.stop(None)
        await asyncio.sleep(3)
        assert engines[1].taken == 4


async def test_without_any_server_nobody_is_let_in() -> None:
    async with recognizing("127.0.0.1:1") as recognizer:
        with pytest.raises(RecognizerError, match="no server for en-US is available"):
            async with recognizer.admitted(session("a")):
                pass
        with pytest.raises(RecognizerError, match="no server for any language is available"):
            await recognizer.capacity()


async def test_behind_a_proxy_that_passes_on_no_other_service_sessions_are_counted_here() -> None:
    riva = ScriptedRiva(rows=[row(admits_sessions="true")])
    async with serving(riva) as server, recognizing(server.address, sessions=2) as recognizer:
        await recognizer.refresh()
        async with AsyncExitStack() as stack:
            assert await fill(stack, recognizer) == 2
            assert await recognizer.capacity() == Capacity(2, 2, 0)


# --- servers that know no sessions ---


async def test_a_plain_server_takes_as_many_as_the_settings_say() -> None:
    async with serving(ScriptedRiva()) as server, recognizing(server.address, sessions=2) as recognizer:
        await recognizer.refresh()
        async with AsyncExitStack() as stack:
            assert await fill(stack, recognizer) == 2
            assert await recognizer.capacity() == Capacity(2, 2, 0)
        assert await recognizer.capacity() == Capacity(2, 0, 2)


async def test_a_plain_server_without_a_setting_takes_everybody() -> None:
    async with serving(ScriptedRiva()) as server, recognizing(server.address) as recognizer:
        await recognizer.refresh()
        async with AsyncExitStack() as stack:
            for number in range(200):
                await stack.enter_async_context(recognizer.admitted(session(str(number))))
            assert await recognizer.capacity() == Capacity(None, 200, None)


async def test_a_plain_server_that_refuses_a_stream_is_given_no_new_session_for_a_while() -> None:
    riva = ScriptedRiva(
        refusal=grpc.StatusCode.RESOURCE_EXHAUSTED, refusal_metadata=(("grpc-retry-pushback-ms", "7000"),)
    )
    async with serving(riva) as server, recognizing(server.address) as recognizer, AsyncExitStack() as stack:
        await recognizer.refresh()
        for name in "abc":
            await stack.enter_async_context(recognizer.admitted(session(name)))
        with pytest.raises(RecognizerError) as caught:
            await recognizer.open(session("a"))
        assert caught.value.is_full
        with pytest.raises(RecognizerFullError) as full:
            await stack.enter_async_context(recognizer.admitted(session("d")))
        assert full.value.retry_after_seconds == pytest.approx(7, abs=0.1)
        assert (await recognizer.capacity()).free == 0


def test_what_a_refusal_taught_is_kept_for_a_minute() -> None:
    counted = CountedPlaces(None)
    for _ in range(5):
        counted.take(0.0)
    counted.refused(0.0, None)
    for now, free in ((0.0, 0), (2.0, 0), (59.9, 0), (60.0, None)):
        assert counted.capacity(now).free == free
    for _ in range(2):
        counted.release()
    assert counted.capacity(2.0) == Capacity(4, 3, 1)


def test_refusals_that_follow_each_other_teach_no_less_than_one() -> None:
    counted = CountedPlaces(None)
    for seconds in range(10):
        counted.refused(float(seconds), 1.0)
    assert counted.capacity(11.0) == Capacity(1, 0, 1)


def test_who_was_let_in_before_gets_in_where_no_place_is_free() -> None:
    counted = CountedPlaces(1)
    counted.take(0.0)
    with pytest.raises(RecognizerFullError):
        counted.take(0.0)
    counted.take(0.0, was_admitted=True)
    assert counted.capacity(0.0) == Capacity(1, 2, 0)
