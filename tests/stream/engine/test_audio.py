import struct
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.engine.audio import AudioError, AudioReader
from tests.stream.engine.support.calls import tone

PCM = bytes(range(200)) * 8


def wav(
    pcm: bytes, *, rate: int = 16_000, channels: int = 1, bits: int = 16, encoding: int = 1, size: int | None = None
) -> bytes:
    block = channels * bits // 8
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, encoding, channels, rate, rate * block, block, bits)
    note = struct.pack("<4sI", b"LIST", 3) + b"abc\0"
    data = struct.pack("<4sI", b"data", len(pcm) if size is None else size) + pcm
    return struct.pack("<4sI4s", b"RIFF", 4 + len(form) + len(note) + len(data), b"WAVE") + form + note + data


def read(sound: bytes, *, rate: int = 0, cuts: list[int] | None = None) -> bytes:
    reader = AudioReader(rate)
    edges = [0, *sorted(cuts or []), len(sound)]
    return b"".join(reader.push(sound[a:b]) for a, b in pairwise(edges)) + reader.flush()


cuts = st.lists(st.integers(0, 1700), max_size=12)


@given(cuts)
def test_raw_sound_passes_unchanged_however_it_is_cut(cuts: list[int]) -> None:
    assert read(PCM, rate=16_000, cuts=cuts) == PCM


@given(cuts)
def test_a_header_is_read_however_it_is_cut_and_what_follows_the_sound_is_dropped(cuts: list[int]) -> None:
    assert read(wav(PCM) + b"LIST\x04\0\0\0note", cuts=cuts) == PCM


@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF])
def test_a_header_without_a_length_has_sound_to_the_end(size: int) -> None:
    assert read(wav(PCM, size=size)) == PCM


@given(st.lists(st.integers(0, 16_000), max_size=6))
def test_the_rate_of_the_header_counts_and_cuts_do_not_matter(cuts: list[int]) -> None:
    sound = wav(tone(0.5), rate=8_000)
    resampled = read(sound, rate=44_100, cuts=cuts)
    assert len(resampled) == pytest.approx(2 * len(tone(0.5)), abs=2)
    assert resampled == read(sound)
    spectrum = np.abs(np.fft.rfft(np.frombuffer(resampled, "<i2")))
    assert spectrum.argmax() == 220  # 440 tones of 16 kHz at half the speed, over one second


def test_short_raw_sound_and_half_a_sample_at_its_end() -> None:
    assert read(b"RIF") == b"RI"
    assert read(b"") == b""
    assert read(PCM + b"x") == PCM


@pytest.mark.parametrize(
    ("sound", "rate", "sentence"),
    [
        (PCM, 8_000, "sample_rate_hertz is 8000; audio without a WAV header must have 16000"),
        (
            wav(PCM, bits=4, encoding=0x11),
            0,
            "the WAV header cannot be served: its format is 17 with 4 bits a sample; "
            "integers of 8, 16, 24, 32 or 64 bits, floats of 32 or 64, A-law and mu-law are served",
        ),
    ],
)
def test_sound_that_is_not_served_is_refused_with_a_sentence(sound: bytes, rate: int, sentence: str) -> None:
    with pytest.raises(AudioError) as caught:
        read(sound, rate=rate)
    assert str(caught.value) == sentence
