"""The gateway and an engine whose places are all taken, each as its users start it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import grpc.aio
import pytest
from riva.client.proto import riva_asr_pb2_grpc as asr_grpc

from stream.client import Live, RecognitionError, connect
from stream.engine.server import EngineOptions, EngineServer
from stream.wire import DoneMessage, FinalMessage, WarningMessage
from tests.sounds import clip_pcm, clip_texts, words_of
from tests.stream.engine.calls import Call, silence
from web.serve import running
from web.settings import read_settings

CHUNK_BYTES = 3200
# Four times the speed of speech.
CHUNK_SECONDS = 0.025
QUICK = clip_pcm("quick.wav") + silence(1)


@asynccontextmanager
async def full_engine(**settings: object) -> AsyncIterator[tuple[str, Call]]:
    """A gateway before an engine with one place, and the call that takes it."""
    engine = EngineServer(EngineOptions("127.0.0.1:0", workers=2, sessions=1))
    address = await engine.start()
    async with grpc.aio.insecure_channel(address) as channel:
        talker = await Call(asr_grpc.RivaSpeechRecognitionStub(channel)).open()
        async with running(read_settings({"riva_uri": address, "port": 0} | settings)) as gateway:
            yield gateway.url, talker
    await engine.stop(0)


async def speak(live: Live, pcm: bytes) -> None:
    for start in range(0, len(pcm), CHUNK_BYTES):
        await live.send(pcm[start : start + CHUNK_BYTES])
        await asyncio.sleep(CHUNK_SECONDS)
    await live.finish()


async def listen(live: Live, take: Callable[[object], None]) -> None:
    async for message in live:
        take(message)


async def test_a_refused_utterance_gets_its_words_when_a_place_is_free() -> None:
    async with full_engine() as (url, talker), connect(url, config={"extended": True}) as live:
        speaking = asyncio.create_task(speak(live, QUICK))
        await asyncio.sleep(1.5)
        talker.rpc.cancel()
        messages = [message async for message in live]
        await speaking
    assert not [message for message in messages if isinstance(message, WarningMessage)]
    done = messages[-1]
    assert isinstance(done, DoneMessage)
    text = " ".join(result.transcript for result in done.results)
    assert words_of(text) == words_of(clip_texts()["quick.wav"])


async def test_where_no_place_ever_gets_free_the_gaps_are_told_and_then_the_end() -> None:
    messages: list[object] = []
    async with (
        full_engine(final_limit_seconds=0.8) as (url, _),
        connect(url, config={"extended": True}) as live,
    ):
        speaking = asyncio.create_task(speak(live, 4 * QUICK))
        with pytest.raises(RecognitionError) as caught:
            await listen(live, messages.append)
        speaking.cancel()
        await asyncio.gather(speaking, return_exceptions=True)
    assert str(caught.value) == "the server stopped: the recognizer failed 3 times in a row; try again later"
    gaps = [message for message in messages if isinstance(message, WarningMessage) and message.code == "gap"]
    assert gaps[0].detail == "the recognizer failed; audio from 0.00 to 3.48 seconds may be missing in the text"
    assert len(gaps) >= 3
    finals = [message for message in messages if isinstance(message, FinalMessage)]
    assert {result.transcript for final in finals for result in final.results} == {""}
