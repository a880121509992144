"""Encoded sound for tests, made by FFmpeg from PCM."""

from typing import Any

import av
import numpy as np


class _Sink:
    """A pipe: what an encoder writes to it cannot be filled in later."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> int:
        self.written += data
        return len(data)


def encoded(
    pcm: bytes, rate: int = 16_000, container: str = "mp3", options: dict[str, str] | None = None, bits: int = 64_000
) -> bytes:
    """Encode `int16[n_samples]` at 16 kHz, resampled to `rate`; `container` is mp3, flac, ogg or webm."""
    codec = {"mp3": "libmp3lame", "flac": "flac"}.get(container, "libopus")
    sink: Any = _Sink()
    with av.open(sink, "w", format=container, options=options or {}) as output:
        stream: Any = output.add_stream(codec, rate=rate)
        stream.layout = "mono"
        stream.bit_rate = bits
        resampler = av.AudioResampler(stream.format.name, "mono", rate, stream.frame_size or 1152)
        frame = av.AudioFrame.from_ndarray(np.frombuffer(pcm, "<i2").reshape(1, -1), "s16", "mono")
        frame.sample_rate = 16_000
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    return bytes(sink.written)
