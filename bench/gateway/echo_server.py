"""A Riva server that answers each message of audio at once with how much audio it was sent.

    python -m bench.gateway.echo_server [--words-per-second N]

It recognizes nothing, so a bench measures with it what the way there and back costs. Each answer is one word, or with
`--words-per-second` a text that grows as speech does. Answers are kept as bytes, so that the server needs little.
"""

import argparse
from collections.abc import AsyncIterator
from functools import cache

import uvloop
from riva.client.proto import riva_asr_pb2 as pb
from riva.client.proto import riva_asr_pb2_grpc

from bench.common.serving import serve
from vad import SAMPLE_BYTES, SAMPLE_RATE


class EchoRiva(riva_asr_pb2_grpc.RivaSpeechRecognitionServicer):  # type: ignore[misc]
    """One interim for each message, whose text changes each time; one final at the end."""

    def __init__(self, words_per_second: float) -> None:
        self._words_per_second = words_per_second
        self._response = cache(self._new_response)

    async def GetRivaSpeechRecognitionConfig(  # noqa: N802
        self, _request: pb.RivaSpeechRecognitionConfigRequest, _context: object
    ) -> pb.RivaSpeechRecognitionConfigResponse:
        row = pb.RivaSpeechRecognitionConfigResponse.Config(
            model_name="echo", parameters={"type": "online", "language_code": "en-US"}
        )
        return pb.RivaSpeechRecognitionConfigResponse(model_config=[row])

    async def StreamingRecognize(  # noqa: N802
        self, requests: AsyncIterator[pb.StreamingRecognizeRequest], _context: object
    ) -> AsyncIterator[pb.StreamingRecognizeResponse]:
        samples = 0
        async for request in requests:
            if request.audio_content:
                samples += len(request.audio_content) // SAMPLE_BYTES
                yield self._response(samples, is_final=False)
        yield self._response(samples, is_final=True)

    def _new_response(self, samples: int, *, is_final: bool) -> pb.StreamingRecognizeResponse:
        seconds = samples / SAMPLE_RATE
        words = [f"word{number}" for number in range(int(self._words_per_second * seconds))]
        alternative = pb.SpeechRecognitionAlternative(transcript=" ".join([*words, f"s{samples}"]))
        result = pb.StreamingRecognitionResult(alternatives=[alternative], is_final=is_final, audio_processed=seconds)
        return pb.StreamingRecognizeResponse(results=[result])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.gateway.echo_server", description=__doc__)
    parser.add_argument("--words-per-second", type=float, default=0.0, metavar="N")
    uvloop.run(serve(EchoRiva(parser.parse_args().words_per_second)))
