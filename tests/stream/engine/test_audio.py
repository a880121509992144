import struct
import threading
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from riva.client.proto import riva_asr_pb2 as asr
from riva.client.proto import riva_audio_pb2 as audio

from stream.audio.pcm import decode_alaw, decode_mulaw
from stream.engine import audio as engine_audio
from stream.engine.audio import AudioError, AudioReader
from stream.engine.audio_options import audio_options
from tests.stream.audio.encoders import encoded
from tests.stream.engine.support.calls import tone
from tests.support.sounds import clip_pcm, cut
from tests.support.tiers import examples

PCM = clip_pcm("yes.wav")
UNSPECIFIED, LINEAR_PCM = audio.AudioEncoding.ENCODING_UNSPECIFIED, audio.AudioEncoding.LINEAR_PCM
LAWS = {audio.AudioEncoding.MULAW: (7, decode_mulaw), audio.AudioEncoding.ALAW: (6, decode_alaw)}
CODES = bytes(range(256)) * 20  # every code of G.711
FILES = {
    "FLAC": (audio.AudioEncoding.FLAC, encoded(PCM, container="flac")),
    "Ogg": (audio.AudioEncoding.OGGOPUS, encoded(PCM, 48_000, container="ogg")),
}
MP3 = encoded(PCM)


def wav(
    pcm: bytes, *, rate: int = 16_000, channels: int = 1, bits: int = 16, encoding: int = 1, size: int | None = None
) -> bytes:
    block = channels * bits // 8
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, encoding, channels, rate, rate * block, block, bits)
    note = struct.pack("<4sI", b"LIST", 3) + b"abc\0"
    data = struct.pack("<4sI", b"data", len(pcm) if size is None else size) + pcm
    return struct.pack("<4sI4s", b"RIFF", 4 + len(form) + len(note) + len(data), b"WAVE") + form + note + data


def read(*chunks: bytes, encoding: Any = UNSPECIFIED, rate: int = 0, channels: int = 0) -> bytes:
    config = asr.RecognitionConfig(encoding=encoding, sample_rate_hertz=rate, audio_channel_count=channels)
    reader = AudioReader(audio_options(config))
    try:
        steps = [step for chunk in chunks for step in reader.push(chunk)]
        return b"".join([*steps, *reader.flush()])
    finally:
        reader.close()


def refusal(*chunks: bytes, **options: Any) -> str:
    with pytest.raises(AudioError) as caught:
        read(*chunks, **options)
    return str(caught.value)


def interleaved(*channels: bytes) -> bytes:
    return np.stack([np.frombuffer(channel, "<i2") for channel in channels], axis=1).tobytes()


SENT = {
    "samples": (PCM, {"rate": 16_000}),
    "declared samples": (PCM, {"encoding": LINEAR_PCM}),
    "samples at 8 kHz": (PCM, {"rate": 8000}),
    "samples at 44.1 kHz": (PCM, {"rate": 44_100}),
    "two channels": (interleaved(PCM, PCM[::-1]), {"channels": 2, "rate": 48_000}),
    "zeros first": (bytes(20_000) + PCM, {}),
    "G.711": (CODES, {"encoding": audio.AudioEncoding.MULAW, "rate": 8000}),
    "WAV": (wav(PCM) + b"LIST\x04\0\0\0note", {"rate": 8000}),
    "FLAC": (FILES["FLAC"][1], {}),
    "Ogg": (FILES["Ogg"][1], {"encoding": audio.AudioEncoding.OGGOPUS}),
}
WHOLE = {name: read(sent, **options) for name, (sent, options) in SENT.items()}


@examples(100)
@given(st.sampled_from(list(SENT)), st.lists(st.integers(1, 5000), min_size=1, max_size=5))
def test_the_samples_are_the_same_however_the_bytes_are_cut(name: str, sizes: list[int]) -> None:
    sent, options = SENT[name]
    assert read(*cut(sent, *sizes), **options) == WHOLE[name]


def test_samples_at_16_khz_pass_unchanged() -> None:
    assert WHOLE["samples"] == WHOLE["declared samples"] == WHOLE["WAV"] == PCM
    assert WHOLE["zeros first"] == bytes(20_000) + PCM


@pytest.mark.parametrize("rate", [8000, 11_025, 12_000, 22_050, 24_000, 32_000, 44_100, 47_999, 48_000])
def test_samples_of_any_rate_are_resampled(rate: int) -> None:
    times = np.arange(rate) / rate
    sound = (10_000 * np.sin(2 * np.pi * 440 * times)).astype("<i2").tobytes()
    resampled = np.frombuffer(read(sound, encoding=LINEAR_PCM, rate=rate), "<i2")
    assert len(resampled) == pytest.approx(16_000, abs=2)
    assert np.abs(np.fft.rfft(resampled)).argmax() == 440
    assert np.abs(resampled).max() == pytest.approx(10_000, rel=0.05)


@pytest.mark.parametrize("encoding", LAWS)
def test_g711_is_decoded_with_and_without_a_header(encoding: Any) -> None:
    tag, decode = LAWS[encoding]
    assert read(CODES, encoding=encoding) == decode(CODES)
    file = wav(CODES, bits=8, encoding=tag)
    assert read(file, encoding=encoding) == read(file) == read(file, encoding=LINEAR_PCM) == decode(CODES)


@pytest.mark.parametrize("name", FILES)
def test_a_compressed_file_is_decoded_if_it_is_declared_or_nothing_is(name: str) -> None:
    encoding, file = FILES[name]
    sound = read(file, encoding=encoding, rate=44_100, channels=2)
    assert sound == read(file)
    assert len(sound) == pytest.approx(len(PCM), rel=0.02)
    assert name != "FLAC" or sound == PCM


@pytest.mark.parametrize(
    ("file", "name", "declared"),
    [
        *((FILES["FLAC"][1], "FLAC", encoding) for encoding in ("LINEAR_PCM", "MULAW", "ALAW", "OGGOPUS")),
        *((FILES["Ogg"][1], "Ogg", encoding) for encoding in ("LINEAR_PCM", "MULAW", "ALAW", "FLAC")),
        *((MP3[start:], "MP3", encoding) for encoding in ("LINEAR_PCM", "MULAW", "ALAW") for start in (0, 1000)),
    ],
)
@pytest.mark.parametrize("size", [1000, 1 << 20])
def test_a_file_that_is_not_what_was_declared_is_refused(file: bytes, name: str, declared: str, size: int) -> None:
    served = "LINEAR_PCM, FLAC, MULAW, OGGOPUS and ALAW are served"
    sentence = refusal(*cut(file, size), encoding=audio.AudioEncoding.Value(declared))
    assert sentence == f"the audio is {name}, but encoding is {declared}; {served}"


@pytest.mark.parametrize("declared", [audio.AudioEncoding.FLAC, audio.AudioEncoding.OGGOPUS])
@pytest.mark.parametrize("file", [MP3, MP3[1000:], PCM])
def test_what_is_no_file_of_the_declared_encoding_is_refused(file: bytes, declared: Any) -> None:
    assert refusal(file, encoding=declared).startswith("the audio cannot be decoded as ")


@pytest.mark.parametrize(
    ("file", "name"), [(MP3, "MP3"), (MP3[1000:], "MP3"), (encoded(PCM, 48_000, container="webm"), "WebM")]
)
def test_an_undeclared_file_of_an_encoding_that_is_not_served_is_refused(file: bytes, name: str) -> None:
    sentence = f"the audio is {name}; LINEAR_PCM, FLAC, MULAW, OGGOPUS and ALAW are served"
    assert refusal(*cut(file, 700)) == sentence


def test_a_file_is_detected_behind_a_tag_and_only_at_the_beginning() -> None:
    tag = b"ID3\x04\0\0\0\0\x00\x0a" + bytes(10)
    assert read(tag + FILES["FLAC"][1]) == PCM
    in_the_middle = PCM[:1000] + FILES["Ogg"][1]
    assert refusal(in_the_middle) == "the audio is Ogg; LINEAR_PCM, FLAC, MULAW, OGGOPUS and ALAW are served"


@examples(60)
@given(
    st.sampled_from([*(file for _, file in FILES.values()), MP3, wav(PCM), PCM]),
    st.sampled_from([UNSPECIFIED, LINEAR_PCM, *LAWS, *(encoding for encoding, _ in FILES.values())]),
    st.lists(st.tuples(st.integers(0, 20_000), st.binary(max_size=4)), max_size=5),
)
def test_damaged_bytes_give_samples_or_an_audio_error(
    file: bytes, encoding: Any, damages: list[tuple[int, bytes]]
) -> None:
    damaged = bytearray(file[:20_000])
    for place, damage in damages:
        damaged[place : place + len(damage)] = damage
    with suppress(AudioError):
        assert not len(read(bytes(damaged), encoding=encoding, rate=8000)) % 2
    assert "codec" not in {thread.name for thread in threading.enumerate()}


def test_the_first_of_several_channels_is_recognized() -> None:
    other = tone(len(PCM) / 32_000)[: len(PCM)]
    several = interleaved(PCM, other, other)
    assert read(several, channels=3) == read(wav(several, channels=3)) == PCM
    at_8000 = read(interleaved(PCM, other), channels=2, rate=8000)
    assert at_8000 == read(PCM, rate=8000)


@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF])
def test_a_header_without_a_length_has_sound_to_the_end(size: int) -> None:
    assert read(wav(PCM, size=size)) == PCM


def test_the_rate_of_the_header_counts() -> None:
    assert read(wav(PCM, rate=8000), rate=44_100) == read(PCM, rate=8000)


def test_short_samples_and_half_a_sample_at_the_end() -> None:
    assert read(b"RIF") == b"RI"
    assert read() == read(b"") == b""
    assert read(PCM + b"x") == PCM


def test_what_is_held_back_is_released_on_request() -> None:
    for sent, expected in ((b"ab", b"ab"), (bytes(320), bytes(320)), (b"", b"")):
        reader = AudioReader(audio_options(asr.RecognitionConfig()))
        assert b"".join(reader.push(sent)) == b""
        assert b"".join(reader.identify()) == expected
        assert b"".join([*reader.push(PCM), *reader.flush()]) == PCM


def test_work_without_samples_is_done_in_steps() -> None:
    reader = AudioReader(audio_options(asr.RecognitionConfig()))
    empty_chunks = wav(PCM)[:36] + struct.pack("<4sI", b"JUNK", 0) * 5000
    assert sum(not step for step in reader.push(empty_chunks)) > 10


def test_compressed_audio_is_bounded_in_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_audio, "_LONGEST_COMPRESSED_SECONDS", 1)
    silence = bytes(32_000 * 3)
    assert len(read(silence)) == len(silence)
    assert refusal(encoded(silence, container="flac")) == (
        "the audio is longer than 1 seconds; send the rest in another call"
    )


@pytest.mark.parametrize(
    ("sound", "encoding", "sentence"),
    [
        (
            wav(PCM, bits=4, encoding=0x11),
            LINEAR_PCM,
            "the audio is WAV with compressed sound, but encoding is LINEAR_PCM; "
            "LINEAR_PCM, FLAC, MULAW, OGGOPUS and ALAW are served",
        ),
        (
            wav(PCM),
            audio.AudioEncoding.MULAW,
            "the header of the audio says LINEAR_PCM, but encoding is MULAW; leave it out or make them agree",
        ),
        (
            b"<html><body>404 Not Found</body></html>" * 3,
            LINEAR_PCM,
            "the audio is a text: <html><body>404 Not Found</body></html><html><body>404 Not F...; "
            "LINEAR_PCM, FLAC, MULAW, OGGOPUS and ALAW are served",
        ),
        (
            FILES["FLAC"][1][:42],
            audio.AudioEncoding.FLAC,
            "the audio cannot be decoded as FLAC: it does not begin as it must",
        ),
    ],
)
def test_audio_that_is_not_served_is_refused_with_a_sentence(sound: bytes, encoding: Any, sentence: str) -> None:
    assert refusal(sound, encoding=encoding) == sentence
