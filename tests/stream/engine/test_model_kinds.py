"""Calls to an engine whose models are tones: one that streams, and one that decodes what there is so far."""

from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import numpy as np
import pytest
import pytest_asyncio
from riva.client.proto import riva_asr_pb2 as asr
from riva.client.proto import riva_asr_pb2_grpc as asr_grpc

from stream.engine.model.features import Samples
from stream.engine.model.hypotheses import Hypothesis
from stream.engine.model.sherpa.files import Kind
from stream.engine.model.sherpa.online import SherpaStream
from stream.engine.server.server import EngineOptions, EngineServer
from tests.stream.engine.support.calls import SECOND_BYTES, Call, Responses, texts_of
from tests.support.models.kinds import GROWTH, ONSETS, PCM, SPANS, TEXT, written

pytestmark = pytest.mark.asyncio(loop_scope="module")
STABLE = {"stable_words": "true"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Any]:
    """The calls of an engine with a streaming model for English, and another one for Persian."""
    parent = tmp_path_factory.mktemp("models")
    models = [
        str(written(Kind.STREAMING_NEMO_TRANSDUCER, parent, "streaming-en")),
        str(written(Kind.NEMO_CTC, parent, "offline-fa")),
    ]
    server = EngineServer(EngineOptions(models=tuple(models), workers=2))
    async with grpc.aio.insecure_channel(await server.start()) as channel:
        yield asr_grpc.RivaSpeechRecognitionStub(channel)
    await server.stop(0)


@pytest.fixture
def fed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many samples of sound a streaming model was fed, piece by piece."""
    pieces: list[int] = []
    feed = SherpaStream.feed

    def counted(self: SherpaStream, samples: Samples) -> Hypothesis:
        pieces.append(int(np.count_nonzero(samples)))
        return feed(self, samples)

    monkeypatch.setattr(SherpaStream, "feed", counted)
    return pieces


async def recognized(stub: Any, pcm: bytes = PCM, **config: Any) -> Responses:
    call = await Call(stub, enable_word_time_offsets=True, custom_configuration=STABLE, **config).open()
    return await call.send_and_read(pcm, piece_bytes=640)


def spans_of(final: asr.StreamingRecognitionResult) -> list[tuple[float, float]]:
    return [(word.start_time / 1000, word.end_time / 1000) for word in final.alternatives[0].words]


async def test_each_text_comes_within_250_ms_of_audio(stub: Any) -> None:
    call = await Call(stub, custom_configuration=STABLE).open()
    sent_bytes = 0
    for onset, text in zip(ONSETS, GROWTH, strict=True):
        until = round((onset + 0.25) * SECOND_BYTES / 2) * 2
        await call.send(PCM[sent_bytes:until], piece_bytes=640)
        sent_bytes = until
        # No more audio is sent before it has come.
        while "".join(part for part, _ in texts_of((await call.result()).results)) != text:
            pass
    await call.end()


async def test_no_sample_is_decoded_twice(stub: Any, fed: list[int]) -> None:
    assert (await recognized(stub)).text == TEXT
    assert sum(fed) == np.count_nonzero(np.frombuffer(PCM, "<i2"))
    assert len(fed) > 10


async def test_stable_words_never_change_and_the_final_has_them(stub: Any) -> None:
    responses = await recognized(stub)
    stable = [text for results in responses.partials for text, stability in texts_of(results) if stability == 0.9]
    assert stable
    assert all(responses.text.startswith(text) for text in stable)
    assert stable == sorted(stable, key=len)


async def test_finals_have_the_times_and_confidences_of_the_model(stub: Any) -> None:
    (final,) = (await recognized(stub)).finals
    assert np.allclose(spans_of(final), SPANS, atol=0.02)
    assert all(0.5 < word.confidence <= 1 for word in final.alternatives[0].words)
    assert 0.5 < final.alternatives[0].confidence <= 1


async def test_the_detector_ends_utterances_whose_times_count_from_the_call(stub: Any) -> None:
    finals = (await recognized(stub, PCM + PCM, stop_history=500)).finals
    assert [final.alternatives[0].transcript for final in finals] == [TEXT, f" {TEXT}"]
    seconds = len(PCM) / SECOND_BYTES
    assert np.allclose(spans_of(finals[1]), np.array(SPANS) + seconds, atol=0.02)


async def test_a_first_pass_has_the_whole_text_in_a_pause(stub: Any) -> None:
    call = Call(stub)
    call.config.config.endpointing_config.stop_history_eou = 100
    responses = await (await call.open()).send_and_read(PCM[: round(1.2 * SECOND_BYTES)], piece_bytes=640)
    assert ("alpha", 1.0) in [text for results in responses.partials for text in texts_of(results)]


@pytest.mark.parametrize(("language", "confidence"), [("en", 0.5), ("fa", 0.0)])
async def test_a_file_is_recognized_by_either_model(stub: Any, language: str, confidence: float) -> None:
    config = asr.RecognitionConfig(language_code=language, enable_word_time_offsets=True)
    response = await stub.Recognize(asr.RecognizeRequest(config=config, audio=PCM + bytes(SECOND_BYTES)))
    (alternative,) = (alternative for result in response.results for alternative in result.alternatives)
    assert alternative.transcript == TEXT
    spans = [(word.start_time / 1000, word.end_time / 1000) for word in alternative.words]
    assert np.allclose(spans, SPANS, atol=0.02)
    assert (alternative.confidence > 0) == (confidence > 0)


async def test_an_offline_model_recognizes_a_stream(stub: Any) -> None:
    (final,) = (await recognized(stub, language_code="fa")).finals
    assert final.alternatives[0].transcript == TEXT
    assert np.allclose(spans_of(final), SPANS, atol=0.02)


async def test_rows_say_what_each_model_does(stub: Any) -> None:
    response = await stub.GetRivaSpeechRecognitionConfig(asr.RivaSpeechRecognitionConfigRequest())
    rows = [
        (row.model_name, row.parameters["language_code"], row.parameters["stable_words"])
        for row in response.model_config
        if row.parameters["type"] == "online"
    ]
    assert rows == [("streaming-en", "en", "true"), ("offline-fa", "fa", "false")]
    assert {row.parameters["closed_vocabulary"] for row in response.model_config} == {"false"}
