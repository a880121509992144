"""The live endpoint with other models than the bundled one: a streaming model of tones, Moonshine, and Whisper base."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from stream.engine.model.features import Samples
from stream.engine.model.hypotheses import Hypothesis
from stream.engine.model.sherpa.files import Kind
from stream.engine.model.sherpa.online import SherpaStream
from stream.engine.server.server import EngineOptions, EngineServer
from tests.support.models.kinds import GROWTH, ONSETS, PCM, SPANS, TEXT, written
from tests.support.models.moonshine import moonshine_directory
from tests.support.models.whisper_base import write_whisper_base
from tests.support.processes import STUCK_SECONDS, serving
from tests.support.sounds import clip_pcm, clip_texts, cut, words_of
from tests.support.tiers import tiered
from tests.web.support.sockets import converse, received, talking
from web.process.serve import running
from web.settings.settings import read_settings

pytestmark = pytest.mark.asyncio(loop_scope="module")
SECOND_BYTES = 32_000
SILENCE = bytes(SECOND_BYTES)
EXTENDED = "extended=true"


@asynccontextmanager
async def gateway_over(model: Path) -> AsyncIterator[str]:
    """Serve with an engine that has this model, both in this process."""
    engine = EngineServer(EngineOptions(models=(str(model),), workers=2))
    uri = await engine.start()
    options: dict[str, object] = {"port": 0, "riva_uri": uri, "stall_limit_seconds": STUCK_SECONDS}
    async with running(read_settings(options)) as server:
        yield server.url
    with suppress(asyncio.CancelledError):
        await engine.stop(0)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def streaming(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A server with a streaming model."""
    async with gateway_over(written(Kind.STREAMING_NEMO_CTC, tmp_path_factory.mktemp("models"))) as url:
        yield url


@pytest.fixture
def fed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many samples of sound the model was fed, piece by piece."""
    pieces: list[int] = []
    feed = SherpaStream.feed

    def counted(self: SherpaStream, samples: Samples) -> Hypothesis:
        pieces.append(int(np.count_nonzero(samples)))
        return feed(self, samples)

    monkeypatch.setattr(SherpaStream, "feed", counted)
    return pieces


async def test_a_text_comes_within_250_ms_of_its_sound(streaming: str) -> None:
    async with asyncio.timeout(STUCK_SECONDS), talking(streaming, EXTENDED) as socket:
        messages = received(socket)
        sent_bytes = 0
        for onset, text in zip(ONSETS, GROWTH, strict=True):
            until = round((onset + 0.25) * SECOND_BYTES / 2) * 2
            for piece in cut(PCM[sent_bytes:until], 640):
                await socket.send(piece)
            sent_bytes = until
            # No more audio is sent before it has come.
            while (await next_text(messages)) != text:
                pass
        await socket.send("close")
        async for _ in messages:
            pass


async def next_text(messages: AsyncIterator[str]) -> str:
    """Return the text of the next message that has one."""
    async for message in messages:
        if results := json.loads(message).get("results"):
            return str(results[0]["transcript"])
    raise AssertionError("the server closed before the text came")


async def test_no_sound_is_decoded_twice(streaming: str, fed: list[int]) -> None:
    conversation = await converse(streaming, *cut(PCM + SILENCE, 640), "close")
    assert conversation.transcript == TEXT
    assert sum(fed) == np.count_nonzero(np.frombuffer(PCM, "<i2"))


async def test_stable_words_never_change(streaming: str) -> None:
    conversation = await converse(streaming, *cut(PCM + SILENCE + PCM + SILENCE, 640), "close", query=EXTENDED)
    texts: dict[int, list[str]] = {}
    for message in conversation.messages:
        if message["type"] in ("partial", "final"):
            words = message["results"][0]["transcript"].split()
            stable = words if message["type"] == "final" else words[: message["stableWords"]]
            texts.setdefault(message["utteranceId"], []).append(" ".join(stable))
    assert len(texts) == 2
    for stable_texts in texts.values():
        assert stable_texts[-1] == TEXT
        assert all(text == TEXT[: len(text)] for text in stable_texts)
        assert [len(text) for text in stable_texts] == sorted(len(text) for text in stable_texts)


async def test_utterances_end_in_pauses_and_have_the_times_of_their_words(streaming: str) -> None:
    conversation = await converse(streaming, *cut(PCM + SILENCE + PCM + SILENCE, 640), "close")
    results = conversation.messages[-1]["results"]
    assert [result["transcript"] for result in results] == [TEXT, TEXT]
    for result, begin in zip(results, (0.0, len(PCM + SILENCE) / SECOND_BYTES), strict=True):
        spans = [(word["startTime"], word["endTime"]) for word in result["words"]]
        assert np.allclose(spans, np.array(SPANS) + begin, atol=0.03)


async def test_twenty_talk_to_each_worker(streaming: str) -> None:
    async def talk() -> str:
        return (await converse(streaming, *cut(PCM + SILENCE, 3_200), "close")).transcript

    assert await asyncio.gather(*(talk() for _ in range(20))) == [TEXT] * 20


@pytest.mark.parametrize("model", ["moonshine", *tiered([], ["whisper base"])])
async def test_real_models_recognize_live_speech(model: str, tmp_path: Path) -> None:
    directory = moonshine_directory() if model == "moonshine" else write_whisper_base(tmp_path)
    spoken = clip_pcm("train.wav") + SILENCE
    async with gateway_over(directory) as url:
        conversation = await converse(url, *cut(spoken, 3_200), "close")
    assert words_of(conversation.transcript) == words_of(clip_texts()["train.wav"])
    words: list[dict[str, Any]] = conversation.messages[-1]["results"][0]["words"]
    times = [time for word in words for time in (word["startTime"], word["endTime"])]
    assert times == sorted(times)
    assert 0 < times[0] < times[-1] < len(spoken) / SECOND_BYTES


async def test_one_setting_names_a_model(tmp_path: Path) -> None:
    directory = written(Kind.STREAMING_ZIPFORMER_CTC, tmp_path, "zipformer-fa")
    with serving(NIYOSHA_MODEL=f"{directory}?language=fa") as url:
        conversation = await converse(url, *cut(PCM + SILENCE, 3_200), "close", query="languageCode=fa")
    assert conversation.transcript == TEXT
