"""Owns the way from a client's samples to 16 kHz mono PCM16."""

import numpy as np
import numpy.typing as npt
import soxr

from vad import SAMPLE_BYTES, SAMPLE_RATE

_BLOCKS_PER_SECOND = 100
_FULL_SCALE = 32768.0


class Resampler:
    """Takes interleaved `int16[n_frames * channels]` bytes at `rate` hertz in any cut; stereo is mixed down.

    soxr works in float32 on blocks of fixed length, so that its output is the same, bit by bit,
    however the input was cut.
    """

    def __init__(self, rate: int, channels: int = 1) -> None:
        self._channels = channels
        self._unit_bytes = SAMPLE_BYTES * channels
        self._stream = None if rate == SAMPLE_RATE else soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")
        self._block_bytes = self._unit_bytes * (rate // _BLOCKS_PER_SECOND)
        self._remainder = bytearray()

    def push(self, data: bytes) -> bytes:
        """Return the `int16[n_samples]` at 16 kHz that `data` completes."""
        self._remainder += data
        step_bytes = self._unit_bytes if self._stream is None else self._block_bytes
        whole_bytes = len(self._remainder) // step_bytes * step_bytes
        whole = bytes(self._remainder[:whole_bytes])
        del self._remainder[:whole_bytes]
        if self._stream is None:
            return self._mono(whole) if self._channels > 1 else whole
        return b"".join(
            self._resample(whole[start : start + step_bytes]) for start in range(0, whole_bytes, step_bytes)
        )

    def flush(self) -> bytes:
        """Return the rest; half a sample at the very end is dropped."""
        rest = bytes(self._remainder[: len(self._remainder) // self._unit_bytes * self._unit_bytes])
        self._remainder.clear()
        return b"" if self._stream is None else self._resample(rest, last=True)

    def _resample(self, block: bytes, *, last: bool = False) -> bytes:
        assert self._stream is not None  # noqa: S101
        samples = np.frombuffer(self._mono(block), dtype="<i2").astype(np.float32) / _FULL_SCALE
        return _pcm16(self._stream.resample_chunk(samples, last=last) * _FULL_SCALE)

    def _mono(self, data: bytes) -> bytes:
        if self._channels == 1:
            return data
        frames = np.frombuffer(data, dtype="<i2").reshape(-1, self._channels)
        return _pcm16(frames.mean(axis=1, dtype=np.float32))


def _pcm16(samples: npt.NDArray[np.float32]) -> bytes:
    pcm: bytes = np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes()
    return pcm
