"""Encoded sound for tests, made by FFmpeg from PCM."""

import io
from fractions import Fraction
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


def recorded(
    pcm: bytes,
    container: str,
    codec: str,
    rate: int = 48_000,
    *,
    at: float = 0.0,
    pause: tuple[float, float] = (0.0, 0.0),
) -> bytes:
    """Encode `int16[n_samples]` at 16 kHz to a whole file of any container, its sound from second `at` on.

    After `pause[0]` seconds of it the timestamps leave out `pause[1]`.
    """
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream: Any = output.add_stream(codec, rate=rate)
        stream.layout = "mono"
        resampler = av.AudioResampler(stream.format.name, "mono", rate, stream.frame_size or 1152)
        frame = av.AudioFrame.from_ndarray(np.frombuffer(pcm, "<i2").reshape(1, -1), "s16", "mono")
        frame.sample_rate = 16_000
        position = 0
        packets = []
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            part.pts, part.time_base = position, Fraction(1, rate)
            position += part.samples
            packets += stream.encode(part)
        for packet in [*packets, *stream.encode(None)]:
            seconds = packet.pts * packet.time_base
            late = Fraction(at) + (Fraction(pause[1]) if seconds > pause[0] else 0)
            packet.pts += round(late / packet.time_base)
            packet.dts = packet.pts
            output.mux(packet)
    return file.getvalue()
