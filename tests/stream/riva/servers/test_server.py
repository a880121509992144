"""One server, supervised: when it is asked, left alone and tried again, told exactly on the virtual clock."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import grpc
import pytest
from structlog.testing import capture_logs

from stream.recognition.recognizer import RecognizerError
from stream.riva import RivaOptions
from stream.riva.errors import RivaError
from stream.riva.servers.server import RivaServer
from stream.riva.stream import RivaStream
from tests.stream.riva.scripted_riva import OPTIONS, SECOND, ScriptedRiva, row, serving
from tests.support.memory_grpc import open_here

pytestmark = pytest.mark.virtual_time

UNCLEAR = RivaError(grpc.StatusCode.INTERNAL, "Internal error from Core")


@asynccontextmanager
async def speaking_to(address: str, **options: Any) -> AsyncIterator[RivaServer]:
    server = RivaServer(address, RivaOptions(uris=(address,), **options), open_here)
    try:
        yield server
    finally:
        await server.close()


@asynccontextmanager
async def found(riva: ScriptedRiva, **options: Any) -> AsyncIterator[RivaServer]:
    async with serving(riva) as served, speaking_to(served.address, **options) as server:
        await server.refresh()
        yield server


async def hear(stream: RivaStream) -> None:
    """Wait for the stream's first answer."""
    await anext(stream.hypotheses())


def now() -> float:
    return asyncio.get_running_loop().time()


async def fail(server: RivaServer, times: int = 1) -> None:
    """Open streams and hear how each fails."""
    for _ in range(times):
        with contextlib.suppress(RecognizerError):
            stream = await server.open(OPTIONS)
            try:
                await hear(stream)
            finally:
                await stream.abandon()


async def test_a_stream_opens_with_what_the_options_say() -> None:
    metadata = (("function-id", "f-1"), ("authorization", "Bearer key"))
    riva = ScriptedRiva()
    async with found(
        riva, metadata=metadata, models={"video": "parakeet"}, custom_configuration={"run_vad": "false"}
    ) as server:
        for asr_model in ("default", "video"):
            stream = await server.open(replace(OPTIONS, asr_model=asr_model))
            await hear(stream)
            await stream.abandon()
    assert [opened.config.model for opened in riva.opened] == ["", "parakeet"]
    assert dict(riva.opened[0].config.custom_configuration) == {"run_vad": "false"}
    assert all(set(metadata) <= set(seen.items()) for seen in riva.metadata)


async def test_a_stream_tells_of_its_session_where_it_has_one() -> None:
    riva = ScriptedRiva()
    async with found(riva) as server:
        for session_id in ("", "s-1"):
            stream = await server.open(replace(OPTIONS, session_id=session_id))
            await hear(stream)
            await stream.abandon()
    assert [seen.get("session-id") for seen in riva.metadata if "session-id" in seen] == ["s-1"]


async def test_a_stream_of_a_file_says_so_and_a_live_one_says_nothing() -> None:
    riva = ScriptedRiva()
    async with found(riva) as server:
        for is_file in (True, False):
            stream = await server.open(replace(OPTIONS, session_id="s-1", is_file=is_file))
            await hear(stream)
            await stream.abandon()
    kinds = [seen.get("session-kind") for seen in riva.metadata if seen.get("session-id") == "s-1"]
    assert kinds == ["file", None]


@pytest.mark.parametrize("knows", ["true", "false"])
async def test_a_closed_vocabulary_is_asked_of_those_who_know_it(knows: str) -> None:
    riva = ScriptedRiva(rows=[row(closed_vocabulary=knows)])
    async with found(riva) as server:
        stream = await server.open(replace(OPTIONS, closed_vocabulary=True, phrases=("yes",)))
        await hear(stream)
        await stream.abandon()
    assert ("closed_vocabulary" in riva.opened[0].config.custom_configuration) is (knows == "true")


async def test_a_place_is_given_back_once() -> None:
    async with found(ScriptedRiva()) as server:
        streams = [await server.open(OPTIONS) for _ in range(2)]
        await streams[0].abandon()
        await streams[0].abandon(is_stalled=True)
        assert server.streams == 1


async def test_opening_that_fails_gives_the_place_back_and_counts() -> None:
    async with speaking_to("127.0.0.1:1") as server:
        server.is_up = True
        for _ in range(3):
            with pytest.raises(RivaError, match=r"^UNAVAILABLE: "):
                await server.open(OPTIONS)
        assert (server.streams, server.is_usable, server.wait_seconds) == (0, False, 1)


async def test_opening_that_is_cancelled_gives_the_place_back_and_blames_nobody() -> None:
    async with serving(ScriptedRiva(), most_streams=1) as served, speaking_to(served.address) as server:
        await hear(await server.open(OPTIONS))
        waiting = asyncio.create_task(server.open(OPTIONS))
        await asyncio.sleep(5)
        assert server.streams == 2
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert (server.streams, server.is_suspect) == (1, False)


async def test_a_server_that_takes_no_further_stream_is_waited_for_six_seconds() -> None:
    async with serving(ScriptedRiva(), most_streams=1) as served, speaking_to(served.address) as server:
        await hear(await server.open(OPTIONS))
        began = now()
        with pytest.raises(RecognizerError, match=r"took no stream within 6 s$") as caught:
            await server.open(OPTIONS)
        assert now() - began == 6
        assert caught.value.retryable
        assert (server.streams, server.is_suspect) == (1, True)


@pytest.mark.parametrize(
    "fault",
    [
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.PERMISSION_DENIED,
    ],
)
async def test_a_server_that_fails_three_times_is_left_alone_and_that_is_logged(fault: grpc.StatusCode) -> None:
    async with found(ScriptedRiva(refusal=fault)) as server:
        with capture_logs() as logs:
            await fail(server, 2)
            assert server.is_usable
            await fail(server)
        assert not server.is_usable
        assert [log["event"] for log in logs] == ["riva_paused"]
        assert logs[0]["uri"] == server.uri


async def test_what_the_caller_did_wrong_is_not_the_servers_fault() -> None:
    riva = ScriptedRiva(is_quiet=True)
    async with found(riva) as server:
        server.failed(await _lease_of(server), UNCLEAR)
        riva.refusal = grpc.StatusCode.INVALID_ARGUMENT
        await fail(server, 5)
        assert server.is_usable


async def _lease_of(server: RivaServer) -> Any:
    stream = await server.open(OPTIONS)
    await stream.abandon()
    return stream._lease


async def test_a_stream_that_was_given_up_counts_as_a_failure() -> None:
    async with found(ScriptedRiva(is_quiet=True)) as server:
        for _ in range(3):
            stream = await server.open(OPTIONS)
            await stream.abandon(is_stalled=True)
        assert not server.is_usable


async def test_after_a_stall_the_next_stream_has_a_connection_of_its_own() -> None:
    riva = ScriptedRiva()
    async with found(riva) as server:
        for is_stalled in (True, False, False):
            stream = await server.open(OPTIONS)
            await hear(stream)
            await stream.abandon(is_stalled=is_stalled)
    assert riva.peers[0] != riva.peers[1] == riva.peers[2]


async def test_a_server_out_of_resources_is_given_half_a_second() -> None:
    async with found(ScriptedRiva(refusal=grpc.StatusCode.RESOURCE_EXHAUSTED)) as server:
        await fail(server)
        assert server.wait_seconds == 0.5
        await asyncio.sleep(0.5)
        assert (server.wait_seconds, server.is_usable, server.is_suspect) == (0, True, False)


async def test_a_refusal_with_a_hint_keeps_nobody_else_waiting() -> None:
    metadata = (("grpc-retry-pushback-ms", "9000"),)
    riva = ScriptedRiva(refusal=grpc.StatusCode.RESOURCE_EXHAUSTED, refusal_metadata=metadata)
    async with found(riva) as server:
        await fail(server)
        assert server.wait_seconds == 0
        assert server.is_usable
        assert not server.is_suspect


async def test_a_server_whose_refusals_were_hidden_is_waited_for() -> None:
    riva = ScriptedRiva(is_quiet=True)
    async with found(riva) as server:
        server.failed(await _lease_of(server), UNCLEAR)
        riva.refusal = grpc.StatusCode.INVALID_ARGUMENT
        with pytest.raises(RivaError, match="INVALID_ARGUMENT: as the script says") as caught:
            await server.open(OPTIONS)
        assert not caught.value.retryable
        assert server.streams == 0


async def test_once_it_is_heard_it_is_not_waited_for_any_more() -> None:
    async with found(ScriptedRiva(is_quiet=True)) as server:
        server.failed(await _lease_of(server), UNCLEAR)
        began = now()
        stream = await server.open(OPTIONS)
        assert now() - began == 1
        await stream.send(SECOND)
        await hear(stream)
        await server.open(OPTIONS)
        assert now() - began == 1


async def test_a_failure_after_an_answer_hides_nothing() -> None:
    async with found(ScriptedRiva(is_quiet=True)) as server:
        stream = await server.open(OPTIONS)
        await stream.send(SECOND)
        await hear(stream)
        server.failed(stream._lease, UNCLEAR)  # type: ignore[arg-type]
        began = now()
        await server.open(OPTIONS)
        assert now() == began


async def test_pauses_double_until_the_first_answer_of_a_trial() -> None:
    riva = ScriptedRiva(refusal=grpc.StatusCode.INTERNAL)
    async with found(riva) as server:
        await fail(server, 3)
        pauses = []
        for _ in range(6):
            pauses.append(server.wait_seconds)
            await asyncio.sleep(server.wait_seconds)
            await fail(server)
        assert pauses == pytest.approx([1, 2, 4, 8, 16, 30])
        await asyncio.sleep(30)
        riva.refusal = None
        trial = await server.open(OPTIONS)
        assert server.wait_seconds == 0.5
        await hear(trial)
        assert (server.wait_seconds, server.is_suspect) == (0, False)


async def test_later_answers_of_an_old_stream_do_not_end_the_pause() -> None:
    riva = ScriptedRiva()
    async with found(riva) as server:
        old = await server.open(OPTIONS)
        answers = old.hypotheses()
        await anext(answers)
        riva.refusal = grpc.StatusCode.UNAVAILABLE
        await fail(server, 3)
        await old.send(SECOND)
        await anext(answers)
        assert not server.is_usable


async def test_a_server_that_was_down_and_is_found_again_gets_a_trial_at_once() -> None:
    riva = ScriptedRiva()
    async with serving(riva) as served, speaking_to(served.address) as server:
        await server.refresh()
        riva.refusal = grpc.StatusCode.UNAVAILABLE
        await fail(server, 3)
        await server.refresh()
        assert not server.is_usable  # it was never down, so this is no news
        await served.say(is_serving=False)
        with capture_logs() as logs:
            for _ in range(2):
                with pytest.raises(RecognizerError, match=r"^NOT_SERVING: "):
                    await server.refresh()
            await served.say(is_serving=True)
            for _ in range(2):
                await server.refresh()
        assert [log["event"] for log in logs] == ["riva_lost", "riva_found"]
        assert (server.is_usable, server.wait_seconds) == (True, 0.0)


async def test_a_server_with_nothing_but_offline_models_is_not_up_and_says_what_it_has() -> None:
    rows = [row("fa-IR", mode="offline"), row("de-DE", mode="offline")]
    async with serving(ScriptedRiva(rows=rows)) as served, speaking_to(served.address) as server:
        with pytest.raises(
            RecognizerError, match=r"serves no streaming model; its offline models know fa-IR, de-DE$"
        ) as caught:
            await server.refresh()
        assert caught.value.retryable
        assert (server.is_up, server.languages) == (False, ())


async def test_what_it_served_is_remembered_while_it_is_down() -> None:
    async with serving(ScriptedRiva()) as served, speaking_to(served.address) as server:
        await server.refresh()
        await served.stop()
        with pytest.raises(RecognizerError, match=r"^UNAVAILABLE: "):
            await server.refresh()
        assert (server.is_up, server.languages) == (False, ("en-US",))


async def test_a_connection_that_leads_nowhere_is_given_up_for_a_new_one() -> None:
    riva = ScriptedRiva()
    async with serving(riva) as served, speaking_to(served.address) as server:
        await server.refresh()
        served.lose_connections()
        began = now()
        await server.refresh()
        assert now() - began == 3
        assert (server.is_up, riva.discoveries) == (True, 2)


async def test_a_server_that_did_not_answer_is_asked_on_a_new_connection() -> None:
    riva = ScriptedRiva()
    riva.answers.clear()
    async with serving(riva) as served, speaking_to(served.address) as server:
        with pytest.raises(RecognizerError, match=r"^DEADLINE_EXCEEDED: "):
            await server.refresh()
        served.lose_connections()
        riva.answers.set()
        began = now()
        await server.refresh()
        assert (server.is_up, now() - began) == (True, 0)


@asynccontextmanager
async def watching(riva: ScriptedRiva, *, is_serving: bool = True) -> AsyncIterator[tuple[RivaServer, list[float]]]:
    """A server that is watched, and when it was asked for its models, in seconds from now."""
    began, asked = now(), []

    class Noting(ScriptedRiva):
        async def GetRivaSpeechRecognitionConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
            asked.append(now() - began)
            return await riva.GetRivaSpeechRecognitionConfig(request, context)

        def StreamingRecognize(self, requests: Any, context: Any) -> Any:  # noqa: N802
            return riva.StreamingRecognize(requests, context)

    async with serving(Noting()) as served, speaking_to(served.address) as server:
        await served.say(is_serving=is_serving)
        task = asyncio.create_task(server.watch())
        yield server, asked
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_server_that_is_up_is_asked_once_a_minute() -> None:
    async with watching(ScriptedRiva()) as (_, asked):
        await asyncio.sleep(200)
    assert asked == [0, 60.25, 120.5, 180.75]


async def test_after_a_failure_the_server_is_asked_at_once_but_not_all_the_time() -> None:
    riva = ScriptedRiva(refusal=grpc.StatusCode.INTERNAL)
    async with watching(riva) as (server, asked):
        await asyncio.sleep(10)
        await fail(server)
        await asyncio.sleep(0.125)
        await fail(server)
        await asyncio.sleep(10)
    assert asked == [0, 10, 10.25]


async def test_a_server_that_is_down_is_asked_four_times_a_second() -> None:
    riva = ScriptedRiva(config_fault=grpc.StatusCode.UNAVAILABLE)
    async with watching(riva) as (server, asked):
        await asyncio.sleep(1.125)
        assert not server.is_up
        riva.config_fault = None
        await asyncio.sleep(0.25)
        assert server.is_up
        await asyncio.sleep(30)
    assert asked == [0, 0.25, 0.5, 0.75, 1, 1.25]


async def test_a_server_that_does_not_answer_is_asked_every_three_seconds() -> None:
    riva = ScriptedRiva()
    riva.answers.clear()
    async with watching(riva) as (server, asked):
        await asyncio.sleep(12)
        assert not server.is_up
        riva.answers.set()
        await asyncio.sleep(3)
        assert server.is_up
    assert asked == [0, 3.25, 6.5, 9.75]
