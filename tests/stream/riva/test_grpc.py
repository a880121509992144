"""What grpc.aio itself makes of answers, refusals and broken lines, with real servers; it waits for events only.

Whatever follows from that, by the clock, is tested on the virtual one: test_server, test_recognizer, test_discovery.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from stream.recognition.recognizer import RecognizerError
from stream.riva import RivaOptions
from stream.riva.errors import RivaError
from stream.riva.servers.channels import ChannelPool
from stream.riva.servers.discovery import discover
from stream.riva.servers.server import RivaServer
from tests.hostile.riva.call import NO_MESSAGE
from tests.hostile.riva.faults import Undecodable
from tests.hostile.riva.riva import HostileRiva
from tests.hostile.server import running
from tests.stream.riva.scripted_riva import (
    OPTIONS,
    SECOND,
    ScriptedRiva,
    bridge,
    converse,
    listening,
    recognizing,
    serving,
)
from tests.support.processes import STUCK_SECONDS

UNCLEAR = RivaError(grpc.StatusCode.INTERNAL, "Internal error from Core")


@pytest.fixture(autouse=True)
async def _not_stuck() -> AsyncIterator[None]:
    async with asyncio.timeout(STUCK_SECONDS):
        yield


@asynccontextmanager
async def speaking_to(address: str) -> AsyncIterator[RivaServer]:
    server = RivaServer(address, RivaOptions(uris=(address,)))
    try:
        yield server
    finally:
        await server.close()


async def test_an_utterance_is_heard_to_its_final() -> None:
    riva = ScriptedRiva()
    async with serving(riva) as server, recognizing(server.address, keepalive_seconds=20.0) as recognizer:
        await recognizer.refresh()
        hypotheses = await converse(recognizer, 3)
    assert [hypothesis.best.transcript for hypothesis in hypotheses] == ["s0", "s0 s1", "s0 s1 s2", "s0 s1 s2"]
    assert [hypothesis.is_final for hypothesis in hypotheses] == [False] * 3 + [True]
    assert riva.opened[0].config.language_code == "en-US"


@pytest.mark.parametrize(
    ("fault", "sentence", "retryable"),
    [
        (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE: as the script says", True),
        (grpc.StatusCode.INTERNAL, "INTERNAL: as the script says", True),
        (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT: as the script says", False),
        (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED: as the script says", False),
        (grpc.StatusCode.OK, "OK: the stream ended early", True),
    ],
)
async def test_how_a_stream_ended_is_told(fault: grpc.StatusCode, sentence: str, retryable: bool) -> None:
    async with serving(ScriptedRiva(fault)) as server, recognizing(server.address) as recognizer:
        await recognizer.refresh()
        stream = await recognizer.open(OPTIONS)
        for _ in range(2):
            await stream.send(SECOND)
        with pytest.raises(RecognizerError, match=sentence) as caught:
            _ = [hypothesis async for hypothesis in stream.hypotheses()]
    assert caught.value.retryable is retryable


async def test_a_response_that_cannot_be_decoded_is_a_failure_that_may_be_tried_again() -> None:
    async with running(HostileRiva([Undecodable(1), None])) as riva, recognizing(riva.address) as recognizer:
        await recognizer.refresh()
        stream = await recognizer.open(OPTIONS)
        await stream.send(SECOND)
        with pytest.raises(RecognizerError, match=r"^INTERNAL: .* cannot be decoded$") as caught:
            _ = [hypothesis async for hypothesis in stream.hypotheses()]
        await stream.abandon()
        assert caught.value.retryable
        assert await converse(recognizer)
        await riva.riva.until(lambda: riva.riva.open_calls == 0)


async def test_models_that_cannot_be_decoded_are_a_failure_of_the_server() -> None:
    async def garbled(_request: object, _context: object) -> bytes:
        return NO_MESSAGE

    riva = HostileRiva()
    riva.GetRivaSpeechRecognitionConfig = garbled  # type: ignore[assignment,method-assign]
    async with running(riva) as server:
        with pytest.raises(RivaError, match=r"^INTERNAL: .* cannot be decoded$"):
            await discovered(server.address)


async def test_sending_after_a_failure_raises_what_happened() -> None:
    async with serving(ScriptedRiva(grpc.StatusCode.ABORTED)) as server, recognizing(server.address) as recognizer:
        await recognizer.refresh()
        stream = await recognizer.open(OPTIONS)

        async def send_for_ever() -> None:
            while True:
                await stream.send(SECOND)

        # grpc itself may speak of an internal error when the server's status is still on its way.
        with pytest.raises(RecognizerError, match=r"ABORTED|INTERNAL"):
            await send_for_ever()


async def test_an_abandoned_stream_ends_at_the_server() -> None:
    riva = ScriptedRiva()
    async with serving(riva) as server, recognizing(server.address) as recognizer:
        await recognizer.refresh()
        stream = await recognizer.open(OPTIONS)
        await stream.send(SECOND)
        await anext(stream.hypotheses())
        await stream.abandon()
        await riva.ended.wait()


async def test_a_hint_when_to_come_back_is_heard() -> None:
    metadata = (("grpc-retry-pushback-ms", "9000"),)
    riva = ScriptedRiva(refusal=grpc.StatusCode.RESOURCE_EXHAUSTED, refusal_metadata=metadata)
    async with serving(riva) as server, recognizing(server.address) as recognizer:
        await recognizer.refresh()
        with pytest.raises(RecognizerError, match=r"^RESOURCE_EXHAUSTED: ") as caught:
            await anext((await recognizer.open(OPTIONS)).hypotheses())
    assert caught.value.retry_after_seconds == 9


async def test_a_server_whose_refusals_were_hidden_is_waited_for() -> None:
    riva = ScriptedRiva(is_quiet=True)
    async with serving(riva) as served, speaking_to(served.address) as server:
        await server.refresh()
        stream = await server.open(OPTIONS)
        await stream.abandon()
        # Not before: a refusal may be quicker than the first message of a stream.
        riva.refusal = grpc.StatusCode.INVALID_ARGUMENT
        server.failed(stream._lease, UNCLEAR)  # type: ignore[arg-type]
        with pytest.raises(RivaError, match="INVALID_ARGUMENT: as the script says"):
            await server.open(OPTIONS)
        assert server.streams == 0


async def test_a_stream_above_the_servers_limit_waits_and_can_be_cancelled() -> None:
    async with serving(ScriptedRiva(), most_streams=1) as served, speaking_to(served.address) as server:
        first = await server.open(OPTIONS)
        await anext(first.hypotheses())
        waiting = asyncio.create_task(server.open(OPTIONS))
        # Once its turn has passed, the second stream waits for the first one only.
        await asyncio.sleep(0)
        assert server.streams == 2
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert server.streams == 1
        further = asyncio.create_task(server.open(OPTIONS))
        await asyncio.sleep(0)
        await first.abandon()
        await anext((await further).hypotheses())


async def test_a_connection_that_leads_nowhere_is_given_up_for_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.riva.servers.discovery.DISCOVERY_SECONDS", 0.5)
    lost = 0
    number = itertools.count()

    async with serving(ScriptedRiva()) as served:

        async def line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            mine = next(number)
            await bridge(reader, writer, served.port, lambda: mine < lost)

        async with listening(line) as port, speaking_to(f"127.0.0.1:{port}") as server:
            await refreshed(server)
            lost = next(number)
            await refreshed(server)
            assert next(number) > lost + 1


async def refreshed(server: RivaServer) -> None:
    """Ask until it answers: a busy machine may need longer than it is given here."""
    while True:
        with contextlib.suppress(RecognizerError):
            await server.refresh()
            return


async def test_a_server_that_stops_takes_no_stream_with_it_that_begins_later() -> None:
    rivas = [ScriptedRiva(), ScriptedRiva()]
    async with (
        serving(rivas[0]) as dying,
        serving(rivas[1]) as living,
        recognizing(dying.address, living.address) as recognizer,
    ):
        await recognizer.refresh()
        await dying.stop()
        for _ in range(6):
            assert await converse(recognizer)
        assert recognizer.is_ready
    assert len(rivas[1].opened) == 6


async def test_many_streams_at_once_are_all_heard() -> None:
    riva = ScriptedRiva()
    # The usual limit. At the pool's own 90 the server counts health checks and calls that just ended, and refuses some.
    async with serving(riva, most_streams=100) as server, recognizing(server.address) as recognizer:
        await recognizer.refresh()
        heard = await asyncio.gather(*(converse(recognizer) for _ in range(100)))
    assert [hypotheses[-1].best.transcript for hypotheses in heard] == ["s0"] * 100
    assert len(set(riva.peers)) == 2


@pytest.mark.parametrize(
    ("riva", "sentence"),
    [
        (None, "^UNIMPLEMENTED: "),
        (ScriptedRiva(config_fault=grpc.StatusCode.PERMISSION_DENIED), "^PERMISSION_DENIED: as the script says$"),
    ],
    ids=["something else", "a fault"],
)
async def test_what_keeps_a_server_from_telling_its_models_is_told(riva: ScriptedRiva | None, sentence: str) -> None:
    async with serving(riva) as server:
        with pytest.raises(RivaError, match=sentence):
            await discovered(server.address)


async def test_nobody_there_is_told_without_waiting() -> None:
    with pytest.raises(RivaError, match=r"^UNAVAILABLE: "):
        await discovered("127.0.0.1:1")


async def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.riva.servers.discovery.DISCOVERY_SECONDS", 0.1)

    async def swallow(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    async with listening(swallow) as port:
        with pytest.raises(RivaError, match=r"^DEADLINE_EXCEEDED: "):
            await discovered(f"127.0.0.1:{port}")


async def discovered(address: str) -> None:
    pool = ChannelPool(address, RivaOptions(uris=(address,)))
    try:
        await discover(pool.first, ())
    finally:
        await pool.close()
