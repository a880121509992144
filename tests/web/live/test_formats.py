"""One recording in every format and every cut, through the live socket: the same words come back."""

import asyncio
import base64
import struct
from functools import cache
from io import BytesIO
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
import soxr
from jiwer import process_words

from tests.support.recognizers import ScriptedRecognizer
from tests.support.sounds import clip_pcm, clip_texts, cut, words_of
from tests.support.tiers import tiered
from tests.web.support.gateway import running_gateway
from tests.web.support.sockets import converse
from vad import SAMPLE_BYTES, SAMPLE_RATE

SILENCE = bytes(32000)
# Where the recognizer is the real one, it decodes all of them again in each of the ways.
NAMES = tiered(("harbour.wav", "quick.wav", "weather.wav"), tuple(sorted(clip_texts())))
NOISE = np.random.default_rng(7).bytes(30_000)
FFMPEG = {
    "FLAC": ("flac", "flac", 16_000),
    "MP3": ("mp3", "libmp3lame", 16_000),
    "OGG_OPUS": ("ogg", "libopus", 48_000),
    "WEBM_OPUS": ("webm", "libopus", 48_000),
    "MULAW": ("mulaw", "pcm_mulaw", 8_000),
    "ALAW": ("alaw", "pcm_alaw", 8_000),
}
WAV_TAGS = {"LINEAR16": 1, "ALAW": 6, "MULAW": 7}


@cache
def speech(rate: int = 16_000) -> npt.NDArray[np.int16]:
    """Clips with pauses between them, `int16[n_samples]`."""
    sound = b"".join(clip_pcm(name) + SILENCE for name in NAMES)
    resampled: npt.NDArray[np.int16] = soxr.resample(np.frombuffer(sound, "<i2"), 16_000, rate)
    return resampled


@cache
def encoded(encoding: str) -> bytes:
    """The speech as FFmpeg writes it; 64 kbit/s where that can be chosen."""
    container, codec, rate = FFMPEG[encoding]
    file = BytesIO()
    with av.open(file, "w", format=container) as output:
        stream: Any = output.add_stream(codec, rate=rate)
        stream.layout = "mono"
        stream.bit_rate = 64_000
        for start in range(0, len(speech(rate)), rate // 10):
            block = speech(rate)[start : start + rate // 10]
            frame = av.AudioFrame.from_ndarray(block.reshape(1, -1), "s16", "mono")
            frame.sample_rate, frame.pts = rate, start
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


def wav(samples: bytes, *, encoding: str = "LINEAR16", rate: int = 16_000, channels: int = 1) -> bytes:
    bits = 16 if encoding == "LINEAR16" else 8
    block = channels * bits // 8
    shape = struct.pack("<HHIIHH", WAV_TAGS[encoding], channels, rate, rate * block, block, bits)
    chunks = b"WAVEfmt " + struct.pack("<I", len(shape)) + shape + b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


async def results_of(server: str, data: bytes, query: str = "", sizes: tuple[int, ...] = (8000,)) -> list[str]:
    conversation = await converse(server, *cut(data, *sizes), "close", query=query)
    assert conversation.close_code == 1000, conversation.messages[-1]
    return [result["transcript"] for result in conversation.messages[-1]["results"]]


@pytest.fixture(scope="module")
def plain(server: str) -> list[str]:
    """The results for bare samples, one for each clip."""
    return asyncio.run(results_of(server, speech().astype("<i2").tobytes()))


def wrong_words(results: list[str]) -> tuple[int, float]:
    """How many words are wrong, and the word error rate in points."""
    reference = [word for name in NAMES for word in words_of(clip_texts()[name])]
    measured = process_words(" ".join(reference), " ".join(words_of(" ".join(results))))
    return measured.substitutions + measured.deletions + measured.insertions, 100 * float(measured.wer)


async def test_bare_samples_come_back_as_their_words(plain: list[str]) -> None:
    assert [words_of(result) for result in plain] == [words_of(clip_texts()[name]) for name in NAMES]


PCM = speech().astype("<i2").tobytes()
LOSSLESS = {
    "samples cut in two": (PCM, "", (3201,)),
    "small and large messages": (PCM, "audioTransfer=raw", (2, 7, 1_000_000, 31)),
    "base64": (base64.b64encode(PCM), "", (16_000,)),
    "base64 of each buffer": (b"".join(map(base64.b64encode, cut(PCM, 1000))), "", (1336,)),
    "base64 in lines, oddly cut": (base64.encodebytes(PCM), "audioTransfer=base64", (1, 4097, 100_000)),
    "WAV, its header in pieces": (wav(PCM), "", (1, 2, 3, 5, 8, 13, 21, 50_000)),
    "base64 of WAV": (base64.b64encode(wav(PCM)), "", (16_000,)),
    "WAV with the same on both sides": (wav(np.repeat(speech(), 2).tobytes(), channels=2), "", (10_001,)),
    "FLAC, oddly cut": (encoded("FLAC"), "audioEncoding=FLAC", (1, 777, 60_000)),
    "base64 of FLAC": (base64.b64encode(encoded("FLAC")), "audioEncoding=FLAC", (16_000,)),
}


async def heard_of(data: bytes, query: str = "", sizes: tuple[int, ...] = (8000,)) -> list[bytes]:
    """The samples that the recognizer gets, one for each utterance."""
    recognizer = ScriptedRecognizer()
    async with running_gateway(recognizer) as base:
        conversation = await converse(base, *cut(data, *sizes), "close", query=query)
    assert conversation.close_code == 1000, conversation.messages[-1]
    return [stream.pcm for stream in recognizer.streams]


@pytest.mark.virtual_time
@pytest.mark.parametrize("way", LOSSLESS)
async def test_a_lossless_way_changes_no_sample(way: str) -> None:
    data, query, sizes = LOSSLESS[way]
    assert await heard_of(data, query, sizes) == await heard_of(PCM)


@pytest.mark.parametrize("encoding", ["MP3", "OGG_OPUS", "WEBM_OPUS"])
async def test_a_lossy_way_costs_at_most_one_point(server: str, plain: list[str], encoding: str) -> None:
    results = await results_of(server, encoded(encoding), f"audioEncoding={encoding}", (999, 6000))
    assert wrong_words(results)[1] <= wrong_words(plain)[1] + 1.0


async def test_another_rate_changes_no_word(server: str) -> None:
    stereo = wav(np.repeat(speech(44_100), 2).tobytes(), rate=44_100, channels=2)
    assert wrong_words(await results_of(server, stereo, sizes=(100_000,)))[0] == 0


@pytest.fixture(scope="module")
def narrow(server: str) -> list[str]:
    """The results for bare samples at 8 kHz: without the upper half of the sound some words are lost to any codec."""
    return asyncio.run(results_of(server, speech(8_000).astype("<i2").tobytes(), "sampleRateHertz=8000"))


@pytest.mark.parametrize("encoding", ["MULAW", "ALAW"])
async def test_telephone_sound_costs_at_most_one_word(server: str, narrow: list[str], encoding: str) -> None:
    results = await results_of(server, encoded(encoding), f"audioEncoding={encoding}&sampleRateHertz=8000")
    assert len(results) == len(NAMES)
    assert wrong_words(results)[0] <= wrong_words(narrow)[0] + 1


@pytest.mark.virtual_time
@pytest.mark.parametrize("encoding", ["MULAW", "ALAW"])
async def test_telephone_sound_is_the_same_in_a_wav_file(encoding: str) -> None:
    data, query = encoded(encoding), f"audioEncoding={encoding}&sampleRateHertz=8000"
    bare = await heard_of(data, query)
    assert len(bare) == len(NAMES)
    assert await heard_of(wav(data, encoding=encoding, rate=8000), query) == bare


# --- what is not what it is said to be ---


@pytest.mark.virtual_time
@pytest.mark.parametrize("encoding", ["MP3", "FLAC", "OGG_OPUS", "WEBM_OPUS"])
async def test_noise_that_is_called_a_file_is_told_and_the_server_goes_on(encoding: str) -> None:
    async with running_gateway() as base:
        conversation = await converse(base, *cut(NOISE, 4000), "close", query=f"audioEncoding={encoding}")
        error = conversation.messages[-1]
        assert (conversation.close_code, error["type"], error["code"]) == (1007, "invalid_audio", 400)
        assert encoding in error["detail"]
        assert (await converse(base, clip_pcm("quick.wav"), "close")).transcript.startswith("w0")


@pytest.mark.virtual_time
async def test_a_file_that_is_not_declared_is_told_by_its_name() -> None:
    async with running_gateway() as base:
        conversation = await converse(base, *cut(encoded("FLAC"), 4000), "close")
    assert conversation.close_code == 1007
    assert conversation.messages[-1]["type"] == "invalid_audio"
    assert conversation.messages[-1]["detail"] == (
        "the audio is FLAC, but audioEncoding is LINEAR16; declare what is sent"
    )


@pytest.mark.virtual_time
async def test_a_file_that_breaks_off_is_recognized_as_far_as_it_goes() -> None:
    data, query = encoded("OGG_OPUS"), "audioEncoding=OGG_OPUS"
    whole, part = await heard_of(data, query), await heard_of(data[: len(data) * 3 // 4], query)
    assert len(whole) == len(NAMES)
    *complete, broken = part
    assert complete
    assert complete == whole[: len(complete)]
    # The resampler fades its last milliseconds out.
    end = len(broken) - 40 * SAMPLE_RATE // 1000 * SAMPLE_BYTES
    assert end > 0
    assert whole[len(complete)].startswith(broken[:end])
