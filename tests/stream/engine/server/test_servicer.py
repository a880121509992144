import asyncio
import struct
import threading
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import grpc.aio
import numpy as np
import pytest
from riva.client.proto import riva_asr_pb2 as asr
from riva.client.proto import riva_common_pb2 as common

from stream.audio.ffmpeg.memory_share import FREE_BYTES, MOST_BYTES, MemoryShare
from stream.engine.audio import AudioReader
from stream.engine.decoder import Decoder
from stream.engine.model.features import Samples, samples_of
from stream.engine.model.hypotheses import DecodedWord, Decoding, Hypothesis
from stream.engine.model.whisper import Whisper
from stream.engine.scheduling.work import DecodeRequest, Work
from tests.stream.audio.encoders import encoded
from tests.stream.engine.support.calls import SECOND_BYTES, Call, Responses, noise, silence, texts_of, tone, words_of
from tests.stream.engine.support.local import LocalEngine
from tests.support.places import CLIPS
from tests.support.sounds import clip_pcm, clip_texts, cut
from vad import FRAME_SAMPLES

pytestmark = pytest.mark.virtual_time
TEXTS = clip_texts()
LONG_CLIPS = [clip for clip in TEXTS if clip != "yes.wav"]


@pytest.fixture
async def stub(whisper: Whisper) -> LocalEngine:
    return LocalEngine(whisper)


def now() -> float:
    return asyncio.get_running_loop().time()


async def refusal(rpc: Any) -> tuple[grpc.StatusCode, str]:
    return await rpc.code(), await rpc.details()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Work]:
    """The kinds of all decodes."""
    kinds: list[Work] = []
    original = Decoder.decode

    def decode(decoder: Decoder, request: DecodeRequest) -> Decoding:
        kinds.append(request.work)
        return original(decoder, request)

    monkeypatch.setattr(Decoder, "decode", decode)
    return kinds


async def test_a_stream_gives_partials_and_then_one_final(stub: LocalEngine) -> None:
    call = await Call(stub, language_code="en-US", sample_rate_hertz=16_000, encoding=1).open()
    result = await call.send_and_read_partials(clip_pcm("library.wav"), piece_bytes=SECOND_BYTES)
    assert len(result.finals) == 1
    assert words_of(result.text) == words_of(TEXTS["library.wav"])
    assert [results[0].audio_processed for results in result.partials] == [1.0, 2.0, 3.0, 4.0]
    assert result.finals[0].audio_processed == pytest.approx(4.2)
    assert 0.5 < result.finals[0].alternatives[0].confidence <= 1


async def test_a_partial_is_one_result_unless_the_caller_wants_its_stable_words(
    stub: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = tuple(DecodedWord(text=text, tokens=(number,)) for number, text in enumerate(("we", "close", "at", "nine")))
    monkeypatch.setattr(Decoder, "decode", lambda *_: Decoding((Hypothesis(words),), 0.0, "en-US"))
    pcm = clip_pcm("library.wav")
    pieces = [pcm[:SECOND_BYTES], *cut(pcm[SECOND_BYTES : 4 * SECOND_BYTES], SECOND_BYTES // 2)]
    for custom_configuration, results in (
        ({}, [("we close at nine", 0.1)]),
        ({"stable_words": "true"}, [("we close", 0.9), (" at nine", 0.1)]),
    ):
        call = await Call(stub, custom_configuration=custom_configuration).open()
        for piece in pieces:
            await call.send(piece, piece_bytes=SECOND_BYTES)
            last = await call.result()
        assert texts_of(last.results) == results
        await call.end()


async def test_silence_is_answered_message_by_message(stub: LocalEngine) -> None:
    call = await Call(stub, stop_history=800).open()
    for _ in range(10):
        await call.send(silence(0.1))
        assert not (await call.rpc.read()).results
    assert (await call.end()).responses == []


async def test_there_are_as_many_responses_as_messages_of_sound_and_one_final(stub: LocalEngine) -> None:
    """With other numbers NVIDIA's benchmark gives no latencies."""
    call = await Call(stub).open()
    pcm = clip_pcm("library.wav")
    responses: list[asr.StreamingRecognizeResponse] = []
    for second in range(4):
        await call.send(pcm[second * SECOND_BYTES : (second + 1) * SECOND_BYTES], piece_bytes=SECOND_BYTES)
        while sum(bool(response.results) for response in responses) <= second:
            responses.append(await call.rpc.read())
    await call.send(pcm[4 * SECOND_BYTES :], piece_bytes=SECOND_BYTES)
    responses += (await call.end()).responses
    # The first second has an empty answer and a partial, which stands for the answer to the next.
    assert [bool(response.results) for response in responses] == [False, True, True, True, True, True]
    assert responses[-1].results[0].is_final


async def test_a_message_without_sound_in_it_is_answered_too(stub: LocalEngine) -> None:
    call = await Call(stub).open()
    await call.rpc.write(asr.StreamingRecognizeRequest(audio_content=b"", id=common.RequestId(value="empty")))
    (response,) = (await call.end()).responses
    assert (response.id.value, response.results) == ("empty", [])


async def test_sound_that_comes_in_one_burst_has_a_partial_before_each_final(stub: LocalEngine) -> None:
    call = await Call(stub, stop_history=500).open()
    pcm = b"".join(clip_pcm(clip) + silence(1) for clip in ("yes.wav", "quick.wav", "yes.wav"))
    result = await call.send_and_read(pcm, piece_bytes=len(pcm))
    texts = [
        "".join(result.alternatives[0].transcript for result in response.results) for response in result.with_results
    ]
    assert [response.results[0].is_final for response in result.with_results] == [False, True] * 3
    assert texts[::2] == texts[1::2]
    assert [words_of(text) for text in texts[::2]] == [["yes"], words_of(TEXTS["quick.wav"]), ["yes"]]
    assert [text.startswith(" ") for text in texts] == [False, False, True, True, True, True]


async def test_without_interim_results_there_are_finals_only(stub: LocalEngine) -> None:
    call = await Call(stub, interim=False).open()
    result = await call.send_and_read(clip_pcm("quick.wav"))
    assert not result.partials
    assert words_of(result.text) == words_of(TEXTS["quick.wav"])


@pytest.mark.parametrize("sound", [silence(2), noise(2), tone(2), clip_pcm("yes.wav")[:320]])
async def test_sound_without_speech_has_one_empty_final(stub: LocalEngine, sound: bytes) -> None:
    result = await (await Call(stub, enable_word_time_offsets=True).open()).send_and_read(sound)
    assert [alternative.transcript for final in result.finals for alternative in final.alternatives] == [""]


async def test_a_stream_without_sound_ends_without_a_response(stub: LocalEngine) -> None:
    call = await Call(stub).open()
    assert (await call.end()).responses == []
    assert await call.rpc.code() == grpc.StatusCode.OK


async def test_a_stream_without_any_message_ends_well(stub: LocalEngine) -> None:
    rpc = stub.StreamingRecognize()
    await rpc.done_writing()
    assert [response async for response in rpc] == []
    assert await rpc.code() == grpc.StatusCode.OK


async def test_word_times_rise_on_the_clock_of_the_stream(stub: LocalEngine) -> None:
    call = await Call(stub, stop_history=500, enable_word_time_offsets=True).open()
    pcm = silence(1) + clip_pcm("quick.wav") + silence(2) + clip_pcm("train.wav") + silence(1)
    result = await call.send_and_read(pcm)
    times = [(word.start_time, word.end_time) for final in result.finals for word in final.alternatives[0].words]
    assert all(start < end for start, end in times)
    assert all(end <= start for (_, end), (start, _) in pairwise(times))
    # The second clip begins at 1.0 + 2.965 + 2.0 s.
    first, second = (final.alternatives[0].words for final in result.finals)
    assert 700 <= first[0].start_time < first[-1].end_time <= 4_700
    assert 5_500 <= second[0].start_time < second[-1].end_time <= 10_500


async def test_40_s_as_one_stream_lose_no_sample(stub: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    processed_samples: list[Samples] = []

    def decode(_decoder: Decoder, request: DecodeRequest) -> Decoding:
        processed_samples.append(request.samples)
        return Decoding((Hypothesis((DecodedWord(text=f"w{len(processed_samples)}", tokens=(1,)),)),), 0.0, "en-US")

    monkeypatch.setattr(Decoder, "decode", decode)
    pcm = b"".join(clip_pcm(clip) for clip in (*LONG_CLIPS, *LONG_CLIPS, *LONG_CLIPS[:2]))
    assert len(pcm) > 40 * SECOND_BYTES
    result = await (await Call(stub, interim=False, kind="file").open()).send_and_read(pcm)
    assert (len(result.finals), result.text) == (2, "w1 w2")
    # The frame with which the segmenter opens the call's first utterance, 10 ms, is not in it.
    assert np.array_equal(np.concatenate(processed_samples), samples_of(pcm)[FRAME_SAMPLES:])


async def test_pauses_end_utterances_when_the_engine_finds_the_endpoints(stub: LocalEngine) -> None:
    call = await Call(stub, stop_history=0).open()
    pcm = silence(1).join(clip_pcm(clip) for clip in LONG_CLIPS[:2])
    result = await call.send_and_read(pcm)
    texts = [final.alternatives[0].transcript for final in result.finals]
    assert [words_of(text) for text in texts] == [words_of(TEXTS[clip]) for clip in LONG_CLIPS[:2]]
    assert [text.startswith(" ") for text in texts] == [False, True]


async def test_silence_alone_is_no_utterance_when_the_engine_finds_the_endpoints(stub: LocalEngine) -> None:
    assert (await (await Call(stub, stop_history=800).open()).send_and_read(silence(3))).with_results == []


async def test_force_eou_settles_the_utterance_and_keeps_the_stream(stub: LocalEngine) -> None:
    call = await Call(stub).open()
    await call.send(clip_pcm("quick.wav"))
    first = await call.force_end()
    assert words_of(first.results[0].alternatives[0].transcript) == words_of(TEXTS["quick.wav"])
    await call.send(clip_pcm("train.wav"))
    rest = await call.end()
    assert words_of(rest.text) == words_of(TEXTS["train.wav"])
    assert rest.text.startswith(" ")
    assert rest.finals[0].audio_processed == pytest.approx(2.965 + 3.955, abs=0.01)


async def test_force_eou_without_an_open_utterance_says_nothing(stub: LocalEngine) -> None:
    call = await Call(stub).open()
    for _ in range(2):
        await call.rpc.write(asr.StreamingRecognizeRequest(runtime_config={"force_eou": "true"}))
    assert (await call.end()).responses == []


@pytest.mark.parametrize("piece_bytes", [1, 7, 3200])
async def test_a_wav_file_is_read_however_it_is_cut(stub: LocalEngine, piece_bytes: int) -> None:
    sound = (CLIPS / "yes.wav").read_bytes()
    call = await Call(stub, sample_rate_hertz=8000).open()
    await call.send(sound[:100], piece_bytes=piece_bytes)
    result = await call.send_and_read(sound[100:])
    assert words_of(result.text) == ["yes"]


async def test_a_wav_file_of_another_rate_is_resampled(stub: LocalEngine) -> None:
    header = bytearray((CLIPS / "quick.wav").read_bytes()[:44])
    header[24:28] = struct.pack("<I", 48_000)
    pcm = clip_pcm("quick.wav")
    tripled = b"".join(pcm[k : k + 2] * 3 for k in range(0, len(pcm), 2))
    header[40:44] = struct.pack("<I", len(tripled))
    result = await (await Call(stub).open()).send_and_read(bytes(header) + tripled)
    assert words_of(result.text) == words_of(TEXTS["quick.wav"])
    assert result.finals[0].audio_processed == pytest.approx(2.965, abs=0.001)


async def test_the_newest_id_is_echoed(stub: LocalEngine) -> None:
    call = await Call(stub).open(id=common.RequestId(value="first"))
    await call.send(clip_pcm("yes.wav"))
    assert (await call.force_end()).id.value == "first"
    await call.send(clip_pcm("yes.wav"), id=common.RequestId(value="second"))
    *_, partial, final = (await call.end()).responses
    assert [partial.id.value, final.id.value] == ["second", "second"]


async def test_alternatives_are_given_in_finals(stub: LocalEngine) -> None:
    result = await (await Call(stub, max_alternatives=4, enable_automatic_punctuation=True).open()).send_and_read(
        clip_pcm("library.wav")
    )
    alternatives = result.finals[0].alternatives
    assert 2 <= len({alternative.transcript for alternative in alternatives}) == len(alternatives) <= 4
    confidences = [alternative.confidence for alternative in alternatives]
    assert confidences == sorted(confidences, reverse=True)
    assert words_of(alternatives[0].transcript) == words_of(TEXTS["library.wav"])


async def test_the_first_message_must_be_the_config(stub: LocalEngine) -> None:
    rpc = stub.StreamingRecognize()
    await rpc.write(asr.StreamingRecognizeRequest(audio_content=b"\0\0"))
    assert await refusal(rpc) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "the first message of a stream must be streaming_config",
    )


async def test_the_config_must_not_come_twice(stub: LocalEngine) -> None:
    call = await Call(stub).open()
    await call.rpc.write(asr.StreamingRecognizeRequest(streaming_config=call.config))
    assert await refusal(call.rpc) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "streaming_config may only be the first message of a stream",
    )


async def test_a_language_without_a_model_is_refused_in_rivas_words(stub: LocalEngine) -> None:
    call = Call(stub, language_code="ru-RU")
    await call.rpc.write(asr.StreamingRecognizeRequest(streaming_config=call.config))
    assert await refusal(call.rpc) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "Error: Unavailable model requested. Lang: ru-RU, Type: online",
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Recognize(asr.RecognizeRequest(config=call.config.config))
    assert caught.value.details() == "Error: Unavailable model requested. Lang: ru-RU, Type: offline"


async def test_audio_that_was_not_declared_is_refused_at_its_beginning(stub: LocalEngine) -> None:
    call = await Call(stub, encoding=1).open()
    await call.send(encoded(clip_pcm("yes.wav"), container="flac")[:320])
    sentence = "the audio is FLAC, but encoding is LINEAR_PCM; LINEAR_PCM, FLAC, MULAW, OGGOPUS and ALAW are served"
    assert await refusal(call.rpc) == (grpc.StatusCode.INVALID_ARGUMENT, sentence)
    request = asr.RecognizeRequest(config=call.config.config, audio=encoded(clip_pcm("yes.wav"), container="flac"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Recognize(request)
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.INVALID_ARGUMENT, sentence)


async def test_compressed_audio_is_decoded_beside_the_loop_and_for_one_call_at_a_time(
    stub: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []
    running = 0
    original = AudioReader.push

    def push(reader: AudioReader, chunk: bytes) -> Iterator[bytes]:
        nonlocal running
        steps = original(reader, chunk)
        while True:
            running += 1
            threads.append(threading.get_ident())
            assert running == 1
            step = next(steps, None)
            running -= 1
            if step is None:
                return
            yield step

    monkeypatch.setattr(AudioReader, "push", push)
    file = encoded(clip_pcm("yes.wav"), container="flac")

    async def one() -> Responses:
        return await (await Call(stub, encoding=2, interim=False).open()).send_and_read(file, piece_bytes=1000)

    results = await asyncio.gather(one(), one())
    assert [words_of(result.text) for result in results] == [["yes"], ["yes"]]
    assert threads
    assert threading.get_ident() not in threads


async def test_audio_for_which_there_is_no_memory_now_may_come_again(stub: LocalEngine) -> None:
    taken = MemoryShare()
    assert taken.require(FREE_BYTES + MOST_BYTES)
    try:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Recognize(asr.RecognizeRequest(audio=b"fLaC" + b"\0\x0f\xff\xff" + bytes(1 << 20)))
    finally:
        taken.close()
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert caught.value.trailing_metadata().get("grpc-retry-pushback-ms") == "5000"


@pytest.mark.parametrize("end", ["ended", "cancelled"])
async def test_a_call_ends_the_thread_of_its_decoder(stub: LocalEngine, end: str) -> None:
    call = await Call(stub, encoding=2, interim=False).open()
    await call.send(encoded(clip_pcm("yes.wav"), container="flac"), piece_bytes=30_000)
    await call.rpc.read()
    assert "codec" in {thread.name for thread in threading.enumerate()}
    if end == "ended":
        await call.end()
    else:
        call.rpc.cancel()
        await call.rpc.code()
    assert "codec" not in {thread.name for thread in threading.enumerate()}


async def test_force_eou_settles_what_was_held_back_to_be_identified(stub: LocalEngine) -> None:
    call = await Call(stub).open()
    await call.send(silence(1))
    assert (await call.force_end()).results[0].audio_processed == pytest.approx(1.0)


@pytest.mark.parametrize(("news_seconds", "n_finals"), [(0.0, 0), (0.004, 0), (0.006, 1)])
async def test_a_cancelled_stream_frees_everything_and_decodes_no_final(
    stub: LocalEngine, asked: list[Work], news_seconds: float, n_finals: int
) -> None:
    """Where the news comes later than 5 ms after the end of the messages, a decode is lost."""
    stub.pool.seconds = 2.0
    call = await Call(stub).open()
    await call.send(clip_pcm("library.wav")[: 2 * SECOND_BYTES])
    await call.result()
    call.rpc.cancel(news_seconds)
    assert await call.rpc.code() is grpc.StatusCode.CANCELLED
    await asyncio.sleep(60)
    assert asked.count(Work.FINAL) == n_finals
    assert (stub.scheduler.running, stub.scheduler.waiting) == (0, 0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert words_of((await (await Call(stub).open()).send_and_read(clip_pcm("yes.wav"))).text) == ["yes"]


async def test_a_caller_hears_each_second_that_a_final_is_being_made(stub: LocalEngine) -> None:
    stub.pool.seconds = 3.5
    call = await Call(stub, interim=False).open()
    await call.send(clip_pcm("yes.wav"))
    began = now()
    result = await call.end()
    assert now() - began == pytest.approx(3.5)
    n_messages = -(-len(clip_pcm("yes.wav")) // 3200)
    assert [bool(response.results) for response in result.responses] == [False] * (n_messages + 3) + [True]
    assert words_of(result.text) == ["yes"]


async def test_streams_side_by_side_hear_their_own_words(stub: LocalEngine) -> None:
    async def one(clip: str) -> Responses:
        return await (await Call(stub).open()).send_and_read(clip_pcm(clip))

    result = await asyncio.gather(*(one(clip) for clip in LONG_CLIPS[:3]))
    assert [words_of(each.text) for each in result] == [words_of(TEXTS[clip]) for clip in LONG_CLIPS[:3]]


async def test_recognize_reads_a_whole_file(stub: LocalEngine) -> None:
    pcm = silence(1.5).join(clip_pcm(clip) for clip in LONG_CLIPS[:2])
    config = asr.RecognitionConfig(enable_word_time_offsets=True, max_alternatives=2, enable_automatic_punctuation=True)
    response = await stub.Recognize(asr.RecognizeRequest(config=config, audio=pcm, id=common.RequestId(value="file")))
    assert response.id.value == "file"
    assert [words_of(result.alternatives[0].transcript) for result in response.results] == [
        words_of(TEXTS[clip]) for clip in LONG_CLIPS[:2]
    ]
    assert [len(result.alternatives) for result in response.results] == [2, 2]
    assert response.results[1].alternatives[0].words[0].start_time > 4_000


@pytest.mark.parametrize(("piece_bytes", "interim"), [(3200, True), (10 * SECOND_BYTES, False)])
async def test_an_utterance_of_a_file_is_decoded_once_however_it_comes(
    stub: LocalEngine, asked: list[Work], piece_bytes: int, interim: bool
) -> None:
    pcm = silence(0.5).join(clip_pcm(clip) for clip in LONG_CLIPS[:2]) + silence(0.5)
    call = await Call(stub, kind="file", interim=interim).open()
    result = await call.send_and_read(pcm, piece_bytes=piece_bytes)
    assert words_of(result.text) == words_of(" ".join(TEXTS[clip] for clip in LONG_CLIPS[:2]))
    assert (len(result.finals), result.partials) == (1, [])
    assert asked == [Work.FILE]


@pytest.mark.parametrize("kind", [None, "live", "file"])
async def test_only_the_streams_of_files_are_decoded_as_such(
    stub: LocalEngine, asked: list[Work], kind: str | None
) -> None:
    await (await Call(stub, kind=kind).open()).send_and_read(clip_pcm("yes.wav"))
    assert (Work.FILE in asked) == (kind == "file")


async def test_recognize_is_decoded_as_a_file(stub: LocalEngine, asked: list[Work]) -> None:
    pcm = silence(1.5).join(clip_pcm(clip) for clip in LONG_CLIPS[:2])
    await stub.Recognize(asr.RecognizeRequest(audio=pcm))
    assert asked == [Work.FILE, Work.FILE]


async def test_the_config_lists_the_language_online_and_offline(stub: LocalEngine) -> None:
    response = await stub.GetRivaSpeechRecognitionConfig(asr.RivaSpeechRecognitionConfigRequest())
    rows = [(row.model_name, row.parameters["type"], row.parameters["language_code"]) for row in response.model_config]
    assert rows == [("whisper-tiny.en", "online", "en-US"), ("whisper-tiny.en", "offline", "en-US")]
    assert {row.parameters["closed_vocabulary"] for row in response.model_config} == {"true"}
    other = await stub.GetRivaSpeechRecognitionConfig(asr.RivaSpeechRecognitionConfigRequest(model_name="conformer"))
    assert not other.model_config


@pytest.mark.parametrize(("stop_history", "n_finals"), [(300, 2), (700, 1)])
async def test_how_soon_the_engine_finds_endpoints_is_the_callers_wish(
    stub: LocalEngine, stop_history: int, n_finals: int
) -> None:
    """NVIDIA's own app sends 700 and 0.3."""
    pcm = silence(0.4).join(clip_pcm(clip) for clip in LONG_CLIPS[:2])
    endpointing = asr.EndpointingConfig(stop_history=stop_history, stop_threshold=0.3)
    call = Call(stub, interim=False)
    call.config.config.endpointing_config.CopyFrom(endpointing)
    assert len((await (await call.open()).send_and_read(pcm)).finals) == n_finals


async def test_a_first_pass_comes_between_the_partials_and_the_final(stub: LocalEngine) -> None:
    call = Call(stub, enable_word_time_offsets=True, enable_automatic_punctuation=True)
    call.config.config.endpointing_config.CopyFrom(asr.EndpointingConfig(stop_history=800, stop_history_eou=400))
    await call.open()
    pcm = clip_pcm("quick.wav") + silence(1.2)
    for start in range(0, len(pcm), 3200):
        await call.send(pcm[start : start + 3200])
        await asyncio.sleep(0.1)
    result = await call.end()
    stabilities = [response.results[0].stability for response in result.with_results]
    assert stabilities.count(1.0) == 2
    first_pass, final = (response.results[0] for response in result.with_results[-2:])
    assert (first_pass.is_final, final.is_final) == (False, True)
    assert words_of(first_pass.alternatives[0].transcript) == words_of(TEXTS["quick.wav"])
    assert first_pass.audio_processed < final.audio_processed - 0.2
    assert 0.5 < first_pass.alternatives[0].confidence <= 1


async def test_a_yes_is_missed_where_more_speech_is_asked_for_to_begin(stub: LocalEngine) -> None:
    written = []
    for start_history in (100, 1500):
        call = Call(stub, interim=False)
        call.config.config.endpointing_config.CopyFrom(
            asr.EndpointingConfig(start_history=start_history, start_threshold=0.9)
        )
        written.append(
            words_of((await (await call.open()).send_and_read(silence(0.5) + clip_pcm("yes.wav") + silence(2))).text)
        )
    assert written == [["yes"], []]


async def test_endpoints_that_cannot_be_are_refused(stub: LocalEngine) -> None:
    call = Call(stub)
    call.config.config.endpointing_config.CopyFrom(asr.EndpointingConfig(start_threshold=1.5))
    await call.rpc.write(asr.StreamingRecognizeRequest(streaming_config=call.config))
    assert await refusal(call.rpc) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "endpointing_config: start_threshold is 1.5; it must be from 0 to 1",
    )


async def test_force_eou_may_come_with_the_last_sound_of_the_utterance(stub: LocalEngine) -> None:
    call = await Call(stub, interim=False).open()
    for clip in ("quick.wav", "train.wav"):
        await call.send(clip_pcm(clip), piece_bytes=200_000, runtime_config={"force_eou": "true"})
    texts = [final.alternatives[0].transcript for final in (await call.end()).finals]
    assert [words_of(text) for text in texts] == [words_of(TEXTS["quick.wav"]), words_of(TEXTS["train.wav"])]


async def test_a_new_session_is_refused_with_a_hint_where_all_places_are_taken(whisper: Whisper) -> None:
    stub = LocalEngine(whisper, sessions=1)
    talking = Call(stub, session="first")
    await talking.open()
    sentence = "1 sessions are talking, which is as many as this engine has room for"
    for metadata in ((("session-id", "second"),), ()):
        began, other = now(), stub.StreamingRecognize(metadata)
        assert await refusal(other) == (grpc.StatusCode.RESOURCE_EXHAUSTED, sentence)
        assert (await other.trailing_metadata()).get("grpc-retry-pushback-ms") == "5000"
        assert now() - began == pytest.approx(0.02)
    file = await Call(stub, kind="file").open()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Recognize(asr.RecognizeRequest(audio=clip_pcm("yes.wav")))
    await file.end()
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert caught.value.trailing_metadata().get("grpc-retry-pushback-ms") == "1000"
    # Its own session is not refused, neither at once nor after its stream.
    again = Call(stub, session="first")
    assert words_of((await (await again.open()).send_and_read(clip_pcm("yes.wav"))).text) == ["yes"]
    await talking.end()
    last = Call(stub, session="first")
    assert (await (await last.open()).end()).responses == []


@pytest.mark.parametrize(("seconds", "gets_in"), [(9.9, False), (10.1, True)])
async def test_a_place_is_free_ten_seconds_after_the_last_call(whisper: Whisper, seconds: float, gets_in: bool) -> None:
    stub = LocalEngine(whisper, sessions=1)
    await (await Call(stub, session="first").open()).end()
    await asyncio.sleep(seconds)
    other = Call(stub, session="second")
    await other.rpc.done_writing()
    assert await other.rpc.code() is (grpc.StatusCode.OK if gets_in else grpc.StatusCode.RESOURCE_EXHAUSTED)


async def test_files_get_in_half_as_many_as_talkers_and_beside_them(whisper: Whisper) -> None:
    stub = LocalEngine(whisper, sessions=2)
    file = await Call(stub, session="first", kind="file").open()
    other = Call(stub, session="second", kind="file")
    sentence = "1 files are recognized, and this engine takes no new one above 1"
    assert await refusal(other.rpc) == (grpc.StatusCode.RESOURCE_EXHAUSTED, sentence)
    talkers = [await Call(stub, session=name).open() for name in ("third", "fourth")]
    for call in (file, *talkers):
        assert words_of((await call.send_and_read(clip_pcm("yes.wav"))).text) == ["yes"]


@pytest.mark.parametrize("end", ["ended", "cancelled", "refused"])
async def test_a_call_without_a_session_gives_its_place_back(whisper: Whisper, end: str) -> None:
    stub = LocalEngine(whisper, sessions=1)
    for _ in range(3):
        call = await Call(stub).open()
        if end == "ended":
            await call.end()
        elif end == "cancelled":
            call.rpc.cancel()
            assert await call.rpc.code() is grpc.StatusCode.CANCELLED
        else:
            await call.rpc.write(asr.StreamingRecognizeRequest(streaming_config=call.config))
            assert await call.rpc.code() is grpc.StatusCode.INVALID_ARGUMENT
    response = await stub.Recognize(asr.RecognizeRequest(audio=clip_pcm("yes.wav")))
    assert words_of(response.results[0].alternatives[0].transcript) == ["yes"]
