"""Owns the chain from a client's binary messages to 16 kHz mono PCM16."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from stream.audio.base64 import TEXT, Base64Decoder
from stream.audio.resample import Resampler
from stream.audio.wav import WavReader
from stream.errors import ClientError, Problem

# Enough to tell text from samples: sound has all 16 bytes among these 68 characters once in 10^9 times.
_SNIFF_BYTES = 16


class AudioTransfer(Enum):
    """How samples travel inside binary messages."""

    AUTO = "auto"
    RAW = "raw"
    BASE64 = "base64"


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """What the configuration says of the audio; a rate that the client did not name yields to a WAV header."""

    transfer: AudioTransfer = AudioTransfer.AUTO
    sample_rate_hertz: int = 16_000
    rate_is_explicit: bool = False


class AudioDecoder:
    """Decodes one connection's audio; the output depends on the bytes alone, never on their cuts.

    Raises ClientError (`invalid_audio`) after the samples that came before the fault.
    """

    def __init__(self, audio_format: AudioFormat) -> None:
        self._format = audio_format
        self._transfer = audio_format.transfer
        self._sniffed = b""
        self._base64 = Base64Decoder()
        self._wav = WavReader()
        self._resampler: Resampler | None = None

    def push(self, message: bytes) -> Iterator[bytes]:
        """Yield `int16[n_samples]` at 16 kHz."""
        if self._transfer is AudioTransfer.AUTO:
            self._sniffed += message
            if len(self._sniffed) < _SNIFF_BYTES:
                return
            message = self._decide()
        yield from self._transferred(message)

    def flush(self) -> Iterator[bytes]:
        """Yield what was held back at the end of the audio."""
        if self._transfer is AudioTransfer.AUTO and self._sniffed:
            yield from self._transferred(self._decide())
        if self._transfer is AudioTransfer.BASE64:
            yield from self._samples(self._base64.flush())
        yield from self._resampled(self._wav.flush())
        if self._resampler is not None:
            yield self._resampler.flush()

    def _decide(self) -> bytes:
        sniffed, self._sniffed = self._sniffed, b""
        foreign = sniffed[:_SNIFF_BYTES].translate(None, TEXT)
        self._transfer = AudioTransfer.RAW if foreign else AudioTransfer.BASE64
        return sniffed

    def _transferred(self, message: bytes) -> Iterator[bytes]:
        if self._transfer is AudioTransfer.RAW:
            yield from self._samples(message)
            return
        for decoded in self._base64.push(message):
            yield from self._samples(decoded)

    def _samples(self, data: bytes) -> Iterator[bytes]:
        for samples in self._wav.push(data):
            yield from self._resampled(samples)

    def _resampled(self, samples: bytes) -> Iterator[bytes]:
        if not samples:
            return
        if self._resampler is None:
            self._resampler = self._make_resampler()
        yield self._resampler.push(samples)

    def _make_resampler(self) -> Resampler:
        declared = self._format.sample_rate_hertz
        header = self._wav.format
        if header is None:
            return Resampler(declared)
        if self._format.rate_is_explicit and header.sample_rate_hertz != declared:
            raise ClientError(
                Problem.INVALID_AUDIO,
                f"the WAV header says {header.sample_rate_hertz} Hz, but sampleRateHertz is {declared}; "
                "leave sampleRateHertz out or make them agree",
            )
        return Resampler(header.sample_rate_hertz, header.channels)
