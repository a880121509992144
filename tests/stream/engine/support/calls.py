"""Streaming calls as tests make them, and what comes back as plain values."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
from grpc.aio import EOF
from riva.client.proto import riva_asr_pb2 as asr

OWN_ENDPOINTS_MS = 20_000
SECOND_BYTES = 32_000
_SPELLINGS = {"9": "nine", "4": "four", "harbor": "harbour"}


def words_of(text: str) -> list[str]:
    """Words without case and punctuation, in the spelling of the manifest."""
    return [_SPELLINGS.get(word, word) for word in re.findall(r"[\w']+", text.lower())]


def silence(seconds: float) -> bytes:
    return bytes(round(seconds * SECOND_BYTES / 2) * 2)


def noise(seconds: float, level: float = 0.05) -> bytes:
    samples = np.random.default_rng(7).standard_normal(round(seconds * 16_000)) * level
    return (np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes()


def tone(seconds: float, hertz: float = 440.0) -> bytes:
    phase = 2 * np.pi * hertz * np.arange(round(seconds * 16_000)) / 16_000
    return (np.sin(phase) * 10_000).astype("<i2").tobytes()


def texts_of(results: Iterable[asr.StreamingRecognitionResult]) -> list[tuple[str, float]]:
    """Return the text and the stability of each result."""
    return [(result.alternatives[0].transcript, round(result.stability, 1)) for result in results]


@dataclass(frozen=True)
class Responses:
    """All responses of one call."""

    responses: list[asr.StreamingRecognizeResponse]

    @property
    def with_results(self) -> list[asr.StreamingRecognizeResponse]:
        """The responses with results; the others only acknowledge a message of audio."""
        return [response for response in self.responses if response.results]

    @property
    def finals(self) -> list[asr.StreamingRecognitionResult]:
        return [result for response in self.responses for result in response.results if result.is_final]

    @property
    def partials(self) -> list[list[asr.StreamingRecognitionResult]]:
        return [list(response.results) for response in self.with_results if not response.results[0].is_final]

    @property
    def text(self) -> str:
        return "".join(final.alternatives[0].transcript for final in self.finals)


class Call:
    """One StreamingRecognize, of a `session` and a `kind` if it has them; keywords go into the RecognitionConfig."""

    def __init__(
        self,
        stub: Any,
        *,
        stop_history: int = OWN_ENDPOINTS_MS,
        interim: bool = True,
        session: str | None = None,
        kind: str | None = None,
        **config: Any,
    ) -> None:
        endpointing = asr.EndpointingConfig(stop_history=stop_history)
        self.config = asr.StreamingRecognitionConfig(
            interim_results=interim, config=asr.RecognitionConfig(endpointing_config=endpointing, **config)
        )
        metadata = {"session-id": session, "session-kind": kind}
        self.rpc = stub.StreamingRecognize(metadata=[(key, value) for key, value in metadata.items() if value])

    async def open(self, **request: Any) -> "Call":
        await self.rpc.write(asr.StreamingRecognizeRequest(streaming_config=self.config, **request))
        await self.rpc.initial_metadata()
        return self

    async def send(self, pcm: bytes, *, piece_bytes: int = 3200, **request: Any) -> None:
        """Send audio as fast as the engine takes it."""
        for start in range(0, len(pcm), piece_bytes):
            await self.rpc.write(
                asr.StreamingRecognizeRequest(audio_content=pcm[start : start + piece_bytes], **request)
            )

    async def send_and_read_partials(self, pcm: bytes, *, piece_bytes: int) -> Responses:
        """Send audio piece by piece, waiting for a partial after each that is due one."""
        responses = []
        for start in range(0, len(pcm), piece_bytes):
            piece = pcm[start : start + piece_bytes]
            await self.send(piece, piece_bytes=piece_bytes)
            if len(piece) == piece_bytes:
                responses.append(await self.result())
        return Responses(responses + (await self.end()).responses)

    async def result(self) -> asr.StreamingRecognizeResponse:
        """Return the next response with results."""
        while not (response := await self.rpc.read()).results:
            pass
        assert isinstance(response, asr.StreamingRecognizeResponse)
        return response

    async def force_end(self) -> asr.StreamingRecognizeResponse:
        """End the utterance and return its final."""
        await self.rpc.write(asr.StreamingRecognizeRequest(runtime_config={"force_eou": "true"}))
        while not (response := await self.result()).results[0].is_final:
            pass
        return response

    async def end(self) -> Responses:
        await self.rpc.done_writing()
        responses = []
        while (response := await self.rpc.read()) is not EOF:
            responses.append(response)
        assert await self.rpc.code() == grpc.StatusCode.OK
        return Responses(responses)

    async def send_and_read(self, pcm: bytes, *, piece_bytes: int = 3200) -> Responses:
        """Send all of it, then read the responses."""
        await self.send(pcm, piece_bytes=piece_bytes)
        return await self.end()
