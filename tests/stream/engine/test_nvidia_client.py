"""NVIDIA's own Python client against the engine, used as its users use it: in a thread, blocking."""

import asyncio
import io
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import grpc
import numpy as np
import pytest
import riva.client
import soxr
from riva.client.proto import riva_asr_pb2 as asr

from stream.engine.server.tls import TlsOptions, server_credentials
from tests.stream.audio.encoders import encoded, recorded
from tests.stream.engine.conftest import Serving
from tests.stream.engine.support.calls import silence
from tests.stream.engine.support.certificates import Certificates
from tests.support.places import CLIPS, DOCS, ROOT
from tests.support.sounds import clip_pcm, clip_texts, wav, words_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
T = TypeVar("T")
TEXTS = clip_texts()
QUICK = CLIPS / "quick.wav"
QUICK_TEXT = "the quick brown fox jumps over the lazy dog"
CHUNK_FRAMES = 1600  # what NVIDIA's scripts send


@contextmanager
def service(uri: str, **auth: Any) -> Iterator[riva.client.ASRService]:
    client = riva.client.ASRService(riva.client.Auth(uri=uri, **auth))
    try:
        yield client
    finally:
        client.auth.channel.close()


Use = Callable[[riva.client.ASRService], T]


async def call(address: str, use: Use[T]) -> T:
    """Run what takes a service in a thread."""

    def run() -> T:
        with service(address) as client:
            return use(client)

    return await asyncio.to_thread(run)


def streaming_config(**fields: Any) -> riva.client.StreamingRecognitionConfig:
    return riva.client.StreamingRecognitionConfig(config=riva.client.RecognitionConfig(**fields), interim_results=True)


def stream(client: Any, path: Path, config: Any, frames: int = CHUNK_FRAMES) -> list[asr.StreamingRecognizeResponse]:
    with riva.client.AudioChunkFileIterator(path, frames) as chunks:
        return list(client.streaming_response_generator(chunks, config))


def results_of(responses: Iterable[asr.StreamingRecognizeResponse]) -> list[asr.StreamingRecognitionResult]:
    return [result for response in responses for result in response.results]


def finals_of(responses: Iterable[asr.StreamingRecognizeResponse]) -> list[str]:
    return [result.alternatives[0].transcript for result in results_of(responses) if result.is_final]


def printed(responses: Iterable[asr.StreamingRecognizeResponse], **options: Any) -> str:
    output = io.StringIO()
    riva.client.print_streaming(responses, output_file=output, **options)
    return output.getvalue()


@pytest.mark.parametrize("clip", ["quick.wav", "yes.wav"])
async def test_a_file_is_streamed_with_a_partial_and_a_final(address: str, clip: str) -> None:
    responses = await call(address, lambda client: stream(client, CLIPS / clip, streaming_config()))
    assert words_of("".join(finals_of(responses))) == words_of(TEXTS[clip])
    *partials, final = results_of(responses)
    assert partials
    assert [partial.is_final for partial in partials] == [False] * len(partials)
    assert final.is_final
    # One response at least for each chunk that the iterator read, its header among them.
    assert len(responses) >= (CLIPS / clip).stat().st_size / (2 * CHUNK_FRAMES)


@pytest.mark.parametrize("frames", [160, 1_000_000])
async def test_a_file_is_streamed_in_chunks_of_any_size(address: str, frames: int) -> None:
    responses = await call(address, lambda client: stream(client, QUICK, streaming_config(), frames))
    assert printed(responses) == f"## {QUICK_TEXT}\n"
    assert not all(result.is_final for result in results_of(responses))


async def test_a_file_is_streamed_at_the_speed_of_speech(address: str) -> None:
    def use(client: Any) -> str:
        with riva.client.AudioChunkFileIterator(QUICK, CHUNK_FRAMES, riva.client.sleep_audio_length) as chunks:
            responses = client.streaming_response_generator(chunks, streaming_config(language_code="en-US"))
            return printed(responses, show_intermediate=True)

    *partials, final, rest = (await call(address, use)).replace("\r", "\n").split("\n")
    assert len(partials) > 1
    assert {partial[:3] for partial in partials} == {">> "}
    assert (final.rstrip(), rest) == (f"## {QUICK_TEXT}", "")


@pytest.mark.parametrize("future", [False, True])
async def test_a_file_is_recognized_as_a_whole(address: str, future: bool, capsys: pytest.CaptureFixture[str]) -> None:
    config = riva.client.RecognitionConfig(enable_word_time_offsets=True)
    riva.client.add_audio_file_specs_to_config(config, QUICK)
    riva.client.add_speaker_diarization_to_config(config, True, 2)

    def use(client: Any) -> None:
        response = client.offline_recognize(QUICK.read_bytes(), config, future=future)
        riva.client.print_offline(response.result() if future else response, speaker_diarization=True)

    await call(address, use)
    message, _, transcript = capsys.readouterr().out.partition("Final transcript: ")
    (result,) = json.loads(message)["results"]
    assert transcript == f"{QUICK_TEXT}\n"
    assert result["audioProcessed"] == 2.965
    assert [word["word"] for word in result["alternatives"][0]["words"]] == QUICK_TEXT.split()


async def test_texts_of_a_whole_file_are_joined_by_a_space(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = wav(clip_pcm("quick.wav") + silence(1.5) + clip_pcm("train.wav"))

    def use(client: Any) -> None:
        riva.client.print_offline(client.offline_recognize(sound, riva.client.RecognitionConfig()))

    await call(address, use)
    transcript = capsys.readouterr().out.partition("Final transcript: ")[2]
    assert "dog the" in transcript
    assert words_of(transcript) == words_of(TEXTS["quick.wav"]) + words_of(TEXTS["train.wav"])


async def test_a_short_stop_history_gives_a_final_for_each_sentence(address: str, tmp_path: Path) -> None:
    path = tmp_path / "two.wav"
    path.write_bytes(wav(clip_pcm("quick.wav") + silence(0.6) + clip_pcm("train.wav")))
    config = streaming_config()
    riva.client.add_endpoint_parameters_to_config(
        config,
        start_history=0,
        start_threshold=0.0,
        stop_history=300,
        stop_history_eou=0,
        stop_threshold=0.0,
        stop_threshold_eou=0.0,
    )
    responses = await call(address, lambda client: stream(client, path, config))
    first, second = finals_of(responses)
    assert [words_of(first), words_of(second)] == [words_of(TEXTS["quick.wav"]), words_of(TEXTS["train.wav"])]
    assert [first.startswith(" "), second.startswith(" ")] == [False, True]
    kinds = [result.is_final for result in results_of(responses)]
    assert kinds.index(True) > 0
    assert not kinds[kinds.index(True) + 1]


async def test_what_the_engine_has_no_use_for_is_accepted(address: str) -> None:
    config = streaming_config(
        profanity_filter=True, enable_automatic_punctuation=True, verbatim_transcripts=True, model="parakeet"
    )
    riva.client.add_audio_file_specs_to_config(config, QUICK)
    riva.client.add_word_boosting_to_config(config, ["fox", "dog"], 20.0)
    riva.client.add_speaker_diarization_to_config(config, True, 2)
    riva.client.add_custom_configuration_to_config(config, "test_key:test_value, other:1")
    responses = await call(address, lambda client: stream(client, QUICK, config))
    (text,) = finals_of(responses)
    # Which words the model begins with a capital depends on the processor's instructions.
    assert (text.lower(), text[-1]) == (f"{QUICK_TEXT}.", ".")


async def test_numbers_are_written_as_they_were_spoken_on_request(address: str) -> None:
    """NVIDIA's scripts ask for it by default."""

    def use(client: Any) -> list[str]:
        configs = [streaming_config(verbatim_transcripts=verbatim) for verbatim in (True, False)]
        return ["".join(finals_of(stream(client, CLIPS / "train.wav", config))) for config in configs]

    spoken, written = await call(address, use)
    assert spoken == "the next train to the city leaves from platform four"
    assert written == "the next train to the city leaves from platform 4"


# The model hears other words in quick.wav without its treble.
SPOKEN = "harbour.wav"


@dataclass(frozen=True)
class Sound:
    """A clip in an encoding, its bytes and how NVIDIA's clients declare it."""

    data: bytes
    declared: dict[str, int]


def resampled(rate: int) -> bytes:
    """The clip at another rate."""
    pcm = np.frombuffer(clip_pcm(SPOKEN), "<i2").astype(np.float32)
    at_rate: bytes = np.clip(np.rint(soxr.resample(pcm, 16_000, rate)), -32768, 32767).astype("<i2").tobytes()
    return at_rate


def g711(codec: str, rate: int = 8000) -> bytes:
    """The clip as a WAV file of A-law or mu-law."""
    return recorded(clip_pcm(SPOKEN), "wav", codec, rate)


def bare(file: bytes) -> bytes:
    return file[file.index(b"data") + 8 :]


SAMPLE_RATES = (8000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000)
FLAC_FILE = encoded(clip_pcm(SPOKEN), 44_100, container="flac")
OGG_FILE = encoded(clip_pcm(SPOKEN), 48_000, container="ogg")
SOUNDS = {
    **{f"{rate} Hz": Sound(resampled(rate), {"encoding": 1, "sample_rate_hertz": rate}) for rate in SAMPLE_RATES},
    "mu-law": Sound(bare(g711("pcm_mulaw")), {"encoding": 3, "sample_rate_hertz": 8000}),
    "A-law": Sound(bare(g711("pcm_alaw", 16_000)), {"encoding": 20, "sample_rate_hertz": 16_000}),
    "WAV of mu-law": Sound(g711("pcm_mulaw"), {}),
    "WAV of A-law": Sound(g711("pcm_alaw"), {"encoding": 20}),
    "WAV of two channels": Sound(wav(np.repeat(np.frombuffer(resampled(48_000), "<i2"), 2).tobytes(), 48_000, 2), {}),
    "FLAC": Sound(FLAC_FILE, {"encoding": 2, "sample_rate_hertz": 44_100}),
    "FLAC by its header": Sound(FLAC_FILE, {}),
    "Opus": Sound(OGG_FILE, {"encoding": 4, "sample_rate_hertz": 48_000}),
    "Opus by its header": Sound(OGG_FILE, {}),
}


@pytest.mark.parametrize("name", SOUNDS)
async def test_every_encoding_and_rate_gives_the_same_text(address: str, tmp_path: Path, name: str) -> None:
    sound = SOUNDS[name]
    path = tmp_path / "sound"
    path.write_bytes(sound.data)

    def use(client: Any) -> tuple[str, str]:
        config = streaming_config(**sound.declared)
        config.interim_results = False
        # A microphone sends bare samples in chunks of any size, a file is cut by NVIDIA's iterator.
        responses = stream(client, path, config)
        whole = client.offline_recognize(sound.data, config.config)
        return "".join(finals_of(responses)), "".join(result.alternatives[0].transcript for result in whole.results)

    streamed, recognized = await call(address, use)
    assert words_of(streamed) == words_of(recognized) == words_of(TEXTS[SPOKEN])


async def test_the_words_are_printed_with_times_and_speakers(address: str, tmp_path: Path) -> None:
    config = streaming_config(enable_word_time_offsets=True)
    responses = await call(address, lambda client: stream(client, QUICK, config))
    speakers = tmp_path / "quick"
    text = printed(
        responses,
        additional_info="time",
        word_time_offsets=True,
        speaker_diarization=True,
        seglst_output_file=str(speakers),
    )
    assert f"Transcript 0: {QUICK_TEXT}\nTimestamps:\n" in text
    rows = [line.split() for line in text.partition("Timestamps:\n")[2].splitlines()[1:]]
    assert [row[0] for row in rows] == QUICK_TEXT.split()
    assert all(int(row[1]) < int(row[2]) <= 3000 and 0 < float(row[3]) <= 1 and row[4] == "0" for row in rows)
    (turn,) = json.loads(speakers.with_suffix(".seglst.json").read_text())
    assert (turn["words"], turn["speaker"]) == (QUICK_TEXT, "speaker1")


async def test_stability_and_confidence_are_printed(address: str) -> None:
    responses = await call(address, lambda client: stream(client, CLIPS / "yes.wav", streaming_config()))
    *partial, final, confidence, end = printed(responses, additional_info="confidence").splitlines()
    # The partial is the early final, or the whole text if the audio ended before that.
    assert partial in ([">> yes", f"Stability:    {stability}", "----"] for stability in ("0.1000", "0.9000"))
    assert (final, confidence[:12], end) == ("## yes", "Confidence: ", "----")


async def test_the_models_are_listed_by_language(address: str) -> None:
    def use(client: Any) -> list[tuple[str, str]]:
        response = client.stub.GetRivaSpeechRecognitionConfig(asr.RivaSpeechRecognitionConfigRequest())
        online = (row for row in response.model_config if row.parameters["type"] == "online")
        return [(row.parameters["language_code"], row.model_name) for row in online]

    assert await call(address, use) == [("en-US", "whisper-tiny.en")]


async def test_an_unknown_language_is_refused_in_rivas_words(address: str) -> None:
    def use(client: Any) -> list[tuple[grpc.StatusCode, str | None]]:
        refusals = []
        config = streaming_config(language_code="ru-RU")
        calls: list[Callable[[], Any]] = [
            lambda: stream(client, QUICK, config),
            lambda: client.offline_recognize(QUICK.read_bytes(), config.config),
            lambda: client.offline_recognize(QUICK.read_bytes(), config.config, future=True).result(),
        ]
        for attempt in calls:
            with pytest.raises(grpc.RpcError) as caught:
                attempt()
            refusals.append((caught.value.code(), caught.value.details()))
        return refusals

    refusals = await call(address, use)
    sentence = "Error: Unavailable model requested. Lang: ru-RU, Type: "
    assert refusals == [
        (grpc.StatusCode.INVALID_ARGUMENT, sentence + mode) for mode in ("online", "offline", "offline")
    ]


class Metadata(grpc.aio.ServerInterceptor):
    """Writes down what the callers send along."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        self.seen += details.invocation_metadata
        return await continuation(details)


def transcribed(uri: str, **auth: Any) -> list[str]:
    with service(uri, **auth) as client:
        return finals_of(stream(client, CLIPS / "yes.wav", streaming_config()))


async def test_metadata_comes_along_with_and_without_tls(serving: Serving, certificates: Certificates) -> None:
    metadata_args = [["function-id", "niyosha"], ["authorization", "Bearer token"]]
    for options, auth in (
        (TlsOptions(), {}),
        (TlsOptions(certificates.certificate, certificates.key), {"ssl_root_cert": certificates.ca}),
    ):
        metadata = Metadata()
        async with serving(server_credentials(options), interceptors=(metadata,)) as uri:
            assert await asyncio.to_thread(transcribed, uri, metadata_args=metadata_args, **auth) == ["yes"]
        assert {tuple(each) for each in metadata_args} <= set(metadata.seen)


async def test_tls_with_a_root_certificate(serving: Serving, certificates: Certificates) -> None:
    options = TlsOptions(certificates.certificate, certificates.key)
    async with serving(server_credentials(options)) as uri:
        assert await asyncio.to_thread(transcribed, uri, ssl_root_cert=certificates.ca) == ["yes"]
        localhost = uri.replace("127.0.0.1", "localhost")
        assert await asyncio.to_thread(transcribed, localhost, use_ssl=True, ssl_root_cert=certificates.ca) == ["yes"]
        for auth in ({}, {"use_ssl": True}, {"ssl_root_cert": certificates.client_ca}):
            with pytest.raises(grpc.RpcError) as caught:
                await asyncio.to_thread(transcribed, uri, **auth)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_tls_with_client_certificates(serving: Serving, certificates: Certificates) -> None:
    options = TlsOptions(certificates.certificate, certificates.key, certificates.client_ca)
    root = {"ssl_root_cert": certificates.ca}
    known = {"ssl_client_cert": certificates.client_certificate, "ssl_client_key": certificates.client_key}
    unknown = {"ssl_client_cert": certificates.certificate, "ssl_client_key": certificates.key}
    async with serving(server_credentials(options)) as uri:
        assert await asyncio.to_thread(transcribed, uri, **root, **known) == ["yes"]
        for auth in ({}, unknown):
            with pytest.raises(grpc.RpcError) as caught:
                await asyncio.to_thread(transcribed, uri, **root, **auth)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_the_program_of_the_document_prints_what_it_heard(address: str) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", (DOCS / "engine.md").read_text(), re.DOTALL)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program.replace("127.0.0.1:50051", address),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    finals = [line for line in output.decode().splitlines() if line.startswith(("##", "Final transcript:"))]
    assert [" ".join(words_of(line.partition(" ")[2].removeprefix("transcript: "))) for line in finals] == [
        QUICK_TEXT
    ] * 2
