"""Owns the sending of one call's responses: at once or late, and not while the call is frozen."""

import asyncio
import math
from typing import TYPE_CHECKING

from riva.client.proto import riva_asr_pb2 as pb

from tests.hostile.riva.recognition import Told
from tests.hostile.riva.record import CallRecord

if TYPE_CHECKING:
    import grpc

    StreamContext = grpc.aio.ServicerContext[pb.StreamingRecognizeRequest, pb.StreamingRecognizeResponse]

_MOST_WAITING = 1_000


class Mouth:
    """Sends each response `late_seconds` after it was said, a final `final_seconds` later still.

    `said` counts them, the record what was sent.
    """

    def __init__(
        self, context: "StreamContext", record: CallRecord, late_seconds: float, final_seconds: float = 0.0
    ) -> None:
        self.said = 0
        self._context = context
        self._record = record
        self._late_seconds = late_seconds
        self._final_seconds = final_seconds
        self._thaw = asyncio.Lock()
        self._waiting: asyncio.Queue[tuple[float, pb.StreamingRecognizeResponse | bytes, Told] | None] = asyncio.Queue(
            _MOST_WAITING
        )
        self._sending: asyncio.Task[None] | None = None

    async def say(self, response: pb.StreamingRecognizeResponse | bytes, told: Told) -> None:
        self.said += 1
        if not self._late_seconds and not self._final_seconds:
            await self._send(response, told)
            return
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_waiting())
        due = asyncio.get_running_loop().time() + self._late_seconds + self._final_seconds * told.is_final
        await self._waiting.put((due, response, told))

    async def freeze(self, seconds: float) -> None:
        """Send nothing for so long."""
        async with self._thaw:
            await (asyncio.Event().wait() if math.isinf(seconds) else asyncio.sleep(seconds))

    async def flush(self) -> None:
        """Wait until everything that was said is sent."""
        if self._sending is not None:
            await self._waiting.put(None)
            await self._sending
            self._sending = None

    async def close(self) -> None:
        """Drop what is still waiting."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)

    async def _send_waiting(self) -> None:
        while (waiting := await self._waiting.get()) is not None:
            due, response, told = waiting
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            async with self._thaw:
                await self._send(response, told)

    async def _send(self, response: pb.StreamingRecognizeResponse | bytes, told: Told) -> None:
        await self._context.write(response)
        self._record.responses += 1
        if told.is_final and (not self._record.finals or self._record.finals[-1] is not told):
            self._record.finals.append(told)
