"""The model, once for all tests, and servers around it, one for each module.

Modules that use these servers run on one loop: `pytestmark = pytest.mark.asyncio(loop_scope="module")`.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import grpc.aio
import pytest
import pytest_asyncio
from riva.client.proto import riva_asr_pb2_grpc as asr_grpc

from stream.engine.model.models import Models
from stream.engine.model.whisper import Whisper
from stream.engine.scheduling.scheduler import Scheduler
from stream.engine.server.admission import Admission
from stream.engine.server.servicer import RecognitionServicer, add_places_to_server
from tests.stream.engine.support.caching import CachingWhisper
from tests.stream.engine.support.certificates import Certificates, issue

WORKERS = 2


class Serving(Protocol):
    """Serves while the context lasts; `host:port` comes back."""

    def __call__(
        self,
        credentials: grpc.ServerCredentials | None = None,
        interceptors: tuple[Any, ...] = (),
        sessions: int = 100,
    ) -> AbstractAsyncContextManager[str]: ...


@pytest.fixture(scope="session")
def whisper() -> Whisper:
    return CachingWhisper(WORKERS)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scheduler() -> AsyncIterator[Scheduler]:
    scheduler = Scheduler(WORKERS)
    yield scheduler
    await scheduler.close()


@pytest.fixture(scope="module")
def serving(whisper: Whisper, scheduler: Scheduler) -> Serving:
    @asynccontextmanager
    async def serve(
        credentials: grpc.ServerCredentials | None = None, interceptors: tuple[Any, ...] = (), sessions: int = 100
    ) -> AsyncIterator[str]:
        server = grpc.aio.server(interceptors=interceptors)
        servicer = RecognitionServicer(Models([whisper]), scheduler, Admission(sessions, sessions))
        asr_grpc.add_RivaSpeechRecognitionServicer_to_server(servicer, server)
        address = "127.0.0.1:0"
        port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
        add_places_to_server(servicer, server)
        await server.start()
        yield f"127.0.0.1:{port}"
        await server.stop(0)

    return serve


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def address(serving: Serving) -> AsyncIterator[str]:
    """Where a server listens that all tests of a module share."""
    async with serving() as address:
        yield address


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stub(address: str) -> AsyncIterator[asr_grpc.RivaSpeechRecognitionStub]:
    """The calls of the shared server."""
    async with grpc.aio.insecure_channel(address) as channel:
        yield asr_grpc.RivaSpeechRecognitionStub(channel)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return issue(tmp_path_factory.mktemp("certificates"))
