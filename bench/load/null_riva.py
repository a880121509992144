"""A Riva server that recognizes nothing: an interim for each message of audio at once, a final at half-close.

python -m bench.load.null_riva [WORDS_PER_SECOND]

Its words are `word0`, `word1` and so on, so that lost and doubled ones are seen. Answers are kept: it needs little.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from functools import cache

import grpc
from riva.client.proto import riva_asr_pb2 as pb
from riva.client.proto import riva_asr_pb2_grpc

from vad import SAMPLE_BYTES, SAMPLE_RATE


class NullRiva(riva_asr_pb2_grpc.RivaSpeechRecognitionServicer):  # type: ignore[misc]
    """Answers with how much audio it was sent."""

    def __init__(self, words_per_second: float) -> None:
        self._words_per_second = words_per_second
        self._response = cache(self._new_response)

    async def GetRivaSpeechRecognitionConfig(  # noqa: N802 - the name of Riva's service
        self, _request: pb.RivaSpeechRecognitionConfigRequest, _context: object
    ) -> pb.RivaSpeechRecognitionConfigResponse:
        """Name a model for streams in English."""
        row = pb.RivaSpeechRecognitionConfigResponse.Config(
            model_name="null", parameters={"type": "online", "language_code": "en-US"}
        )
        return pb.RivaSpeechRecognitionConfigResponse(model_config=[row])

    async def StreamingRecognize(  # noqa: N802 - the name of Riva's service
        self, requests: AsyncIterator[pb.StreamingRecognizeRequest], _context: object
    ) -> AsyncIterator[pb.StreamingRecognizeResponse]:
        """Answer each message."""
        samples = 0
        async for request in requests:
            if request.audio_content:
                samples += len(request.audio_content) // SAMPLE_BYTES
                yield self._response(samples, is_final=False)
        yield self._response(samples, is_final=True)

    def _new_response(self, samples: int, *, is_final: bool) -> pb.StreamingRecognizeResponse:
        seconds = samples / SAMPLE_RATE
        words = [f"word{number}" for number in range(int(self._words_per_second * seconds))]
        # The last word changes each time, so that the gateway passes each answer on.
        alternative = pb.SpeechRecognitionAlternative(transcript=" ".join([*words, f"s{samples}"]))
        result = pb.StreamingRecognitionResult(alternatives=[alternative], is_final=is_final, audio_processed=seconds)
        return pb.StreamingRecognizeResponse(results=[result])


async def serve(words_per_second: float) -> None:
    """Serve until the process ends; print the address."""
    server = grpc.aio.server()
    riva_asr_pb2_grpc.add_RivaSpeechRecognitionServicer_to_server(NullRiva(words_per_second), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"127.0.0.1:{port}\n")
    sys.stdout.flush()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1]) if len(sys.argv) > 1 else 2.5))
