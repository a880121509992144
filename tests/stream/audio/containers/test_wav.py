import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.audio.containers.wav import WavFormat, WavReader
from stream.audio.format import Encoding
from stream.audio.layout import Shape
from stream.audio.pcm import decode_alaw, decode_mulaw
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
    return sound + b"".join(reader.flush()), reader.format


def in_pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 3, 44, 1000])
def test_the_header_is_read_and_only_sound_comes_out(size: int) -> None:
    clip = wav(rate=22050, channels=2, before=b"LIST\x03\x00\x00\x00abc\x00", after=b"LIST\x04\x00\x00\x00abcd")
    assert read(*in_pieces(clip, size)) == (SOUND, WavFormat(Encoding.LINEAR16, Shape(22050, 2, ("FL", "FR"))))


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
    assert read(wav(tag=0xFFFE))[1] == WavFormat(Encoding.LINEAR16, Shape(16000, 1, ("FC",)))


@pytest.mark.parametrize("size", range(4, 44))
def test_a_truncated_header_yields_no_sound(size: int) -> None:
    assert read(wav()[:size])[0] == b""


@pytest.mark.fault(19)
@pytest.mark.parametrize(
    ("clip", "what"),
    [
        (
            wav(tag=0x11, bits=4),
            "its format is 17 with 4 bits a sample; integers of 8, 16, 24, 32 or 64 bits, floats of 32 or 64, "
            "A-law and mu-law are served",
        ),
        (wav(channels=65), "it has 65 channels; it must have 1 to 64"),
        (wav(rate=999), "its sample rate is 999; it must be between 1000 and 768000"),
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


SAMPLES = np.array([0, 256, -256, 32512, -32768], "<i2")


def extensible(sound: bytes, tag: int, bits: int) -> bytes:
    guid = struct.pack("<H", tag) + bytes.fromhex("000000001000800000aa00389b71")
    fmt = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 16000, 16000 * bits // 8, bits // 8, bits, 22, bits, 4) + guid
    body = b"WAVEfmt " + struct.pack("<I", len(fmt)) + fmt + b"data" + struct.pack("<I", len(sound)) + sound
    return b"RIFF" + struct.pack("<I", len(body)) + body


def padded(bytes_before: int) -> bytes:
    """Sixteen bits as the highest of an integer."""
    low = np.zeros((len(SAMPLES), bytes_before), np.uint8)
    return np.hstack([low, SAMPLES.view(np.uint8).reshape(-1, 2)]).tobytes()


WIDTHS = [
    ((SAMPLES >> 8).astype(np.int16) + 128).astype(np.uint8).tobytes(),
    padded(0),
    padded(1),
    padded(2),
    (SAMPLES / 32768).astype("<f4").tobytes(),
    (SAMPLES / 32768).astype("<f8").tobytes(),
]


@pytest.mark.parametrize("size", [1, 5, 1000])
@pytest.mark.parametrize(
    ("sound", "tag", "bits"), list(zip(WIDTHS, (1, 1, 1, 1, 3, 3), (8, 16, 24, 32, 32, 64), strict=True))
)
def test_samples_of_any_width_become_16_bits(sound: bytes, tag: int, bits: int, size: int) -> None:
    for clip in (wav(sound, tag=tag, bits=bits), extensible(sound, tag, bits)):
        assert read(*in_pieces(clip, size))[0] == SAMPLES.tobytes()


def test_floats_beyond_full_scale_are_clipped_and_no_number_is_silence() -> None:
    sound = np.array([2.0, -2.0, np.nan, np.inf], "<f4").tobytes()
    assert np.frombuffer(read(wav(sound, tag=3, bits=32))[0], "<i2").tolist() == [32767, -32768, 0, 32767]


def test_telephone_samples_become_16_bits() -> None:
    assert read(wav(b"\xff\x00", tag=7, bits=8))[0] == decode_mulaw(b"\xff\x00")
    assert read(wav(b"\xd5\x00", tag=6, bits=8))[0] == decode_alaw(b"\xd5\x00")


def rf64(sound: bytes, mark: bytes = b"RF64") -> bytes:
    ds64 = b"ds64" + struct.pack("<IQQQI", 28, 0, len(sound), len(sound) // 2, 0)
    return mark + b"\xff" * 4 + b"WAVE" + ds64 + wav(sound, length=0xFFFFFFFF)[12:]


def w64(sound: bytes) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        guid = name + bytes.fromhex("f3acd3118cd100c04f8edb8a")
        return guid + struct.pack("<Q", 24 + len(body)) + body + bytes(-len(body) % 8)

    body = b"wave" + bytes.fromhex("f3acd3118cd100c04f8edb8a")
    body += chunk(b"fmt ", wav()[20:36]) + chunk(b"data", sound)
    return b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000") + struct.pack("<Q", 24 + len(body)) + body


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("clip", [rf64(SOUND), rf64(SOUND, b"BW64"), w64(SOUND), rf64(SOUND) + b"LIST\2\0\0\0ab"])
def test_64_bit_families_are_read(clip: bytes, size: int) -> None:
    assert read(*in_pieces(clip, size))[0] == SOUND


@pytest.mark.parametrize("size", [1, 3, 44, 1000])
@pytest.mark.parametrize("length", [None, 0, 0xFFFFFFFF, 1 << 30])
def test_wav_files_in_a_row_are_read_to_the_last_ones_end(length: int | None, size: int) -> None:
    assert read(*in_pieces(wav(length=length) * 3 + w64(SOUND) + rf64(SOUND), size))[0] == SOUND * 5


def test_each_file_of_a_row_has_its_own_format() -> None:
    reader = WavReader()
    found = [(part, reader.format) for part in reader.push(wav() + wav(rate=8000, channels=2) + bytes(60))]
    assert [(shape.shape.sample_rate_hertz, shape.shape.channels) for _, shape in found[:2] if shape] == [
        (16000, 1),
        (8000, 2),
    ]


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("pad", [b"", b"\0"])
def test_pad_bytes_are_taken_as_they_are(pad: bytes, size: int) -> None:
    odd = b"LIST\x05\0\0\0INFOx" + pad
    assert read(*in_pieces(wav(before=odd), size))[0] == SOUND
    eight_bits = wav(b"\x80\x90\xa0", bits=8)
    assert read(*in_pieces(eight_bits + pad + eight_bits, size))[0] == 2 * np.array([0, 4096, 8192], "<i2").tobytes()


def test_a_chunk_whose_length_lies_hides_no_sound() -> None:
    lying = wav()[:36] + b"LIST\x04\0\0\0INFO\1\2\3" + wav()[36:]
    assert read(lying)[0] == SOUND
    assert read(wav()[:36] + b"LIST\xff\xff\xff\xff" + wav()[36:])[0] == SOUND


def test_many_small_files_are_read_in_linear_time_and_headers_alone_are_refused() -> None:
    many = wav(b"ab") * 3000
    assert read(many)[0] == b"ab" * 3000
    with pytest.raises(ClientError, match="1000 headers in a row without sound"):
        read(wav(b"", length=0) * 1001)
