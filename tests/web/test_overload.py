"""The gateway before an engine whose places are all taken."""

import asyncio
from dataclasses import dataclass

import grpc.aio
import pytest
from riva.client.proto import riva_asr_pb2_grpc as asr_grpc

from stream.engine.admission import Admission, FullError, Place
from stream.engine.server import EngineOptions, EngineServer
from stream.events import RecognitionOptions
from stream.recognizer import RecognizerError
from tests.processes import STUCK_SECONDS
from tests.recognizers import CountingStream, ScriptedRecognizer
from tests.sounds import clip_pcm, clip_texts, cut, words_of
from tests.stream.engine.calls import Call, silence
from tests.web.gateway import running_gateway
from tests.web.sockets import Conversation, converse
from web.serve import running
from web.settings import read_settings

QUICK = clip_pcm("quick.wav") + silence(1)


@dataclass
class FullRecognizer(ScriptedRecognizer):
    """Refuses as a full engine does, so many times."""

    refusals: int = 1_000_000

    async def open(self, options: RecognitionOptions) -> CountingStream:
        if self.refusals:
            self.refusals -= 1
            raise RecognizerError("RESOURCE_EXHAUSTED: full", retryable=True, retry_after_seconds=1.0)
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
    assert of(conversation, "warning") == []
    assert conversation.transcript.split()[:10] == [f"w{number}" for number in range(10)]
    assert recognizer.refusals == 0


@pytest.mark.virtual_time
async def test_where_no_place_ever_gets_free_the_gaps_are_told_and_then_the_end() -> None:
    async with running_gateway(FullRecognizer()) as base, asyncio.timeout(3600):
        conversation = await spoken(base, 4 * QUICK)
    gaps = [message for message in conversation.messages if message.get("code") == "gap"]
    assert len(gaps) >= 3
    assert gaps[0]["startTime"] < 0.5 < gaps[0]["endTime"]
    end = conversation.messages[-1]
    assert (end["type"], end["detail"]) == ("error", "the recognizer failed 3 times in a row; try again later")
    finals = [message for message in conversation.messages if message["type"] == "final"]
    assert {result["transcript"] for final in finals for result in final["results"]} == {""}


async def test_the_engines_refusal_is_taken_for_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    refused, enter = asyncio.Event(), Admission.enter

    def note(admission: Admission, session: str, now: float, *, is_file: bool = False) -> Place:
        try:
            return enter(admission, session, now, is_file=is_file)
        except FullError:
            refused.set()
            raise

    monkeypatch.setattr(Admission, "enter", note)
    engine = EngineServer(EngineOptions("127.0.0.1:0", workers=2, sessions=1))
    address = await engine.start()
    async with grpc.aio.insecure_channel(address) as channel:
        talker = await Call(asr_grpc.RivaSpeechRecognitionStub(channel)).open()
        async with running(read_settings({"riva_uri": address, "port": 0})) as gateway:
            talking = asyncio.create_task(
                converse(gateway.url, clip_pcm("quick.wav") + silence(1), "close", query="extended=true")
            )
            async with asyncio.timeout(STUCK_SECONDS):
                await refused.wait()
            talker.rpc.cancel()
            conversation = await talking
    await engine.stop(0)
    assert of(conversation, "warning") == []
    assert words_of(conversation.transcript) == words_of(clip_texts()["quick.wav"])
