import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from riva.client.proto import riva_asr_pb2 as pb
from riva.client.proto import riva_asr_pb2_grpc

from stream.events import Hypothesis, RecognitionOptions
from stream.recognizer import LanguageNotServedError, RecognizerError
from stream.riva import RivaOptions, RivaRecognizer

OPTIONS = RecognitionOptions("en-US")
SECOND = bytes(32000)


class ScriptedRiva(riva_asr_pb2_grpc.RivaSpeechRecognitionServicer):  # type: ignore[misc]
    """Says how many seconds it heard with each message; `fault` happens at the second message of audio."""

    def __init__(self, fault: grpc.StatusCode | None = None, languages: tuple[str, ...] = ("en-US",)) -> None:
        self.fault = fault
        self.languages = languages
        self.opened: list[pb.StreamingRecognitionConfig] = []
        self.ended = asyncio.Event()

    async def GetRivaSpeechRecognitionConfig(  # noqa: N802
        self, request: pb.RivaSpeechRecognitionConfigRequest, context: object
    ) -> pb.RivaSpeechRecognitionConfigResponse:
        rows = [
            pb.RivaSpeechRecognitionConfigResponse.Config(parameters={"type": "online", "language_code": language})
            for language in self.languages
        ]
        return pb.RivaSpeechRecognitionConfigResponse(model_config=rows)

    async def StreamingRecognize(  # noqa: N802
        self,
        requests: AsyncIterator[pb.StreamingRecognizeRequest],
        context: grpc.aio.ServicerContext[pb.StreamingRecognizeRequest, pb.StreamingRecognizeResponse],
    ) -> AsyncIterator[pb.StreamingRecognizeResponse]:
        asyncio.current_task().add_done_callback(lambda _: self.ended.set())  # type: ignore[union-attr]
        seconds = 0
        async for request in requests:
            if request.HasField("streaming_config"):
                self.opened.append(request.streaming_config)
                continue
            seconds += len(request.audio_content) // len(SECOND)
            if seconds == 2 and self.fault is grpc.StatusCode.OK:
                return
            if seconds == 2 and self.fault is not None:
                await context.abort(self.fault, "as the script says")
            yield _response(seconds, is_final=False)
        yield _response(seconds, is_final=True)


def _response(seconds: int, *, is_final: bool) -> pb.StreamingRecognizeResponse:
    alternative = pb.SpeechRecognitionAlternative(transcript=" ".join(f"s{n}" for n in range(seconds)))
    result = pb.StreamingRecognitionResult(alternatives=[alternative], is_final=is_final, audio_processed=seconds)
    return pb.StreamingRecognizeResponse(results=[result])


@asynccontextmanager
async def serving(riva: ScriptedRiva, address: str = "127.0.0.1:0") -> AsyncIterator[RivaRecognizer]:
    server = grpc.aio.server()
    riva_asr_pb2_grpc.add_RivaSpeechRecognitionServicer_to_server(riva, server)
    port = server.add_insecure_port(address)
    await server.start()
    recognizer = RivaRecognizer(RivaOptions(f"127.0.0.1:{port}", keepalive_seconds=20.0))
    try:
        yield recognizer
    finally:
        await recognizer.close()
        await server.stop(None)


async def converse(recognizer: RivaRecognizer, seconds: int) -> list[Hypothesis]:
    stream = await recognizer.open(OPTIONS)
    try:
        for _ in range(seconds):
            await stream.send(SECOND)
        await stream.finish()
        return [hypothesis async for hypothesis in stream.hypotheses()]
    finally:
        await stream.abandon()


async def test_an_utterance_is_heard_to_its_final() -> None:
    riva = ScriptedRiva()
    async with serving(riva) as recognizer:
        hypotheses = await converse(recognizer, 3)
    assert [hypothesis.best.transcript for hypothesis in hypotheses] == [
        "s0",
        "s0 s1",
        "s0 s1 s2",
        "s0 s1 s2",
        "s0 s1 s2",
    ]
    assert [hypothesis.is_final for hypothesis in hypotheses] == [False] * 4 + [True]
    assert riva.opened[0].config.language_code == "en-US"


@pytest.mark.parametrize(
    ("fault", "retryable"),
    [
        (grpc.StatusCode.UNAVAILABLE, True),
        (grpc.StatusCode.INTERNAL, True),
        (grpc.StatusCode.INVALID_ARGUMENT, False),
        (grpc.StatusCode.PERMISSION_DENIED, False),
    ],
)
async def test_a_fault_of_the_server_is_told_with_its_kind(fault: grpc.StatusCode, retryable: bool) -> None:
    async with serving(ScriptedRiva(fault)) as recognizer:
        with pytest.raises(RecognizerError, match=f"{fault.name}: as the script says") as caught:
            await converse(recognizer, 3)
    assert caught.value.retryable is retryable


async def test_a_stream_that_ends_before_its_audio_is_a_failure() -> None:
    async with serving(ScriptedRiva(grpc.StatusCode.OK)) as recognizer:
        stream = await recognizer.open(OPTIONS)
        await stream.send(SECOND)
        await stream.send(SECOND)
        with pytest.raises(RecognizerError, match="OK: the stream ended early") as caught:
            _ = [hypothesis async for hypothesis in stream.hypotheses()]
    assert caught.value.retryable


async def test_sending_after_a_failure_raises_what_happened() -> None:
    async with serving(ScriptedRiva(grpc.StatusCode.ABORTED)) as recognizer:
        stream = await recognizer.open(OPTIONS)

        async def send_for_ever() -> None:
            while True:
                await stream.send(SECOND)

        # grpc itself may speak of an internal error when the server's status is still on its way.
        with pytest.raises(RecognizerError, match=r"ABORTED|INTERNAL"):
            await send_for_ever()


async def test_an_abandoned_stream_ends_at_the_server() -> None:
    riva = ScriptedRiva()
    async with serving(riva) as recognizer, asyncio.timeout(10):
        stream = await recognizer.open(OPTIONS)
        await stream.send(SECOND)
        await anext(stream.hypotheses())
        await stream.abandon()
        await riva.ended.wait()


async def test_a_server_is_ready_once_it_lists_a_streaming_model() -> None:
    async with serving(ScriptedRiva()) as recognizer:
        assert not recognizer.is_ready
        await recognizer.refresh()
        assert recognizer.is_ready
        assert recognizer.match_language("en") == "en-US"
        with pytest.raises(LanguageNotServedError) as caught:
            recognizer.match_language("fa")
        assert caught.value.served == ("en-US",)


async def test_a_server_without_models_is_not_ready() -> None:
    async with serving(ScriptedRiva(languages=())) as recognizer:
        with pytest.raises(RecognizerError, match="serves no streaming model"):
            await recognizer.refresh()
        assert not recognizer.is_ready


async def test_a_server_that_is_not_there_is_not_ready_and_opens_nothing() -> None:
    recognizer = RivaRecognizer(RivaOptions("127.0.0.1:1"))
    try:
        with pytest.raises(RecognizerError, match=r"^UNAVAILABLE: ") as caught:
            await recognizer.refresh()
        assert caught.value.retryable
        assert not recognizer.is_ready
        with pytest.raises(RecognizerError):
            await recognizer.open(OPTIONS)
    finally:
        await recognizer.close()


async def test_watching_notices_a_server_that_comes_up_later() -> None:
    async with serving(ScriptedRiva()) as recognizer, asyncio.timeout(10):
        watching = asyncio.create_task(recognizer.watch())
        while not recognizer.is_ready:
            await asyncio.sleep(0.01)
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching
