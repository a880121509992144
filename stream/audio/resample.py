"""Convert samples to 16 kHz PCM16, mixed down or channel by channel."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import soxr

from stream.audio.layout import sides, usual_layout
from stream.audio.mix import Mixer
from vad import SAMPLE_BYTES, SAMPLE_RATE

_Samples = npt.NDArray[np.float32]
_BLOCKS_PER_SECOND = 100
_FULL_SCALE = 32768.0


class Resampler:
    """Resamples interleaved `int16[n_frames * channels]` bytes at `rate` hertz, cut anywhere.

    The output has `kept` channels, 1 or 2, to which more are mixed down; `places` names the channels as for `Mixer`.
    With `first_only` it has the first channel alone.
    The mixer and soxr, which computes in float32, process blocks of fixed length, so that the output is the same,
    bit by bit, however the input was cut.
    """

    def __init__(
        self, rate: int, channels: int = 1, kept: int = 1, *, places: Sequence[str] = (), first_only: bool = False
    ) -> None:
        self._channels = channels
        self._columns = 1 if first_only else channels
        self._kept = kept
        self._unit_bytes = SAMPLE_BYTES * channels
        self._stream = None if rate == SAMPLE_RATE else soxr.ResampleStream(rate, SAMPLE_RATE, kept, dtype="float32")
        self._block_frames = rate // _BLOCKS_PER_SECOND
        self._block_bytes = self._unit_bytes * self._block_frames
        places = places or usual_layout(channels)
        self._mixers = [
            (columns, Mixer([places[column] for column in columns], self._block_frames, rate))
            for columns in (sides(places, kept) if self._columns > kept else [])
        ]
        self._remainder = bytearray()

    @property
    def is_passing(self) -> bool:
        """Whether whole samples would be returned as they are: mono at 16 kHz, and no part of a sample waits."""
        return self._stream is None and self._channels == 1 and not self._remainder

    def push(self, data: bytes) -> tuple[bytes, ...]:
        """Return the `int16[n_samples]` at 16 kHz that `data` completes, for each kept channel."""
        self._remainder += data
        step_bytes = self._unit_bytes if self._stream is None and not self._mixers else self._block_bytes
        whole_bytes = len(self._remainder) // step_bytes * step_bytes
        whole = bytes(self._remainder[:whole_bytes])
        del self._remainder[:whole_bytes]
        if self._stream is None:
            return (whole,) if self._channels == 1 else _split(self._mixed(whole))
        if not whole:
            return (b"",) * self._kept
        return self._resample(self._stream, whole)

    def flush(self) -> tuple[bytes, ...]:
        """Return the rest of each kept channel; half a sample at the very end is dropped."""
        rest = bytes(self._remainder[: len(self._remainder) // self._unit_bytes * self._unit_bytes])
        self._remainder.clear()
        if self._stream is not None:
            return self._resample(self._stream, rest, last=True)
        return (b"",) if self._channels == 1 else _split(self._mixed(rest))

    def _resample(self, stream: soxr.ResampleStream, data: bytes, *, last: bool = False) -> tuple[bytes, ...]:
        """Resample blocks one by one; what numpy does to each sample costs less for all of them at once."""
        if self._mixers:
            blocks = (data[start : start + self._block_bytes] for start in range(0, len(data), self._block_bytes))
            samples = np.concatenate([self._mixed(block) for block in blocks]) if data else self._mixed(data)
        else:
            samples = self._mixed(data)
        samples /= np.float32(_FULL_SCALE)
        starts = range(0, max(1, len(samples)), self._block_frames)
        resampled = [
            stream.resample_chunk(samples[start : start + self._block_frames], last=last and start == starts[-1])
            for start in starts
        ]
        return _split(np.concatenate(resampled) * np.float32(_FULL_SCALE))

    def _mixed(self, data: bytes) -> _Samples:
        """Read interleaved bytes as `float32[n_frames, kept]`."""
        frames = np.frombuffer(data, dtype="<i2").reshape(-1, self._channels)[:, : self._columns].astype(np.float32)
        if not self._mixers:
            return frames
        return np.concatenate([mixer.mix(frames[:, columns]) for columns, mixer in self._mixers], axis=1)


def _split(samples: _Samples) -> tuple[bytes, ...]:
    """Write each column as PCM16."""
    return tuple(_pcm16(column) for column in samples.T)


def _pcm16(samples: _Samples) -> bytes:
    pcm: bytes = np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes()
    return pcm
