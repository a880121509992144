"""One StreamingRecognize call: send audio, read hypotheses, classify its end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Protocol

import grpc
from riva.client.proto import riva_asr_pb2 as pb

from stream.recognition.recognizer import Acknowledged
from stream.riva.errors import UNDECODABLE, RivaError, riva_error
from stream.riva.responses.reader import ResponseReader
from stream.session.events import Hypothesis

if TYPE_CHECKING:
    Call = grpc.aio.StreamStreamCall[pb.StreamingRecognizeRequest, pb.StreamingRecognizeResponse]


class Lease(Protocol):
    """The place of a stream at its server, which is informed of the stream's progress."""

    def answered(self) -> None:
        """Report that the server answered."""
        ...

    def failed(self, error: RivaError) -> None:
        """Report that the stream failed, at most once."""
        ...

    def stalled(self) -> None:
        """Report that the stream was abandoned because the server did not answer, at most once."""
        ...

    def release(self) -> None:
        """Free the place; called at least once, further calls change nothing."""
        ...


class RivaStream:
    """One call; the status of the call is the cause of any failure.

    An empty response means that the recognizer is at work if the server `signals_progress` so.
    """

    def __init__(self, call: "Call", reader: ResponseReader, lease: Lease, *, signals_progress: bool = False) -> None:
        self._acknowledged = Acknowledged(is_working=signals_progress)
        self._call = call
        self._reader = reader
        self._lease = lease
        self._is_finished = False
        self._error: RivaError | None = None

    async def send(self, pcm: bytes) -> None:
        await self.write(pb.StreamingRecognizeRequest(audio_content=pcm))

    async def write(self, request: pb.StreamingRecognizeRequest) -> None:
        """Send any message; raises RivaError once the stream has failed."""
        try:
            await self._call.write(request)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            raise await self._failure() from None

    async def accepted(self, seconds: float) -> None:
        """Wait for the server to accept the call, at most `seconds`; raises RivaError if it refuses.

        The status of a refusal is lost if it arrives during a write. Many servers send nothing before they have audio.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                # The wait is shielded: a timeout must not cancel the call.
                await asyncio.shield(asyncio.ensure_future(self._call.initial_metadata()))
        if self._call.done():
            raise await self._failure()

    async def force_endpoint(self) -> None:
        await self.write(pb.StreamingRecognizeRequest(runtime_config={"force_eou": "true"}))

    async def finish(self) -> None:
        self._is_finished = True
        try:
            await self._call.done_writing()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            raise await self._failure() from None

    async def hypotheses(self) -> AsyncIterator[Hypothesis | Acknowledged]:
        try:
            while (response := await self._call.read()) is not grpc.aio.EOF:
                if response is None:  # grpc.aio returns None for an invalid message
                    raise self._failed(RivaError(grpc.StatusCode.INTERNAL, UNDECODABLE))
                self._lease.answered()
                hypotheses = self._reader.read(response)
                for hypothesis in hypotheses:
                    yield hypothesis
                if not hypotheses:
                    yield self._acknowledged
            code = await self._call.code()
        except grpc.aio.AioRpcError:
            raise await self._failure() from None
        if code is not grpc.StatusCode.OK or not self._is_finished:
            raise await self._failure()

    async def abandon(self, *, is_stalled: bool = False) -> None:
        self._call.cancel()
        if is_stalled:
            self._lease.stalled()
        self._lease.release()

    async def _failure(self) -> RivaError:
        if self._error is None:
            call = self._call
            return self._failed(riva_error(await call.code(), await call.details(), await call.trailing_metadata()))
        return self._error

    def _failed(self, error: RivaError) -> RivaError:
        """Keep the first failure, and report it to the lease once."""
        if self._error is None:
            self._error = error
            self._lease.failed(error)
        return self._error
