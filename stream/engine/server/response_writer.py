"""Owns what the caller of a stream is told: partials and finals, and a response to every message of sound."""

import asyncio

from grpc.aio import ServicerContext
from riva.client.proto import riva_asr_pb2 as asr
from riva.client.proto import riva_common_pb2 as common

from stream.engine.recognition import Final
from stream.engine.server.responses import Speaker
from stream.engine.utterance import Partial, Utterance, UtteranceState

StreamContext = ServicerContext[asr.StreamingRecognizeRequest, asr.StreamingRecognizeResponse]


class Caller:
    """Who made a streaming call: told one message at a time, each with the newest `request_id`.

    Who `wants_partials` gets at least one for an utterance with text, however short it was.
    """

    def __init__(
        self, context: StreamContext, speaker: Speaker, request_id: common.RequestId | None, *, wants_partials: bool
    ) -> None:
        self.request_id = request_id
        self._context = context
        self._speaker = speaker
        self._wants_partials = wants_partials
        self._writing = asyncio.Lock()
        self._has_shown_text = False
        self._surplus = 0

    async def tell_partial(self, partial: Partial, utterance: Utterance) -> None:
        async with self._writing:
            if utterance.state is UtteranceState.GROWING:
                self._has_shown_text = self._has_shown_text or bool(partial.stable or partial.tail)
                await self._tell(self._speaker.partial(partial, utterance.start, self.request_id))

    async def tell_delay(self) -> None:
        async with self._writing:
            await self._tell(asr.StreamingRecognizeResponse(id=self.request_id))

    async def tell_final(self, final: Final) -> None:
        async with self._writing:
            if self._wants_partials and final.readings and not self._has_shown_text:
                await self._tell(self._speaker.whole(final, self.request_id))
            self._has_shown_text = False
            await self._tell(self._speaker.final(final, self.request_id))

    async def answer(self) -> None:
        """Respond to a message of sound, with nothing in it unless a result has been told in its place.

        NVIDIA's benchmark takes the nth response for the answer to the nth message, and gives no latencies
        unless there are as many responses as messages, or one more. So every result that was told stands for
        one empty response, and a call gets those of its end on top.
        """
        async with self._writing:
            if self._surplus:
                self._surplus -= 1
            else:
                await self._context.write(asr.StreamingRecognizeResponse(id=self.request_id))

    async def _tell(self, response: asr.StreamingRecognizeResponse) -> None:
        self._surplus += 1
        await self._context.write(response)
