"""The fake does the same over gRPC and in memory: what is proved with the one counts for the other."""

import asyncio
from collections.abc import Iterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from riva.client.proto import riva_asr_pb2 as pb
from riva.client.proto import riva_asr_pb2_grpc

from tests.hostile.client import opening, recognize
from tests.hostile.process import running_process
from tests.hostile.riva.audio import numbered_speech
from tests.hostile.riva.faults import Abort, At, EndEarly, Entry, Freeze, dumps
from tests.hostile.riva.record import CallEnd
from tests.hostile.riva.riva import HostileRiva
from tests.hostile.server import running
from tests.support.memory_grpc import plain_channel

WORDS = numbered_speech([2])
GONE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN}


@pytest.fixture(params=["gRPC", pytest.param("memory", marks=pytest.mark.virtual_time)], autouse=True)
def _both() -> Iterator[None]:
    return iter([None])


async def test_calls_follow_their_script_to_the_status_and_its_hint() -> None:
    script: list[Entry] = [
        Abort(code=grpc.StatusCode.RESOURCE_EXHAUSTED, at=At.DRAIN, pushback_ms=250),
        EndEarly(At.DRAIN),
        None,
    ]
    riva = HostileRiva(script)
    async with running(riva) as server:
        answers = [await recognize(server.address, WORDS) for _ in range(3)]
        refused = await recognize(server.address, b"", language="ru-RU")
    assert [answer.code for answer in answers] == [
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.OK,
        grpc.StatusCode.OK,
    ]
    assert answers[0].trailer == {"grpc-retry-pushback-ms": "250"}
    assert [answer.numbers for answer in answers] == [[], [], [0, 1]]
    assert answers[2].interims == [[0], [0, 1]]
    assert (refused.code, refused.details) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "Error: Unavailable model requested. Lang: ru-RU, Type: online",
    )
    assert riva.calls[-1].end is CallEnd.REFUSED


async def test_it_is_killed_and_comes_back_on_the_same_port() -> None:
    riva = HostileRiva([Freeze(At.DRAIN)])
    async with running(riva) as server:
        address = server.address
        broken = asyncio.create_task(recognize(address, WORDS))
        await riva.until(lambda: bool(riva.calls) and riva.calls[0].is_half_closed)
        await server.kill()
        assert (await broken).code in GONE
        assert (await recognize(address, WORDS)).code is grpc.StatusCode.UNAVAILABLE
        await server.restart()
        assert (await recognize(address, WORDS)).numbers == [0, 1]
    assert [record.end for record in riva.calls] == [CallEnd.CANCELLED, CallEnd.OK]


async def test_a_client_that_cancels_ends_its_call() -> None:
    riva = HostileRiva()
    async with running(riva) as server, plain_channel(server.address) as channel:
        call = riva_asr_pb2_grpc.RivaSpeechRecognitionStub(channel).StreamingRecognize(metadata=(("who", "me"),))
        await call.write(opening())
        await call.write(pb.StreamingRecognizeRequest(audio_content=WORDS))
        await call.read()
        call.cancel()
        await riva.until(lambda: riva.open_calls == 0)
    assert riva.calls[0].end is CallEnd.CANCELLED
    assert riva.calls[0].metadata["who"] == "me"


async def test_what_it_says_of_its_health_is_what_it_was_told() -> None:
    statuses = health_pb2.HealthCheckResponse
    async with running(HostileRiva()) as server, plain_channel(server.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for is_serving in (True, False):
            await server.set_serving(is_serving)
            answer = await stub.Check(health_pb2.HealthCheckRequest())
            assert answer.status == (statuses.SERVING if is_serving else statuses.NOT_SERVING)


async def test_a_question_that_is_not_answered_in_time_is_given_up() -> None:
    class Silent(HostileRiva):
        async def GetRivaSpeechRecognitionConfig(self, _request: object, _context: object) -> None:  # noqa: N802
            await asyncio.Event().wait()

    async with running(Silent()) as server, plain_channel(server.address) as channel:
        stub = riva_asr_pb2_grpc.RivaSpeechRecognitionStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetRivaSpeechRecognitionConfig(pb.RivaSpeechRecognitionConfigRequest(), timeout=0.1)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Recognize(pb.RecognizeRequest())
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_server_that_does_not_read_lets_only_so_much_be_sent() -> None:
    riva = HostileRiva([Freeze(At.MESSAGE, 1)])
    async with running(riva) as server, plain_channel(server.address) as channel:
        call = riva_asr_pb2_grpc.RivaSpeechRecognitionStub(channel).StreamingRecognize()
        await call.write(opening())

        async def write_for_ever() -> None:
            while True:
                await call.write(pb.StreamingRecognizeRequest(audio_content=bytes(16_000)))

        writing = asyncio.create_task(write_for_ever())
        await riva.until(lambda: bool(riva.calls) and bool(riva.calls[0].fired))
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        await riva.until(lambda: riva.open_calls == 0)
    assert riva.calls[0].messages == 1


class TestProcess:
    """A process of its own, to be killed as only a process can be."""

    @pytest.fixture(autouse=True)
    def _both(self) -> None:
        """There is only the real one."""

    async def test_it_follows_its_script_and_ends_with_its_stdin(self) -> None:
        script = dumps([Abort(code=grpc.StatusCode.ABORTED, at=At.DONE), Freeze(At.DRAIN)])
        async with running_process("--script", script, "--language", "fa-IR") as riva:
            assert (await recognize(riva.address, WORDS, language="fa-IR")).code is grpc.StatusCode.ABORTED
            assert (await recognize(riva.address, WORDS, language="fa-IR", patience_seconds=0.05)).code is None
        assert [report["end"] for report in riva.reports] == ["ABORTED", "CANCELLED"]
        assert [report["settled"] for report in riva.reports] == [[0, 1], []]
