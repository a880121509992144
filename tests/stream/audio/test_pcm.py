from collections.abc import Callable

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.audio.pcm import decode_alaw, decode_mulaw

ALL_CODES = bytes(range(256))


def ffmpeg(codec: str, data: bytes) -> bytes:
    decoder = av.CodecContext.create(codec, "r")
    assert isinstance(decoder, av.AudioCodecContext)
    decoder.sample_rate, decoder.layout = 8000, "mono"
    (frame,) = decoder.decode(av.Packet(data))
    return frame.to_ndarray().astype("<i2").tobytes()


@pytest.mark.parametrize(
    ("code", "sample"),
    [(0x00, -32124), (0x80, 32124), (0x7F, 0), (0xFF, 0), (0x7E, -8), (0xFE, 8), (0x0F, -16764), (0xEF, 132)],
)
def test_mulaw_vectors(code: int, sample: int) -> None:
    assert np.frombuffer(decode_mulaw(bytes([code])), "<i2").tolist() == [sample]


@pytest.mark.parametrize(
    ("code", "sample"),
    [(0x55, -8), (0xD5, 8), (0x2A, -32256), (0xAA, 32256), (0x45, -264), (0xC5, 264), (0x54, -24), (0x80, 5504)],
)
def test_alaw_vectors(code: int, sample: int) -> None:
    assert np.frombuffer(decode_alaw(bytes([code])), "<i2").tolist() == [sample]


@pytest.mark.parametrize(("decode", "codec"), [(decode_mulaw, "pcm_mulaw"), (decode_alaw, "pcm_alaw")])
def test_every_code_decodes_as_ffmpeg_decodes_it(decode: Callable[[bytes], bytes], codec: str) -> None:
    assert decode(ALL_CODES) == ffmpeg(codec, ALL_CODES)


@given(st.binary(), st.binary())
def test_each_byte_is_one_sample_whatever_the_cut(first: bytes, second: bytes) -> None:
    for decode in (decode_mulaw, decode_alaw):
        assert decode(first) + decode(second) == decode(first + second)
        assert len(decode(first)) == 2 * len(first)
