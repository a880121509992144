"""The engine's calls over a real channel: what gRPC itself does with them. Their contents: test_servicer.py."""

import asyncio
from typing import Any

import grpc.aio
import pytest
from riva.client.proto import riva_asr_pb2 as asr
from riva.client.proto import riva_asr_pb2_grpc as asr_grpc
from riva.client.proto import riva_common_pb2 as common

from stream.engine.server.admission import Admission, Place
from tests.stream.engine.conftest import Serving
from tests.stream.engine.support.calls import SECOND_BYTES, Call, silence, words_of
from tests.support.processes import STUCK_SECONDS
from tests.support.sounds import clip_pcm

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_stream_of_several_utterances_has_its_finals(stub: Any) -> None:
    call = await Call(stub, stop_history=500, enable_word_time_offsets=True).open(id=common.RequestId(value="mine"))
    transcripts = await call.send_and_read(b"".join(clip_pcm("yes.wav") + silence(1) for _ in range(2)))
    assert [words_of(final.alternatives[0].transcript) for final in transcripts.finals] == [["yes"], ["yes"]]
    assert {response.id.value for response in transcripts.responses} == {"mine"}
    assert transcripts.partials


async def test_streams_side_by_side_hear_their_own_words(stub: Any) -> None:
    async def one(pcm: bytes) -> list[str]:
        return words_of((await (await Call(stub).open()).send_and_read(pcm)).text)

    transcripts = await asyncio.gather(*(one(pcm) for pcm in (clip_pcm("yes.wav"), silence(2), clip_pcm("yes.wav"))))
    assert transcripts == [["yes"], [], ["yes"]]


async def test_a_stream_without_any_message_ends_well(stub: Any) -> None:
    rpc = stub.StreamingRecognize()
    await rpc.done_writing()
    assert [response async for response in rpc] == []
    assert await rpc.code() == grpc.StatusCode.OK


async def test_what_is_wrong_is_refused_in_the_engines_words(stub: Any) -> None:
    call = Call(stub, language_code="ru-RU")
    await call.rpc.write(asr.StreamingRecognizeRequest(streaming_config=call.config))
    assert await call.rpc.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert await call.rpc.details() == "Error: Unavailable model requested. Lang: ru-RU, Type: online"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Recognize(asr.RecognizeRequest(config=call.config.config))
    assert caught.value.details() == "Error: Unavailable model requested. Lang: ru-RU, Type: offline"


async def test_a_whole_file_is_recognized(stub: Any) -> None:
    response = await stub.Recognize(asr.RecognizeRequest(audio=clip_pcm("yes.wav")))
    assert words_of(response.results[0].alternatives[0].transcript) == ["yes"]


async def test_a_refusal_reaches_the_caller_with_its_hint(serving: Serving) -> None:
    async with serving(sessions=1) as address, grpc.aio.insecure_channel(address) as channel:
        stub = asr_grpc.RivaSpeechRecognitionStub(channel)
        talking = await Call(stub, session="first").open()
        other = stub.StreamingRecognize(metadata=(("session-id", "second"),))
        assert await other.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await other.details() == "1 sessions are talking, which is as many as this engine has room for"
        assert (await other.trailing_metadata()).get("grpc-retry-pushback-ms") == "5000"
        await talking.end()


async def test_a_cancelled_call_gives_its_place_back(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    left = asyncio.Event()
    leave = Admission.leave

    def note(admission: Admission, place: Place, now: float) -> None:
        leave(admission, place, now)
        left.set()

    monkeypatch.setattr(Admission, "leave", note)
    async with serving(sessions=1) as address, grpc.aio.insecure_channel(address) as channel:
        stub = asr_grpc.RivaSpeechRecognitionStub(channel)
        call = await Call(stub).open()
        await call.send(clip_pcm("library.wav")[: 2 * SECOND_BYTES])
        await call.result()
        call.rpc.cancel()
        async with asyncio.timeout(STUCK_SECONDS):
            await left.wait()
        assert words_of((await (await Call(stub).open()).send_and_read(clip_pcm("yes.wav"))).text) == ["yes"]
