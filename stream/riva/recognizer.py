"""Owns the recognizer behind Riva's protocol: what it serves, and one gRPC stream per utterance."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import grpc
from riva.client.proto import riva_asr_pb2 as pb
from riva.client.proto import riva_asr_pb2_grpc

from stream.events import Hypothesis, RecognitionOptions
from stream.languages import matching_language
from stream.recognizer import LanguageNotServedError, RecognizerError
from stream.riva.channels import RivaOptions, open_channel
from stream.riva.mapping import HypothesisAssembler, online_languages, opening_request, says

if TYPE_CHECKING:
    Call = grpc.aio.StreamStreamCall[pb.StreamingRecognizeRequest, pb.StreamingRecognizeResponse]

_RETRYABLE = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.OK,
    }
)
_DISCOVERY_SECONDS = 5.0
# How soon the server is asked again: while it serves, and while it does not.
_REFRESH_SECONDS = 60.0
_RETRY_SECONDS = 0.25


class RivaRecognizer:
    """Speaks to one Riva server; `refresh` finds out whether it is there and what it serves."""

    def __init__(self, options: RivaOptions) -> None:
        self._options = options
        self._channel = open_channel(options)
        self._stub = riva_asr_pb2_grpc.RivaSpeechRecognitionStub(self._channel)
        self._languages: tuple[str, ...] = ()
        self._knows_closed_vocabularies = False
        self._promises_stable_words = False
        self._in_doubt = asyncio.Event()
        self.is_ready = False
        self.most_phrases = options.most_phrases

    async def refresh(self) -> None:
        """Ask the server for its models; raises RecognizerError while it cannot serve."""
        try:
            response = await self._stub.GetRivaSpeechRecognitionConfig(
                pb.RivaSpeechRecognitionConfigRequest(), timeout=_DISCOVERY_SECONDS
            )
        except grpc.aio.AioRpcError as error:
            self.is_ready = False
            raise _recognizer_error(error.code(), error.details()) from None
        self._languages = online_languages(response)
        self._knows_closed_vocabularies = says(response, "closed_vocabulary")
        self._promises_stable_words = says(response, "stable_words")
        self.is_ready = bool(self._languages)
        if not self.is_ready:
            raise RecognizerError(f"{self._options.uri} serves no streaming model", retryable=True)

    async def watch(self) -> None:
        """Keep `is_ready` true to life until cancelled; a failed utterance makes it look at once."""
        while True:
            with contextlib.suppress(RecognizerError):
                await self.refresh()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_REFRESH_SECONDS if self.is_ready else _RETRY_SECONDS):
                    await self._in_doubt.wait()
            self._in_doubt.clear()

    def match_language(self, language_code: str) -> str:
        match = matching_language(language_code, self._languages)
        if match is None:
            raise LanguageNotServedError(language_code, self._languages)
        return match

    async def open(self, options: RecognitionOptions) -> "RivaStream":
        assembler = HypothesisAssembler(options, promises_stable_words=self._promises_stable_words)
        stream = RivaStream(self._stub.StreamingRecognize(), assembler)
        model = self._options.models.get(options.asr_model, "")
        request = opening_request(options, model=model, knows_closed_vocabularies=self._knows_closed_vocabularies)
        try:
            await stream.write(request)
        except RecognizerError:
            self._in_doubt.set()
            raise
        return stream

    async def close(self) -> None:
        """Close the channel and with it every stream."""
        await self._channel.close()


class RivaStream:
    """One StreamingRecognize call; after a failure the call's own status tells what happened."""

    def __init__(self, call: "Call", assembler: HypothesisAssembler) -> None:
        self._call = call
        self._assembler = assembler
        self._is_finished = False

    async def send(self, pcm: bytes) -> None:
        await self.write(pb.StreamingRecognizeRequest(audio_content=pcm))

    async def finish(self) -> None:
        self._is_finished = True
        try:
            await self._call.done_writing()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            raise await self._failure() from None

    async def hypotheses(self) -> AsyncIterator[Hypothesis]:
        try:
            while (response := await self._call.read()) is not grpc.aio.EOF:
                for hypothesis in self._assembler.take(response):
                    yield hypothesis
            code = await self._call.code()
        except grpc.aio.AioRpcError:
            raise await self._failure() from None
        if code is not grpc.StatusCode.OK or not self._is_finished:
            raise await self._failure()
        yield self._assembler.final()

    async def abandon(self) -> None:
        self._call.cancel()

    async def write(self, request: pb.StreamingRecognizeRequest) -> None:
        try:
            await self._call.write(request)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            raise await self._failure() from None

    async def _failure(self) -> RecognizerError:
        return _recognizer_error(await self._call.code(), await self._call.details())


def _recognizer_error(code: grpc.StatusCode, details: str | None) -> RecognizerError:
    return RecognizerError(f"{code.name}: {details or 'the stream ended early'}", retryable=code in _RETRYABLE)
