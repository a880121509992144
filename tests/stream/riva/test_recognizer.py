"""Several servers, and which of them gets a stream; on the virtual clock."""

import asyncio
import contextlib
from dataclasses import replace

import grpc
import pytest

from stream.recognition.recognizer import LanguageNotServedError, RecognizerError, ServerStatus
from stream.riva import RivaRecognizer
from stream.session.events import Hypothesis
from stream.waiting import Changes
from tests.stream.riva.scripted_riva import OPTIONS, ScriptedRiva, converse, recognizing, row, serving

pytestmark = pytest.mark.virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_server_is_ready_once_it_lists_a_streaming_model() -> None:
    async with serving(ScriptedRiva()) as server, recognizing(server.address) as recognizer:
        assert (recognizer.is_ready, recognizer.languages) == (False, ())
        await recognizer.refresh()
        assert (recognizer.is_ready, recognizer.languages) == (True, ("en-US",))
        assert recognizer.match_language("en") == "en-US"
        with pytest.raises(LanguageNotServedError) as caught:
            recognizer.match_language("fa")
        assert caught.value.served == ("en-US",)


async def test_persian_is_recognized_where_it_is_served() -> None:
    riva = ScriptedRiva(rows=[row("en-US"), row("fa-IR")])
    async with serving(riva) as server, recognizing(server.address) as recognizer:
        await recognizer.refresh()
        assert recognizer.match_language("fa") == "fa-IR"


async def test_a_server_without_models_is_not_ready() -> None:
    async with serving(ScriptedRiva(rows=[])) as server, recognizing(server.address) as recognizer:
        with pytest.raises(RecognizerError, match=r"serves no streaming model$"):
            await recognizer.refresh()
        assert not recognizer.is_ready


async def test_a_server_that_is_not_there_is_not_ready_and_is_waited_for_eight_seconds() -> None:
    async with recognizing("127.0.0.1:1") as recognizer:
        with pytest.raises(RecognizerError, match=r"^UNAVAILABLE: ") as caught:
            await recognizer.refresh()
        assert caught.value.retryable
        assert not recognizer.is_ready
        began = now()
        with pytest.raises(RecognizerError, match=r"^no server for en-US is available$") as unavailable:
            await recognizer.open(OPTIONS)
        assert now() - began == pytest.approx(8, abs=0.1)
        assert (unavailable.value.retryable, unavailable.value.retry_after_seconds) == (True, None)


async def test_watching_notices_a_server_that_comes_up_later() -> None:
    async with serving(ScriptedRiva()) as server, recognizing(server.address) as recognizer:
        await server.say(is_serving=False)
        watching = asyncio.create_task(recognizer.watch())
        await asyncio.sleep(10)
        assert not recognizer.is_ready
        await server.say(is_serving=True)
        await asyncio.sleep(0.25)
        assert recognizer.is_ready
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching


async def test_a_server_whose_supervisor_suspects_it_is_not_ready_and_gets_its_stream_afterwards() -> None:
    is_answering, riva, changes = [True], ScriptedRiva(), Changes()
    async with (
        serving(riva) as server,
        recognizing(server.address, is_answering=lambda: is_answering[0], changes=changes) as recognizer,
    ):
        await recognizer.refresh()
        assert recognizer.is_ready
        is_answering[0] = False
        assert not recognizer.is_ready
        opening = asyncio.create_task(recognizer.open(OPTIONS))
        await asyncio.sleep(5)
        assert riva.opened == []
        is_answering[0] = True
        began = now()
        changes.signal()
        await anext((await opening).hypotheses())
        assert now() - began < 0.1
        assert recognizer.is_ready


async def test_readiness_comes_with_the_first_server_that_is_found() -> None:
    async with serving(ScriptedRiva()) as server, recognizing("127.0.0.1:1", server.address) as recognizer:
        await server.say(is_serving=False)
        watching = asyncio.create_task(recognizer.watch())
        ready = asyncio.create_task(recognizer.ready())
        await asyncio.sleep(10)
        assert not ready.done()
        await server.say(is_serving=True)
        await ready
        assert recognizer.is_ready
        began = now()
        await recognizer.ready()
        assert now() == began
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def test_readiness_comes_back_when_the_pause_of_a_failing_server_is_over() -> None:
    async with (
        serving(ScriptedRiva(refusal=grpc.StatusCode.INTERNAL)) as server,
        recognizing(server.address) as recognizer,
    ):
        await recognizer.refresh()
        for _ in range(3):
            with pytest.raises(RecognizerError, match=r"INTERNAL"):
                await converse(recognizer)
        began = now()
        await recognizer.ready()
        assert now() - began == pytest.approx(1, abs=0.01)


async def test_the_state_of_each_server_is_shown() -> None:
    async with serving(ScriptedRiva()) as server, recognizing("127.0.0.1:1", server.address) as recognizer:
        await recognizer.refresh()
        assert recognizer.servers == (
            ServerStatus("127.0.0.1:1", is_up=False, is_usable=False, streams=0),
            ServerStatus(server.address, is_up=True, is_usable=True, streams=0),
        )
    async with serving(ScriptedRiva()) as server, recognizing(server.address, label="embedded") as recognizer:
        assert [status.name for status in recognizer.servers] == ["embedded"]


# --- several servers ---


async def test_equally_loaded_servers_take_turns() -> None:
    rivas = [ScriptedRiva() for _ in range(3)]
    async with (
        serving(rivas[0]) as a,
        serving(rivas[1]) as b,
        serving(rivas[2]) as c,
        recognizing(a.address, b.address, c.address) as recognizer,
    ):
        await recognizer.refresh()
        for _ in range(6):
            await converse(recognizer)
    assert [len(riva.opened) for riva in rivas] == [2, 2, 2]


async def test_a_stream_goes_to_the_server_with_the_fewest() -> None:
    rivas = [ScriptedRiva(), ScriptedRiva()]
    async with serving(rivas[0]) as a, serving(rivas[1]) as b, recognizing(a.address, b.address) as recognizer:
        await recognizer.refresh()
        at_first = []
        for _ in range(6):
            before = len(rivas[0].opened)
            stream = await recognizer.open(OPTIONS)
            await anext(stream.hypotheses())
            at_first += [stream] * (len(rivas[0].opened) - before)
        assert len(at_first) == 3
        for stream in at_first:
            await stream.abandon()
        for _ in range(3):
            await anext((await recognizer.open(OPTIONS)).hypotheses())
    assert [len(riva.opened) for riva in rivas] == [6, 3]


async def test_a_server_that_refuses_every_stream_is_avoided_while_another_one_works() -> None:
    refusing, working = ScriptedRiva(refusal=grpc.StatusCode.INTERNAL), ScriptedRiva()
    async with serving(refusing) as a, serving(working) as b, recognizing(a.address, b.address) as recognizer:
        await recognizer.refresh()
        heard = 0
        for _ in range(20):
            with contextlib.suppress(RecognizerError):
                heard += bool(await converse(recognizer))
    assert heard >= 19


async def test_a_server_that_is_not_serving_gets_no_stream() -> None:
    rivas = [ScriptedRiva(), ScriptedRiva()]
    async with serving(rivas[0]) as ill, serving(rivas[1]) as healthy:
        await ill.say(is_serving=False)
        async with recognizing(ill.address, healthy.address) as recognizer:
            await recognizer.refresh()
            for _ in range(4):
                await converse(recognizer)
    assert [len(riva.opened) for riva in rivas] == [0, 4]


async def test_a_stream_goes_to_a_server_of_its_language() -> None:
    rivas = [ScriptedRiva(rows=[row("de-DE")]), ScriptedRiva(rows=[row("en-US")])]
    async with (
        serving(rivas[0]) as german,
        serving(rivas[1]) as english,
        recognizing(german.address, english.address) as recognizer,
    ):
        await recognizer.refresh()
        assert [recognizer.match_language(tag) for tag in ("en", "de")] == ["en-US", "de-DE"]
        for _ in range(4):
            await converse(recognizer)
        await anext((await recognizer.open(replace(OPTIONS, language_code="de-DE"))).hypotheses())
        with pytest.raises(LanguageNotServedError) as caught:
            recognizer.match_language("fa")
    assert sorted(caught.value.served) == ["de-DE", "en-US"]
    assert [len(riva.opened) for riva in rivas] == [1, 4]


async def test_a_language_whose_server_is_down_may_succeed_later() -> None:
    rivas = [ScriptedRiva(rows=[row("en-GB"), row("de-DE")]), ScriptedRiva(rows=[row("en-US")])]
    async with (
        serving(rivas[0]) as dying,
        serving(rivas[1]) as living,
        recognizing(dying.address, living.address) as recognizer,
    ):
        await recognizer.refresh()
        await dying.stop()
        await recognizer.refresh()
        assert recognizer.is_ready
        assert recognizer.match_language("en") == "en-US"
        assert recognizer.match_language("de") == "de-DE"
        assert recognizer.languages == ("en-US", "en-GB", "de-DE")
        with pytest.raises(RecognizerError, match=r"^no server for de-DE is available$") as caught:
            await recognizer.open(replace(OPTIONS, language_code="de-DE"))
    assert caught.value.retryable


async def test_when_all_servers_are_left_alone_it_is_said_when_to_come_back() -> None:
    async with (
        serving(ScriptedRiva(refusal=grpc.StatusCode.INTERNAL)) as server,
        recognizing(server.address) as recognizer,
    ):
        await recognizer.refresh()
        pause = 0.0
        # So long that nobody waits for its end.
        while pause <= 8:
            with contextlib.suppress(RecognizerError):
                await converse(recognizer)
            pause = recognizer._servers[0].wait_seconds
        assert not recognizer.is_ready
        with pytest.raises(RecognizerError, match=r"^no server for en-US is available$") as caught:
            await recognizer.open(OPTIONS)
    assert caught.value.retry_after_seconds == pytest.approx(pause - 8, abs=0.1)


async def test_a_stream_waits_for_a_server_that_is_left_alone_for_a_second() -> None:
    riva = ScriptedRiva(refusal=grpc.StatusCode.INTERNAL)
    async with serving(riva) as server, recognizing(server.address) as recognizer:
        await recognizer.refresh()
        for _ in range(3):
            with pytest.raises(RecognizerError, match=r"INTERNAL"):
                await converse(recognizer)
        assert not recognizer.is_ready
        riva.refusal = None
        began = now()
        assert await converse(recognizer)
        assert now() - began == pytest.approx(1, abs=0.1)


async def test_one_slow_server_does_not_delay_what_is_known_of_the_others() -> None:
    slow = ScriptedRiva()
    slow.answers.clear()
    async with serving(slow) as a, serving(ScriptedRiva()) as b, recognizing(a.address, b.address) as recognizer:
        began = now()
        watching = asyncio.create_task(recognizer.watch())
        await asyncio.sleep(0.125)
        assert await converse(recognizer)
        assert now() - began == 0.125
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def test_refreshing_fails_only_when_nobody_can_be_used() -> None:
    async with serving(ScriptedRiva()) as server, recognizing("127.0.0.1:1", server.address) as recognizer:
        await recognizer.refresh()
        assert recognizer.is_ready
    async with recognizing("127.0.0.1:1", "127.0.0.1:2") as nobody:
        with pytest.raises(RecognizerError, match=r"^UNAVAILABLE: "):
            await nobody.refresh()


async def test_three_hundred_streams_at_once_are_shared_by_two_servers() -> None:
    rivas = [ScriptedRiva(), ScriptedRiva()]
    async with (
        serving(rivas[0], most_streams=90) as a,
        serving(rivas[1], most_streams=90) as b,
        recognizing(a.address, b.address) as recognizer,
    ):
        await recognizer.refresh()
        heard = await asyncio.gather(*(_heard(recognizer) for _ in range(300)))
    assert heard == ["s0"] * 300
    assert [len(riva.opened) for riva in rivas] == [150, 150]


async def _heard(recognizer: RivaRecognizer) -> str:
    hypotheses: list[Hypothesis] = await converse(recognizer)
    return hypotheses[-1].best.transcript
