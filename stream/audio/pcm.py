"""Convert samples of any width, and G.711, to PCM16.

G.711: ITU-T Recommendation G.711 (11/88), tables 1a to 2b: a sign, a segment of 3 bits and a step of 4 bits. Decoded
values have 14 bits (mu-law) and 13 bits (A-law); they are scaled to the full 16 bits, as is usual.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stream.audio.format import Encoding

# Format tags of WAVEFORMATEX (mmreg.h).
_INTEGER, _FLOAT, _ALAW_TAG, _MULAW_TAG = 1, 3, 6, 7
COMPRESSED_MESSAGE = "integers of 8, 16, 24, 32 or 64 bits, floats of 32 or 64, A-law and mu-law are served"


@dataclass(frozen=True, slots=True)
class SampleFormat:
    """A sample format: `sample_bytes` a sample, and the conversion to `int16[n_samples]` little-endian."""

    encoding: Encoding
    sample_bytes: int
    to_pcm16: Callable[[bytes], bytes]


def sample_format(tag: int, sample_bytes: int) -> SampleFormat | None:
    """Return the format for a WAV format tag and sample width; None for compressed or unknown ones."""
    convert = _CONVERTERS.get((tag, sample_bytes))
    encoding = {_ALAW_TAG: Encoding.ALAW, _MULAW_TAG: Encoding.MULAW}.get(tag, Encoding.LINEAR16)
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


_SIGN = 0x80
# In transmission mu-law inverts every bit and A-law every even bit, to break up long runs of zeros.
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

_CONVERTERS: dict[tuple[int, int], Callable[[bytes], bytes]] = {
    (_INTEGER, 1): _unsigned,
    (_INTEGER, 2): bytes,
    (_INTEGER, 3): lambda data: _highest(data, 3),
    (_INTEGER, 4): lambda data: _highest(data, 4),
    (_INTEGER, 8): lambda data: _highest(data, 8),
    (_FLOAT, 4): lambda data: _float(data, "<f4"),
    (_FLOAT, 8): lambda data: _float(data, "<f8"),
    (_ALAW_TAG, 1): decode_alaw,
    (_MULAW_TAG, 1): decode_mulaw,
}
