"""Samples of any width, as WAV files hold them, to PCM16."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stream.audio.format import Encoding
from stream.audio.g711 import decode_alaw, decode_mulaw

_INTEGER, _FLOAT, _ALAW, _MULAW = 1, 3, 6, 7
COMPRESSED_MESSAGE = "integers of 8, 16, 24, 32 or 64 bits, floats of 32 or 64, A-law and mu-law are served"


@dataclass(frozen=True, slots=True)
class SampleFormat:
    """How a sample is written: `sample_bytes` for each, and what makes `int16[n]` little-endian of them."""

    encoding: Encoding
    sample_bytes: int
    to_pcm16: Callable[[bytes], bytes]


def sample_format(tag: int, sample_bytes: int) -> SampleFormat | None:
    """What a WAV format tag means with so many bytes a sample; None for what is compressed or unknown."""
    convert = _CONVERTERS.get((tag, sample_bytes))
    encoding = {_ALAW: Encoding.ALAW, _MULAW: Encoding.MULAW}.get(tag, Encoding.LINEAR16)
    return None if convert is None else SampleFormat(encoding, sample_bytes, convert)


def _unsigned(data: bytes) -> bytes:
    return ((np.frombuffer(data, np.uint8).astype("<i2") - 128) << 8).tobytes()


def _highest(data: bytes, sample_bytes: int) -> bytes:
    """Keep the two highest bytes of little-endian integers."""
    return np.frombuffer(data, np.uint8).reshape(-1, sample_bytes)[:, -2:].tobytes()


def _float(data: bytes, kind: str) -> bytes:
    samples = np.nan_to_num(np.frombuffer(data, kind).astype(np.float64), nan=0.0)
    with np.errstate(over="ignore"):
        return np.clip(np.rint(samples * 32768.0), -32768, 32767).astype("<i2").tobytes()


_CONVERTERS: dict[tuple[int, int], Callable[[bytes], bytes]] = {
    (_INTEGER, 1): _unsigned,
    (_INTEGER, 2): bytes,
    (_INTEGER, 3): lambda data: _highest(data, 3),
    (_INTEGER, 4): lambda data: _highest(data, 4),
    (_INTEGER, 8): lambda data: _highest(data, 8),
    (_FLOAT, 4): lambda data: _float(data, "<f4"),
    (_FLOAT, 8): lambda data: _float(data, "<f8"),
    (_ALAW, 1): decode_alaw,
    (_MULAW, 1): decode_mulaw,
}
