import asyncio
import os
import signal
import sys
from collections import Counter
from pathlib import Path

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from riva.client.proto import riva_asr_pb2_grpc as asr_grpc

from stream.engine.model.protocols import ModelError
from stream.engine.server.server import Beats, EngineOptions, EngineServer, run
from stream.engine.server.tls import TlsError, TlsOptions
from tests.stream.engine.support.calls import Call, words_of
from tests.stream.engine.support.certificates import Certificates
from tests.support.processes import STUCK_SECONDS
from tests.support.sounds import clip_pcm, clip_texts

PROGRAM = """
import asyncio
import os
from stream.engine.server.server import EngineOptions, run
asyncio.run(run(EngineOptions(workers=1), exit_with_stdin=True, ready=lambda address: print(address, flush=True)))
"""


async def test_it_serves_on_a_port_of_its_choosing_and_says_so_in_its_health() -> None:
    server = EngineServer(EngineOptions(listen="127.0.0.1:0", workers=1))
    address = await server.start()
    assert not address.endswith(":0")
    async with grpc.aio.insecure_channel(address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for service in ("", "nvidia.riva.asr.RivaSpeechRecognition"):
            response = await health.Check(health_pb2.HealthCheckRequest(service=service))
            assert response.status == health_pb2.HealthCheckResponse.SERVING
    await server.stop(0)


async def test_with_tls_it_serves_those_whose_certificate_it_knows(certificates: Certificates) -> None:
    tls = TlsOptions(certificates.certificate, certificates.key, certificates.client_ca)
    server = EngineServer(EngineOptions(listen="127.0.0.1:0", workers=1, tls=tls))
    address = await server.start()
    root, key, chain = (
        path.read_bytes() for path in (certificates.ca, certificates.client_key, certificates.client_certificate)
    )
    request = health_pb2.HealthCheckRequest()
    async with grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(root, key, chain)) as channel:
        response = await health_pb2_grpc.HealthStub(channel).Check(request)
        assert response.status == health_pb2.HealthCheckResponse.SERVING
    async with grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(root)) as channel:
        with pytest.raises(grpc.aio.AioRpcError):
            await health_pb2_grpc.HealthStub(channel).Check(request)
    await server.stop(0)


async def test_files_that_are_not_for_tls_are_refused(tmp_path: Path) -> None:
    server = EngineServer(EngineOptions(listen="127.0.0.1:0", tls=TlsOptions(tmp_path / "no", tmp_path / "no")))
    with pytest.raises(TlsError):
        await server.start()
    await server.stop(0)


async def test_it_listens_on_a_unix_socket_and_drains_open_calls(tmp_path: Path) -> None:
    address = f"unix:{tmp_path / 'engine'}"
    server = EngineServer(EngineOptions(listen=address, workers=1))
    assert await server.start() == address
    async with grpc.aio.insecure_channel(address) as channel:
        call = await Call(asr_grpc.RivaSpeechRecognitionStub(channel)).open()
        await call.send(clip_pcm("quick.wav"))
        stopping = asyncio.create_task(server.stop(10))
        await asyncio.sleep(0.05)
        assert words_of((await call.end()).text) == words_of(clip_texts()["quick.wav"])
        await stopping


async def test_an_address_in_use_is_refused() -> None:
    server = EngineServer(EngineOptions(listen="127.0.0.1:0", workers=1))
    address = await server.start()
    second = EngineServer(EngineOptions(listen=address, workers=1))
    with pytest.raises(RuntimeError, match="Failed to bind"):
        await second.start()
    await second.stop(0)
    await server.stop(0)


async def test_a_wrong_model_is_refused(tmp_path: Path) -> None:
    server = EngineServer(EngineOptions(listen="127.0.0.1:0", models=(str(tmp_path),)))
    with pytest.raises(ModelError):
        await server.start()
    await server.stop(0)


@pytest.mark.parametrize("end", ["stdin", "SIGTERM", "SIGINT"])
async def test_the_process_ends_with_its_stdin_or_a_signal(end: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin
    assert process.stdout
    assert (await process.stdout.readline()).startswith(b"127.0.0.1:")
    process.stdin.write(b"anything")
    await process.stdin.drain()
    if end == "stdin":
        process.stdin.close()
    else:
        process.send_signal(signal.Signals[end])
    async with asyncio.timeout(STUCK_SECONDS):
        assert await process.wait() == 0


async def test_it_beats_from_its_start_on_and_not_while_a_decode_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    beats: list[bool] = []
    is_ready, looks, is_looked_at = asyncio.Event(), Counter[bool](), asyncio.Event()
    is_stuck = False

    def look(_: EngineServer) -> bool:
        looks[is_stuck] += 1
        is_looked_at.set()
        return is_stuck

    async def looked(times: int) -> None:
        while looks[is_stuck] < times:
            is_looked_at.clear()
            await is_looked_at.wait()

    monkeypatch.setattr(EngineServer, "is_stuck", property(look))
    options, beating = EngineOptions(workers=1), Beats(0.001, lambda: beats.append(is_ready.is_set()))
    serving = asyncio.create_task(run(options, exit_with_stdin=False, ready=lambda _: is_ready.set(), beats=beating))
    async with asyncio.timeout(STUCK_SECONDS):
        await is_ready.wait()
        assert beats[0] is False
        await looked(looks[False] + 2)
        assert beats[-1]
        is_stuck, count = True, len(beats)
        await looked(10)
        assert len(beats) == count
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


async def test_threads_and_caches_are_limited_before_the_libraries_are_loaded() -> None:
    """With what the libraries choose themselves, a decode costs twice the CPU and memory grows without end."""
    program = (
        "import os, sys, stream.engine; "
        "print(os.environ['OMP_NUM_THREADS'], os.environ['ONEDNN_PRIMITIVE_CACHE_CAPACITY'], "
        "{'numpy', 'ctranslate2'} & set(sys.modules))"
    )
    limits = ("OMP_NUM_THREADS", "ONEDNN_PRIMITIVE_CACHE_CAPACITY")
    environment = {name: value for name, value in os.environ.items() if name not in limits}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE, env=environment
    )
    assert (await process.communicate())[0] == b"1 0 set()\n"
