"""Owns G.711: one byte a sample, mu-law or A-law, to PCM16.

ITU-T Recommendation G.711 (11/88), tables 1a to 2b: a sign, a segment of 3 bits and a step of 4 bits. Decoded values
have 14 bits (mu-law) and 13 bits (A-law); they are scaled to the full 16, as everywhere else.
"""

import numpy as np
import numpy.typing as npt

_SIGN = 0x80
# On the line mu-law inverts every bit and A-law every even bit, to break up long runs of zeros.
_MULAW_INVERTED = 0xFF
_ALAW_INVERTED = 0x55
_MULAW_BIAS = 33
_MULAW_UNIT = 4
_ALAW_UNIT = 8


def decode_mulaw(data: bytes) -> bytes:
    """Return `int16[n_samples]` little-endian, one sample for each mu-law byte."""
    return _decode(data, _MULAW)


def decode_alaw(data: bytes) -> bytes:
    """Return `int16[n_samples]` little-endian, one sample for each A-law byte."""
    return _decode(data, _ALAW)


def _decode(data: bytes, table: npt.NDArray[np.int16]) -> bytes:
    pcm: bytes = table[np.frombuffer(data, np.uint8)].tobytes()
    return pcm


def _mulaw_table() -> npt.NDArray[np.int16]:
    codes = np.arange(256) ^ _MULAW_INVERTED
    segment, step = codes >> 4 & 7, codes & 15
    size = (2 * step + _MULAW_BIAS << segment) - _MULAW_BIAS
    return np.where(codes & _SIGN, -size, size).astype("<i2") * np.int16(_MULAW_UNIT)


def _alaw_table() -> npt.NDArray[np.int16]:
    codes = np.arange(256) ^ _ALAW_INVERTED
    segment, step = codes >> 4 & 7, codes & 15
    # The first two segments share one slope.
    size = np.where(segment == 0, 2 * step + 1, 2 * step + 33 << np.maximum(segment - 1, 0))
    return np.where(codes & _SIGN, size, -size).astype("<i2") * np.int16(_ALAW_UNIT)


_MULAW = _mulaw_table()
_ALAW = _alaw_table()
