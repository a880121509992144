"""One StreamingRecognize call: writes, reads, and what its end means."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Protocol

import grpc
from riva.client.proto import riva_asr_pb2 as pb

from stream.recognition.recognizer import Acknowledged
from stream.riva.errors import UNDECODABLE, RivaError, riva_error
from stream.riva.responses.mapping import ResponseReader
from stream.session.events import Hypothesis

if TYPE_CHECKING:
    Call = grpc.aio.StreamStreamCall[pb.StreamingRecognizeRequest, pb.StreamingRecognizeResponse]


class Lease(Protocol):
    """The place that a stream takes at its server, and the server's interest in how it goes."""

    def heard(self) -> None:
        """The server answered."""
        ...

    def failed(self, error: RivaError) -> None:
        """The stream failed, at most once."""
        ...

    def stalled(self) -> None:
        """The stream was given up because the server did not answer, at most once."""
        ...

    def release(self) -> None:
        """The stream is over; called at least once, further calls change nothing."""
        ...


class RivaStream:
    """One call; after a failure the call's own status tells what happened.

    A server that `tells_delays` answers with nothing while it is at work, which others do for other reasons.
    """

    def __init__(self, call: "Call", reader: ResponseReader, lease: Lease, *, tells_delays: bool = False) -> None:
        self._acknowledged = Acknowledged(is_working=tells_delays)
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
        """Wait for the server to accept the call, but no longer than `seconds`; raises RivaError if it refuses.

        Only then does the true reason of a refusal survive; many servers say nothing before they hear something.
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
                if response is None:  # so grpc.aio hands over what is no message of this kind
                    raise self._failed(RivaError(grpc.StatusCode.INTERNAL, UNDECODABLE))
                self._lease.heard()
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
        """Remember the failure, and tell the server's lease of it once."""
        if self._error is None:
            self._error = error
            self._lease.failed(error)
        return self._error
