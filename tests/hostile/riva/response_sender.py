"""Send the responses of one call: at once or delayed, and not while the call is frozen."""

import asyncio
import math
from typing import TYPE_CHECKING

from riva.client.proto import riva_asr_pb2 as pb

from tests.hostile.riva.recognition import Transcript
from tests.hostile.riva.record import CallRecord

if TYPE_CHECKING:
    import grpc

    StreamContext = grpc.aio.ServicerContext[pb.StreamingRecognizeRequest, pb.StreamingRecognizeResponse]

_MOST_WAITING = 1_000


class ResponseSender:
    """Sends each response after `late_seconds`, a final another `final_seconds` later.

    `sent` counts the calls of `send`, the record the responses that were written.
    """

    def __init__(
        self, context: "StreamContext", record: CallRecord, late_seconds: float, final_seconds: float = 0.0
    ) -> None:
        self.sent = 0
        self._context = context
        self._record = record
        self._late_seconds = late_seconds
        self._final_seconds = final_seconds
        self._thaw = asyncio.Lock()
        self._waiting: asyncio.Queue[tuple[float, pb.StreamingRecognizeResponse | bytes, Transcript] | None] = (
            asyncio.Queue(_MOST_WAITING)
        )
        self._sending: asyncio.Task[None] | None = None

    async def send(self, response: pb.StreamingRecognizeResponse | bytes, transcript: Transcript) -> None:
        self.sent += 1
        if not self._late_seconds and not self._final_seconds:
            await self._write(response, transcript)
            return
        if self._sending is None:
            self._sending = asyncio.create_task(self._write_waiting())
        due = asyncio.get_running_loop().time() + self._late_seconds + self._final_seconds * transcript.is_final
        await self._waiting.put((due, response, transcript))

    async def freeze(self, seconds: float) -> None:
        """Send nothing for so long."""
        async with self._thaw:
            await (asyncio.Event().wait() if math.isinf(seconds) else asyncio.sleep(seconds))

    async def flush(self) -> None:
        """Wait until everything is written."""
        if self._sending is not None:
            await self._waiting.put(None)
            await self._sending
            self._sending = None

    async def close(self) -> None:
        """Drop responses that still wait."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)

    async def _write_waiting(self) -> None:
        while (waiting := await self._waiting.get()) is not None:
            due, response, transcript = waiting
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            async with self._thaw:
                await self._write(response, transcript)

    async def _write(self, response: pb.StreamingRecognizeResponse | bytes, transcript: Transcript) -> None:
        await self._context.write(response)
        self._record.responses += 1
        if transcript.is_final and (not self._record.finals or self._record.finals[-1] is not transcript):
            self._record.finals.append(transcript)
