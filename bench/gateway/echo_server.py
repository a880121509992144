"""Owns a Riva server that answers each message of audio at once with how much it has heard.

    python -m bench.gateway.echo_server

It recognizes nothing, so what a bench measures with it is the way there and back.
"""

from collections.abc import AsyncIterator

import uvloop
from riva.client.proto import riva_asr_pb2 as pb
from riva.client.proto import riva_asr_pb2_grpc

from bench.common.serving import serve
from vad import SAMPLE_BYTES, SAMPLE_RATE


class AnsweringRiva(riva_asr_pb2_grpc.RivaSpeechRecognitionServicer):  # type: ignore[misc]
    """One interim for each message, one word that changes each time; one final at the end."""

    async def GetRivaSpeechRecognitionConfig(  # noqa: N802
        self, _request: pb.RivaSpeechRecognitionConfigRequest, _context: object
    ) -> pb.RivaSpeechRecognitionConfigResponse:
        row = pb.RivaSpeechRecognitionConfigResponse.Config(
            model_name="answering", parameters={"type": "online", "language_code": "en-US"}
        )
        return pb.RivaSpeechRecognitionConfigResponse(model_config=[row])

    async def StreamingRecognize(  # noqa: N802
        self, requests: AsyncIterator[pb.StreamingRecognizeRequest], _context: object
    ) -> AsyncIterator[pb.StreamingRecognizeResponse]:
        samples = 0
        async for request in requests:
            if request.audio_content:
                samples += len(request.audio_content) // SAMPLE_BYTES
                yield _response(samples, is_final=False)
        yield _response(samples, is_final=True)


def _response(samples: int, *, is_final: bool) -> pb.StreamingRecognizeResponse:
    alternative = pb.SpeechRecognitionAlternative(transcript=f"s{samples}")
    seconds = samples / SAMPLE_RATE
    result = pb.StreamingRecognitionResult(alternatives=[alternative], is_final=is_final, audio_processed=seconds)
    return pb.StreamingRecognizeResponse(results=[result])


if __name__ == "__main__":
    uvloop.run(serve(AnsweringRiva()))
