import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import httpx
import pytest
import riva.client
from grpc_health.v1 import health_pb2, health_pb2_grpc
from riva.client.proto import riva_asr_pb2 as pb
from riva.client.proto import riva_asr_pb2_grpc as pb_grpc
from riva.client.proto.riva_audio_pb2 import AudioEncoding

from stream.recognition.recognizer import Recognizer
from tests.support.places import CLIPS
from tests.support.processes import STUCK_SECONDS
from tests.support.recognizers import MuteStream, ScriptedRecognizer
from tests.support.sounds import clip_pcm, cut
from tests.web.support.sockets import converse
from tests.web.support.tokens import SECRET, token
from web.grpc.calls import _address
from web.process.listening import StartError
from web.process.serve import RunningServer, running
from web.settings.settings import Settings

PAUSE = bytes(2 * 16_000)
SPEECH = clip_pcm("quick.wav") + PAUSE
CONFIG = pb.RecognitionConfig(
    encoding=AudioEncoding.LINEAR_PCM,
    sample_rate_hertz=16_000,
    language_code="en-US",
    enable_word_time_offsets=True,
    enable_automatic_punctuation=True,
)


@asynccontextmanager
async def served(
    recognizer: Recognizer | None = None, **settings: Any
) -> AsyncIterator[tuple[RunningServer, pb_grpc.RivaSpeechRecognitionStub, grpc.aio.Channel]]:
    async with (
        asyncio.timeout(STUCK_SECONDS),
        running(Settings(port=0, grpc_port=0, **settings), recognizer or ScriptedRecognizer()) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel,
    ):
        yield server, pb_grpc.RivaSpeechRecognitionStub(channel), channel


def requests(*pcm: bytes, interim: bool = True, config: pb.RecognitionConfig = CONFIG) -> list[Any]:
    streaming = pb.StreamingRecognitionConfig(config=config, interim_results=interim)
    first = pb.StreamingRecognizeRequest(streaming_config=streaming)
    return [first, *(pb.StreamingRecognizeRequest(audio_content=part) for part in pcm)]


async def finals(stub: Any, *pcm: bytes, **options: Any) -> list[str]:
    call = stub.StreamingRecognize(iter(requests(*pcm)), **options)
    results = [result async for response in call for result in response.results]
    return [result.alternatives[0].transcript for result in results if result.is_final]


async def transcriptions(server: RunningServer, **headers: str) -> list[Any]:
    async with httpx.AsyncClient(base_url=server.url, trust_env=False, headers=headers) as client:
        found: list[Any] = (await client.get("/v1/speech/transcriptions")).json()["transcriptions"]
        return found


async def refused(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return error.value.code(), error.value.details() or ""


async def test_a_stream_gets_each_utterance_once_and_is_stored() -> None:
    async with served() as (server, stub, _):
        first, second = await finals(stub, *cut(SPEECH + SPEECH, 3200))
        (stored,) = await transcriptions(server)
        async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
            metrics = (await client.get("/metrics")).text
    assert (stored["kind"], stored["status"]) == ("live", "done")
    assert (len(first.split()), len(second.split())) == (13, 14)
    assert 'niyosha_streams_closed_total{cause="close",protocol="riva"} 1.0' in metrics


async def test_a_recording_is_answered_at_once() -> None:
    async with served() as (_, stub, _channel):
        response = await stub.Recognize(pb.RecognizeRequest(config=CONFIG, audio=SPEECH + SPEECH))
    assert [len(result.alternatives[0].words) for result in response.results] == [13, 14]


async def test_the_languages_are_answered() -> None:
    async with served() as (_, stub, _channel):
        response = await stub.GetRivaSpeechRecognitionConfig(pb.RivaSpeechRecognitionConfigRequest())
    rows = [(row.parameters["language_code"], row.parameters["type"]) for row in response.model_config]
    assert rows == [("en-US", "online"), ("en-US", "offline")]


async def test_health_follows_the_recognizer() -> None:
    recognizer = ScriptedRecognizer()
    async with served(recognizer) as (_, _stub, channel):
        states = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await states.read()).status == health_pb2.HealthCheckResponse.SERVING
        recognizer.is_ready = False
        assert (await states.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        states.cancel()


async def test_a_call_needs_a_token_where_there_is_a_key() -> None:
    async with served(token_secret=SECRET) as (server, stub, _):
        assert (await refused(finals(stub, SPEECH)))[0] is grpc.StatusCode.UNAUTHENTICATED
        call = stub.Recognize(pb.RecognizeRequest(config=CONFIG, audio=SPEECH))
        assert (await refused(call))[0] is grpc.StatusCode.UNAUTHENTICATED
        bearer = f"Bearer {token(sub='ann')}"
        assert await finals(stub, SPEECH, metadata=[("authorization", bearer)])
        assert len(await transcriptions(server, Authorization=bearer)) == 1
        other = (("authorization", f"Bearer {token(sub='ann', scope='metrics')}"),)
        assert (await refused(finals(stub, SPEECH, metadata=other)))[0] is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize(
    ("first", "detail"),
    [
        (pb.StreamingRecognizeRequest(audio_content=b"ab"), "the first message of a stream must be streaming_config"),
        (
            requests(config=pb.RecognitionConfig(language_code="fa"))[0],
            "languageCode is fa, which no model of this server recognizes; served: en-US; `niyosha models get fa` ",
        ),
        (requests(config=pb.RecognitionConfig(sample_rate_hertz=100))[0], "sampleRateHertz is 100"),
    ],
)
async def test_what_is_wrong_is_answered_as_an_invalid_argument(first: Any, detail: str) -> None:
    async with served() as (_, stub, _channel):
        code, details = await refused(stub.StreamingRecognize(iter([first])).read())
    assert (code, details.startswith(detail)) == (grpc.StatusCode.INVALID_ARGUMENT, True)


async def test_owners_have_as_many_streams_as_they_may() -> None:
    async with served(token_secret=SECRET, streams_per_owner=1) as (_, stub, _channel):
        metadata = (("authorization", f"Bearer {token(sub='ann')}"),)
        first = stub.StreamingRecognize(metadata=metadata)
        await first.write(requests()[0])
        await first.initial_metadata()
        code, details = await refused(finals(stub, SPEECH, metadata=metadata))
        assert (code, details[:9]) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "1 of your")
        await first.done_writing()
        assert [response async for response in first] == []
        assert await finals(stub, SPEECH, metadata=metadata)


async def test_what_a_cancelled_call_said_is_stored() -> None:
    async with served() as (server, stub, _):
        call = stub.StreamingRecognize()
        for one in requests(SPEECH, SPEECH[:32_000]):
            await call.write(one)
        await call.read()
        call.cancel()
        while not any(one["status"] == "done" for one in await transcriptions(server)):
            await asyncio.sleep(0.02)


async def test_a_recording_that_is_cancelled_frees_its_place() -> None:
    recognizer = ScriptedRecognizer(script=[MuteStream])
    async with served(recognizer, final_limit_seconds=0.2) as (_, stub, _channel):
        call = stub.Recognize(pb.RecognizeRequest(config=CONFIG, audio=SPEECH))
        while not recognizer.admitted_owners:
            await asyncio.sleep(0.01)
        call.cancel()
        while recognizer.admitted_owners:
            await asyncio.sleep(0.01)


async def test_a_server_that_stops_delivers_what_was_said() -> None:
    async with served() as (server, stub, _):
        call = stub.StreamingRecognize()
        for one in requests(*cut(SPEECH[: len(SPEECH) - len(PAUSE)], 3200)):
            await call.write(one)
        await call.read()  # some text is there
        server.drain()
        results: list[Any] = []

        async def rest() -> None:
            while (response := await call.read()) is not grpc.aio.EOF:
                results.extend(response.results)

        code, _ = await refused(rest())
    assert (code, results[-1].is_final) == (grpc.StatusCode.UNAVAILABLE, True)


async def test_a_call_that_begins_with_nothing_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.grpc.server.FIRST_MESSAGE_SECONDS", 0.05)
    async with served() as (_, stub, _channel):
        code, _ = await refused(stub.StreamingRecognize().read())
    assert code is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_port_that_is_taken_is_said() -> None:
    async with served() as (server, _stub, _channel):
        with pytest.raises(StartError, match="NIYOSHA_GRPC_PORT"):
            async with running(Settings(port=0, grpc_port=server.grpc_port), ScriptedRecognizer()):
                pass


@pytest.mark.parametrize(
    ("peer", "address"),
    [("ipv4:10.0.0.7:81", ("10.0.0.7", 81)), ("ipv6:%5B::1%5D:81", ("::1", 81)), ("unix:/tmp/a", None)],
)
def test_the_address_of_a_client_is_read(peer: str, address: tuple[str, int] | None) -> None:
    assert _address(peer) == address


async def test_nvidias_client_gets_the_words_and_times_of_the_live_protocol() -> None:
    async with asyncio.timeout(STUCK_SECONDS), running(Settings(port=0, grpc_port=0)) as server:
        streamed, whole = await asyncio.to_thread(_spoken, f"127.0.0.1:{server.grpc_port}")
        live = (await converse(server.url, *cut(clip_pcm("quick.wav"), 3200), "close")).messages[-1]["results"][0]
    assert " ".join(word.word for word in streamed) == whole == live["transcript"]
    for word, expected in zip(streamed, live["words"], strict=True):
        assert word.start_time == pytest.approx(1000 * expected["startTime"], abs=10)
        assert word.end_time == pytest.approx(1000 * expected["endTime"], abs=10)


def _spoken(uri: str) -> tuple[list[pb.WordInfo], str]:
    """Transcribe a clip with NVIDIA's client: the words of a stream, and the text of a recording."""
    service = riva.client.ASRService(riva.client.Auth(uri=uri, use_ssl=False))
    config = pb.StreamingRecognitionConfig(config=CONFIG, interim_results=True)
    responses = service.streaming_response_generator(cut(clip_pcm("quick.wav"), 3200), config)
    finals = [result for response in responses for result in response.results if result.is_final]
    whole = service.offline_recognize((CLIPS / "quick.wav").read_bytes(), CONFIG)
    words = [word for result in finals for word in result.alternatives[0].words]
    return words, " ".join(result.alternatives[0].transcript for result in whole.results)
