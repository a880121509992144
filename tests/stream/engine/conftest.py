"""The model, once for all tests, and a server around it for each."""

from collections.abc import AsyncIterator

import grpc.aio
import pytest
from riva.client.proto import riva_asr_pb2_grpc as asr_grpc

from stream.engine.scheduler import Scheduler
from stream.engine.servicer import RecognitionServicer
from stream.engine.whisper import Whisper

WORKERS = 2


@pytest.fixture(scope="session")
def whisper() -> Whisper:
    return Whisper(None, WORKERS)


@pytest.fixture
async def scheduler() -> AsyncIterator[Scheduler]:
    scheduler = Scheduler(WORKERS)
    yield scheduler
    await scheduler.close()


@pytest.fixture
async def stub(whisper: Whisper, scheduler: Scheduler) -> AsyncIterator[asr_grpc.RivaSpeechRecognitionStub]:
    server = grpc.aio.server()
    asr_grpc.add_RivaSpeechRecognitionServicer_to_server(RecognitionServicer(whisper, scheduler), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield asr_grpc.RivaSpeechRecognitionStub(channel)
    await server.stop(0)
