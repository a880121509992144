import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.audio.format import Encoding
from stream.audio.wav import WavFormat, WavReader
from stream.errors import ClientError, Problem

SOUND = bytes(range(50, 250))


def wav(
    sound: bytes = SOUND,
    *,
    rate: int = 16000,
    channels: int = 1,
    tag: int = 1,
    bits: int = 16,
    length: int | None = None,
    before: bytes = b"",
    after: bytes = b"",
) -> bytes:
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, tag, channels, rate, rate * 2, 2, bits)
    data = struct.pack("<4sI", b"data", len(sound) if length is None else length) + sound
    body = b"WAVE" + before + fmt + data + after
    return b"RIFF" + struct.pack("<I", len(body)) + body


def read(*pieces: bytes) -> tuple[bytes, WavFormat | None]:
    reader = WavReader()
    sound = b"".join(part for piece in pieces for part in reader.push(piece))
    return sound + reader.flush(), reader.format


def in_pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 3, 44, 1000])
def test_the_header_is_read_and_only_sound_comes_out(size: int) -> None:
    clip = wav(rate=22050, channels=2, before=b"LIST\x03\x00\x00\x00abc\x00", after=b"LIST\x04\x00\x00\x00abcd")
    assert read(*in_pieces(clip, size)) == (SOUND, WavFormat(Encoding.LINEAR16, 22050, 2))


@given(st.binary(max_size=300), st.integers(1, 50))
def test_headerless_samples_pass_unchanged(data: bytes, size: int) -> None:
    if not data.startswith(b"RIFF"):
        assert read(*in_pieces(data, size)) == (data, None)


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF, 2_000_000_000])
def test_a_length_that_was_never_filled_in_or_lies_upwards_takes_all_that_comes(length: int) -> None:
    assert read(wav(length=length))[0] == SOUND


def test_sound_goes_on_after_a_length_that_counted_the_first_buffer_only() -> None:
    assert read(wav(length=100))[0] == SOUND


def test_an_extensible_format_of_16_bits_is_read() -> None:
    assert read(wav(tag=0xFFFE))[1] == WavFormat(Encoding.LINEAR16, 16000, 1)


@pytest.mark.parametrize("size", range(4, 44))
def test_a_truncated_header_yields_no_sound(size: int) -> None:
    assert read(wav()[:size])[0] == b""


@pytest.mark.fault(19)
@pytest.mark.parametrize(
    ("clip", "what"),
    [
        (
            wav(tag=3, bits=32),
            "its format is 3 with 32 bits a sample; it must be PCM (1) with 16 bits, or A-law (6) or mu-law (7) with 8",
        ),
        (
            wav(bits=8),
            "its format is 1 with 8 bits a sample; it must be PCM (1) with 16 bits, or A-law (6) or mu-law (7) with 8",
        ),
        (wav(channels=8), "it has 8 channels; it must have 1 or 2"),
        (wav(rate=192000), "its sample rate is 192000; it must be between 8000 and 48000"),
        (b"RIFF\0\0\0\0WAVEfmt \x02\0\0\0", "its format chunk has 2 bytes; it must have at least 16"),
        (b"RIFF\0\0\0\0AVI LIST", "the file is RIFF, but not WAVE"),
        (b"RIFF\0\0\0\0WAVEdata\x02\0\0\0", "its data come before its format"),
    ],
)
def test_a_header_that_cannot_be_served_is_refused(clip: bytes, what: str) -> None:
    with pytest.raises(ClientError) as caught:
        read(clip)
    assert caught.value.problem is Problem.INVALID_AUDIO
    assert caught.value.detail == f"the WAV header cannot be served: {what}"


@given(st.binary(max_size=200), st.integers(1, 40))
def test_no_bytes_after_the_magic_do_worse_than_a_clear_error(data: bytes, size: int) -> None:
    try:
        read(*in_pieces(b"RIFF\0\0\0\0WAVE" + data, size))
    except ClientError as error:
        assert error.problem is Problem.INVALID_AUDIO
