"""Write the responses of a streaming call: partials, finals, and one response for every message of audio."""

import asyncio

from grpc.aio import ServicerContext
from riva.client.proto import riva_asr_pb2 as asr
from riva.client.proto import riva_common_pb2 as common

from stream.engine.recognition import AnyUtterance, Final
from stream.engine.server.responses import ResponseBuilder
from stream.engine.utterance import Partial, UtteranceState

StreamContext = ServicerContext[asr.StreamingRecognizeRequest, asr.StreamingRecognizeResponse]


class ResponseWriter:
    """Writes one response at a time, each with the newest `request_id`.

    With `wants_partials` every utterance with text has at least one partial, however short it is.
    """

    def __init__(
        self,
        context: StreamContext,
        builder: ResponseBuilder,
        request_id: common.RequestId | None,
        *,
        wants_partials: bool,
    ) -> None:
        self.request_id = request_id
        self._context = context
        self._builder = builder
        self._wants_partials = wants_partials
        self._writing = asyncio.Lock()
        self._has_shown_text = False
        self._surplus = 0

    async def write_partial(self, partial: Partial, utterance: AnyUtterance) -> None:
        async with self._writing:
            if utterance.state is UtteranceState.GROWING:
                self._has_shown_text = self._has_shown_text or partial.has_text
                await self._write(self._builder.partial(partial, utterance.start_samples, self.request_id))

    async def write_delay(self) -> None:
        async with self._writing:
            await self._write(asr.StreamingRecognizeResponse(id=self.request_id))

    async def write_final(self, final: Final) -> None:
        async with self._writing:
            if self._wants_partials and final.hypotheses and not self._has_shown_text:
                await self._write(self._builder.whole(final, self.request_id))
            self._has_shown_text = False
            await self._write(self._builder.final(final, self.request_id))

    async def acknowledge(self) -> None:
        """Respond to a message of audio: with an empty response, unless a result has taken its place.

        NVIDIA's benchmark takes the nth response for the answer to the nth message, and reports no latencies
        unless there are as many responses as messages, or one more. So every result replaces one empty response;
        the results at the end of the call come on top.
        """
        async with self._writing:
            if self._surplus:
                self._surplus -= 1
            else:
                await self._context.write(asr.StreamingRecognizeResponse(id=self.request_id))

    async def _write(self, response: asr.StreamingRecognizeResponse) -> None:
        self._surplus += 1
        await self._context.write(response)
