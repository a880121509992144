import asyncio
import os
import signal

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.hostile.audio import numbered_speech
from tests.hostile.client import recognize
from tests.hostile.faults import Abort, At, Freeze, dumps
from tests.hostile.process import running_process
from tests.hostile.record import CallEnd
from tests.hostile.riva import HostileRiva
from tests.hostile.server import RunningRiva, running

WORDS = numbered_speech([2])
GONE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN}


async def health_of(server: RunningRiva) -> list[int]:
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        services = ("", "nvidia.riva.asr.RivaSpeechRecognition")
        return [(await stub.Check(health_pb2.HealthCheckRequest(service=name))).status for name in services]


async def test_it_is_killed_and_comes_back_on_the_same_port() -> None:
    riva = HostileRiva([Freeze(At.DRAIN)])
    async with running(riva) as server:
        address = server.address
        cut = asyncio.create_task(recognize(address, WORDS))
        await riva.until(lambda: bool(riva.calls) and riva.calls[0].is_half_closed)
        await server.kill()
        assert (await cut).code in GONE
        assert (await recognize(address, WORDS)).code is grpc.StatusCode.UNAVAILABLE
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", server.port)
        await server.restart()
        assert server.address == address
        assert (await recognize(address, WORDS)).numbers == [0, 1]
    assert [record.end for record in riva.calls] == [CallEnd.CANCELLED, CallEnd.OK]


async def test_it_can_be_restarted_many_times_without_a_kill() -> None:
    async with running(HostileRiva()) as server:
        for _ in range(5):
            await server.restart()
            assert (await recognize(server.address, WORDS)).code is grpc.StatusCode.OK


async def test_a_kill_with_grace_lets_a_call_end() -> None:
    riva = HostileRiva([Freeze(At.DRAIN, seconds=0.2)])
    async with running(riva) as server:
        call = asyncio.create_task(recognize(server.address, WORDS))
        await riva.until(lambda: bool(riva.calls) and riva.calls[0].is_half_closed)
        await server.kill(5.0)
        assert (await call).numbers == [0, 1]


async def test_its_health_says_what_it_is_told() -> None:
    statuses = health_pb2.HealthCheckResponse
    async with running(HostileRiva()) as server:
        assert await health_of(server) == [statuses.SERVING] * 2
        await server.set_serving(False)
        assert await health_of(server) == [statuses.NOT_SERVING] * 2


async def test_calls_above_the_limit_of_a_connection_wait() -> None:
    riva = HostileRiva(otherwise=Freeze(At.DRAIN, seconds=0.3))
    async with running(riva, options=(("grpc.max_concurrent_streams", 1),)) as server:
        channel_of_each = [recognize(server.address, WORDS) for _ in range(2)]
        assert [answer.numbers for answer in await asyncio.gather(*channel_of_each)] == [[0, 1]] * 2
    assert riva.most_open_calls == 2  # a connection of its own for each channel


async def test_a_process_serves_follows_its_script_and_reports_its_calls() -> None:
    script = [Abort(grpc.StatusCode.ABORTED, At.DONE), None]
    async with running_process("--script", dumps(script), "--language", "fa-IR") as riva:
        answers = [await recognize(riva.address, WORDS, language="fa-IR") for _ in range(2)]
        assert (await recognize(riva.address, WORDS, language="en-US")).code is not grpc.StatusCode.OK
    assert [answer.code for answer in answers] == [grpc.StatusCode.ABORTED, grpc.StatusCode.OK]
    assert [report["end"] for report in riva.reports] == ["ABORTED", "OK", "REFUSED"]
    assert [report["settled"] for report in riva.reports] == [[0, 1], [0, 1], []]


async def test_a_process_is_killed_and_comes_back_on_the_same_port() -> None:
    async with running_process("--otherwise", dumps([Freeze(At.DRAIN)])) as riva:
        pid = riva.pid
        call = asyncio.create_task(recognize(riva.address, WORDS))
        await asyncio.sleep(0.3)
        await riva.kill()
        assert (await call).code in GONE
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", riva.port)
        await riva.restart()
        assert riva.pid != pid
        assert (await recognize(riva.address, WORDS, patience_seconds=0.2)).code is None


async def test_a_process_ends_with_its_stdin_though_calls_are_open() -> None:
    async with running_process("--otherwise", dumps([Freeze(At.DRAIN)])) as riva:
        pid = riva.pid
        call = asyncio.create_task(recognize(riva.address, WORDS))
        await asyncio.sleep(0.3)
        async with asyncio.timeout(4):
            await riva.stop()
        assert (await call).code in GONE
    assert [report["end"] for report in riva.reports] == ["CANCELLED"]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


async def test_a_process_that_does_not_start_is_said_so() -> None:
    with pytest.raises(AssertionError, match="did not start"):
        async with running_process("--nonsense"):
            pass
