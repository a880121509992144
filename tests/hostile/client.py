"""A plain client of Riva's service, which sends audio and keeps all responses."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import grpc
from riva.client.proto import riva_asr_pb2 as pb
from riva.client.proto import riva_asr_pb2_grpc

from tests.hostile.riva.audio import spoken_numbers
from tests.support.memory_grpc import plain_channel
from tests.support.processes import STUCK_SECONDS

_MESSAGE_BYTES = 3_200
_NEVER_MS = 30_000


@dataclass(kw_only=True)
class Answer:
    """The responses and the status of one call; `code` is None if the client cancelled it after a timeout."""

    responses: list[pb.StreamingRecognizeResponse] = field(default_factory=list)
    code: grpc.StatusCode | None = None
    details: str = ""
    trailer: dict[str, str | bytes] = field(default_factory=dict)

    @property
    def results(self) -> list[Any]:
        return [result for response in self.responses for result in response.results]

    @property
    def finals(self) -> list[Any]:
        return [result for result in self.results if result.is_final]

    @property
    def interims(self) -> list[list[int]]:
        """The numbers in every interim that has words."""
        interims = [result for result in self.results if not result.is_final and result.alternatives]
        return [spoken_numbers(result.alternatives[0].transcript) for result in interims]

    @property
    def numbers(self) -> list[int]:
        """The numbers in the finals."""
        return [number for result in self.finals for number in spoken_numbers(result.alternatives[0].transcript)]


async def recognize(
    address: str,
    pcm: bytes,
    *,
    message_bytes: int = _MESSAGE_BYTES,
    pace_seconds: float = 0.0,
    patience_seconds: float = STUCK_SECONDS,
    **config: Any,
) -> Answer:
    """Make one call on a channel of its own; `patience_seconds` after the last audio it is cancelled."""
    async with plain_channel(address) as channel:
        stub = riva_asr_pb2_grpc.RivaSpeechRecognitionStub(channel)
        return await recognize_with(
            stub,
            pcm,
            message_bytes=message_bytes,
            pace_seconds=pace_seconds,
            patience_seconds=patience_seconds,
            **config,
        )


async def recognize_with(
    stub: Any, pcm: bytes, *, message_bytes: int, pace_seconds: float, patience_seconds: float, **config: Any
) -> Answer:
    call = stub.StreamingRecognize()
    answer = Answer()
    listening = asyncio.create_task(_listen(call, answer))
    try:
        await _speak(call, pcm, message_bytes, pace_seconds, config)
        async with asyncio.timeout(patience_seconds):
            await listening
    except TimeoutError:
        call.cancel()
        return answer
    finally:
        await asyncio.gather(listening, return_exceptions=True)
    answer.code, answer.details = await call.code(), await call.details()
    answer.trailer = dict(await call.trailing_metadata() or ())
    return answer


def opening(*, stop_ms: int = _NEVER_MS, interims: bool = True, language: str = "en-US") -> Any:
    """The first message of a call."""
    config = pb.RecognitionConfig(language_code=language, endpointing_config=pb.EndpointingConfig(stop_history=stop_ms))
    return pb.StreamingRecognizeRequest(
        streaming_config=pb.StreamingRecognitionConfig(config=config, interim_results=interims)
    )


async def _speak(call: Any, pcm: bytes, message_bytes: int, pace_seconds: float, config: dict[str, Any]) -> None:
    """Send everything; if the call ends before, its status says why."""
    try:
        await call.write(opening(**config))
        for start in range(0, len(pcm), message_bytes):
            await call.write(pb.StreamingRecognizeRequest(audio_content=pcm[start : start + message_bytes]))
            await asyncio.sleep(pace_seconds)
        await call.done_writing()
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        pass


async def _listen(call: Any, answer: Answer) -> None:
    try:
        while (response := await call.read()) is not grpc.aio.EOF:
            answer.responses.append(response)
    except grpc.aio.AioRpcError:
        pass
