"""The gateway before a recognizer whose places are all taken."""

import json
from dataclasses import dataclass

import grpc.aio
import pytest
from riva.client.proto import riva_asr_pb2_grpc as asr_grpc
from websockets.exceptions import InvalidStatus

from stream.engine.server.server import EngineOptions, EngineServer
from stream.recognition.places import Refusal
from stream.recognition.recognizer import RecognizerError, RecognizerFullError
from stream.session.events import RecognitionOptions
from tests.stream.engine.support.calls import Call, silence
from tests.support.recognizers import CountingStream, ScriptedRecognizer
from tests.support.sounds import clip_pcm, cut, words_of
from tests.web.support.gateway import running_gateway
from tests.web.support.sockets import Conversation, converse
from web.process.serve import running
from web.settings.settings import read_settings

QUICK = clip_pcm("quick.wav") + silence(1)


@dataclass
class FullRecognizer(ScriptedRecognizer):
    """Refuses as a full engine does, so many times."""

    refusals: int = 1_000_000

    async def open(self, options: RecognitionOptions) -> CountingStream:
        if self.refusals:
            self.refusals -= 1
            raise RecognizerError("RESOURCE_EXHAUSTED: full", retryable=True, retry_after_seconds=1.0, is_full=True)
        return await super().open(options)


def of(conversation: Conversation, kind: str) -> list[str]:
    return [str(message) for message in conversation.messages if message["type"] == kind]


async def spoken(base: str, sound: bytes) -> Conversation:
    """Send sound as fast as somebody speaks."""
    messages = [part for chunk in cut(sound, 3200) for part in (chunk, 0.1)]
    return await converse(base, *messages, "close", query="extended=true")


@pytest.mark.virtual_time
async def test_a_refused_utterance_gets_its_words_when_a_place_is_free() -> None:
    recognizer = FullRecognizer(refusals=5)
    async with running_gateway(recognizer) as base:
        conversation = await spoken(base, QUICK)
    (warning,) = [message for message in conversation.messages if message["type"] == "warning"]
    assert (warning["code"], warning["detail"]) == ("slow", "audio waits: the recognizer is behind")
    assert conversation.transcript.split()[:10] == [f"w{number}" for number in range(10)]
    assert recognizer.refusals == 0


@pytest.mark.virtual_time
async def test_utterances_that_are_held_lose_nothing_and_are_no_failures() -> None:
    recognizer = FullRecognizer(refusals=140)
    async with running_gateway(recognizer) as base:
        conversation = await spoken(base, 6 * QUICK)
    assert of(conversation, "error") == []
    assert not [message for message in conversation.messages if message.get("code") == "gap"]
    done = conversation.messages[-1]
    assert (done["type"], done["lostMs"]) == ("done", 0)
    assert len(of(conversation, "final")) == 6


@pytest.mark.virtual_time
@pytest.mark.parametrize("reason", list(Refusal))
async def test_a_stream_for_which_there_is_no_place_is_refused_before_the_upgrade(reason: Refusal) -> None:
    recognizer = ScriptedRecognizer(full=RecognizerFullError("full", reason, 7.2))
    async with running_gateway(recognizer) as base:
        with pytest.raises(InvalidStatus) as caught:
            await converse(base, "close")
        response = caught.value.response
        assert (response.status_code, response.headers["Retry-After"]) == (503, "8")
        body = json.loads(response.body)
        assert body["type"] == "overloaded"
        assert "server" in body["detail"]
        recognizer.full = None
        assert (await converse(base, "close")).close_code == 1000


@pytest.mark.virtual_time
async def test_a_place_is_given_back_with_the_connection() -> None:
    recognizer = ScriptedRecognizer()
    async with running_gateway(recognizer) as base:
        for _ in range(2):
            await converse(base, QUICK, "close")
            assert recognizer.admitted_owners == []


async def test_the_engine_decides_who_is_let_in() -> None:
    engine = EngineServer(EngineOptions(listen="127.0.0.1:0", workers=2, sessions=1))
    address = await engine.start()
    async with grpc.aio.insecure_channel(address) as channel:
        talker = await Call(asr_grpc.RivaSpeechRecognitionStub(channel)).open()
        async with running(read_settings({"riva_uri": address, "port": 0})) as gateway:
            with pytest.raises(InvalidStatus) as caught:
                await converse(gateway.url, "close")
            assert caught.value.response.status_code == 503
            talker.rpc.cancel()
            assert await talker.rpc.code() is grpc.StatusCode.CANCELLED
            conversation = await converse(gateway.url, clip_pcm("yes.wav") + silence(1), "close", query="extended=true")
    await engine.stop(0)
    assert of(conversation, "warning") == []
    assert words_of(conversation.transcript) == ["yes"]
