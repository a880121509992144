"""Calls of the engine without a network: caller and servicer share the loop, and so its clock."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc.aio
from grpc.aio import EOF, AioRpcError, Metadata
from riva.client.proto import riva_asr_pb2 as asr

from stream.engine.model.models import Models
from stream.engine.model.whisper import Whisper
from stream.engine.scheduling.scheduler import Scheduler
from stream.engine.server.admission import Admission
from stream.engine.server.servicer import RecognitionServicer
from tests.stream.engine.support.pools import TimedPool

Pairs = Sequence[tuple[str, str]]
# How much later than the end of its messages a cancelled call learns of it, on a machine that is busy.
NEWS_SECONDS = 0.004


class LocalEngine:
    """What the stub of a channel offers; a decode takes `pool.seconds` of the loop's clock, by default none."""

    def __init__(self, *models: Whisper, sessions: int = 100, workers: int = 2) -> None:
        self.pool = TimedPool()
        self.scheduler = Scheduler(workers, self.pool)
        self.servicer = RecognitionServicer(Models(models), self.scheduler, Admission(sessions, sessions))

    def StreamingRecognize(self, metadata: Pairs = ()) -> "LocalStream":  # noqa: N802
        return LocalStream(self.servicer, metadata)

    async def Recognize(self, request: asr.RecognizeRequest, metadata: Pairs = ()) -> Any:  # noqa: N802
        context = _context(metadata)
        try:
            return await self.servicer.Recognize(request, context)
        except grpc.aio.AbortError:
            raise AioRpcError(context.code, Metadata(), context.trailing, context.details) from None

    async def GetRivaSpeechRecognitionConfig(self, request: Any) -> Any:  # noqa: N802
        return await self.servicer.GetRivaSpeechRecognitionConfig(request, None)


class LocalStream:
    """A StreamingRecognize as its caller sees it."""

    def __init__(self, servicer: RecognitionServicer, metadata: Pairs) -> None:
        self._context = _context(metadata)
        self._task = asyncio.create_task(servicer.StreamingRecognize(None, self._context))
        self._task.add_done_callback(self._ended)

    async def write(self, request: asr.StreamingRecognizeRequest) -> None:
        self._context.requests.put_nowait(request)
        await asyncio.sleep(0)

    async def done_writing(self) -> None:
        self._context.requests.put_nowait(EOF)

    async def read(self) -> Any:
        return await self._context.responses.get()

    async def __aiter__(self) -> AsyncIterator[Any]:
        while (response := await self.read()) is not EOF:
            yield response

    def cancel(self, news_seconds: float = NEWS_SECONDS) -> None:
        """End the messages, and tell of the cancellation so many seconds later."""
        self._context.requests.put_nowait(EOF)
        asyncio.get_running_loop().call_later(news_seconds, self._task.cancel)

    async def initial_metadata(self) -> None:
        accepted = asyncio.create_task(self._context.is_accepted.wait())
        await asyncio.wait((accepted, self._task), return_when=asyncio.FIRST_COMPLETED)
        accepted.cancel()

    async def code(self) -> grpc.StatusCode:
        await asyncio.wait((self._task,))
        code: grpc.StatusCode = grpc.StatusCode.CANCELLED if self._task.cancelled() else self._context.code
        return code

    async def details(self) -> str:
        await asyncio.wait((self._task,))
        return str(self._context.details)

    async def trailing_metadata(self) -> Metadata:
        await asyncio.wait((self._task,))
        trailing: Metadata = self._context.trailing
        return trailing

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._context.responses.put_nowait(EOF)
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, grpc.aio.AbortError):
            raise error


class _Context:
    """A call as the servicer sees it."""

    def __init__(self, metadata: Pairs) -> None:
        self.requests: asyncio.Queue[Any] = asyncio.Queue()
        self.responses: asyncio.Queue[Any] = asyncio.Queue()
        self.is_accepted = asyncio.Event()
        self.code = grpc.StatusCode.OK
        self.details = ""
        self.trailing = Metadata()
        self._metadata = metadata

    def invocation_metadata(self) -> Pairs:
        return self._metadata

    async def send_initial_metadata(self, _metadata: Pairs) -> None:
        self.is_accepted.set()

    async def read(self) -> Any:
        return await self.requests.get()

    async def write(self, response: asr.StreamingRecognizeResponse) -> None:
        self.responses.put_nowait(response)

    async def abort(self, code: grpc.StatusCode, details: str, trailing: Pairs = ()) -> None:
        self.code, self.details, self.trailing = code, details, Metadata(*trailing)
        raise grpc.aio.AbortError(details)


def _context(metadata: Pairs) -> Any:
    return _Context(metadata)
