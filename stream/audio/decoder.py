"""Owns the chain from a client's binary messages to 16 kHz PCM16, one stream of samples for each channel."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from stream.audio.base64 import TEXT, Base64Decoder
from stream.audio.format import AudioFormat, AudioTransfer, Encoding
from stream.audio.g711 import decode_alaw, decode_mulaw
from stream.audio.resample import Resampler
from stream.audio.wav import WavReader
from stream.errors import ClientError, Problem

if TYPE_CHECKING:
    from stream.audio.codecs import CodecDecoder

# Enough to tell text from samples: sound has all 16 bytes among these 68 characters once in 10^9 times.
_SNIFF_BYTES = 16
_MAGIC = {
    b"RIFF": ("WAV", (Encoding.LINEAR16, Encoding.MULAW, Encoding.ALAW)),
    b"fLaC": ("FLAC", (Encoding.FLAC,)),
    b"OggS": ("Ogg", (Encoding.OGG_OPUS,)),
    b"\x1aE\xdf\xa3": ("WebM", (Encoding.WEBM_OPUS,)),
    b"ID3\x03": ("MP3", (Encoding.MP3,)),
    b"ID3\x04": ("MP3", (Encoding.MP3,)),
}
_MAGIC_BYTES = 4
_TO_PCM16: dict[Encoding, Callable[[bytes], bytes]] = {Encoding.MULAW: decode_mulaw, Encoding.ALAW: decode_alaw}
# The rate of these is the decoder's, whatever the configuration says.
_RATE_IS_THE_DECODERS = (Encoding.MP3, Encoding.OGG_OPUS, Encoding.WEBM_OPUS)

Samples = tuple[bytes, ...]
"""`int16[n_samples]` at 16 kHz for each channel, all of the same length."""


class AudioDecoder:
    """Decodes one connection's audio; the output depends on the bytes alone, never on their cuts.

    Raises ClientError (`invalid_audio`) after the samples that came before the fault. `close` it in the end.
    """

    def __init__(self, audio_format: AudioFormat) -> None:
        self._format = audio_format
        self._transfer = audio_format.transfer
        if self._transfer is AudioTransfer.AUTO and audio_format.encoding in _TO_PCM16:
            # Every byte is a sample there, and telephone silence is made of letters.
            self._transfer = AudioTransfer.RAW
        self._sniffed = b""
        self._base64 = Base64Decoder()
        self._head: bytes | None = b""
        self._wav = WavReader()
        self._codec = _codec(audio_format.encoding)
        self._resampler: Resampler | None = None

    def push(self, message: bytes) -> Iterator[Samples]:
        """Yield the samples that `message` completes."""
        if self._transfer is AudioTransfer.AUTO:
            self._sniffed += message
            if len(self._sniffed) < _SNIFF_BYTES:
                return
            message = self._decide()
        yield from self._transferred(message)

    def flush(self) -> Iterator[Samples]:
        """Yield what was held back at the end of the audio."""
        if self._transfer is AudioTransfer.AUTO and self._sniffed:
            yield from self._transferred(self._decide())
        if self._transfer is AudioTransfer.BASE64:
            yield from self._opened(self._base64.flush())
        if self._head:
            yield from self._unwrapped(self._head)
        for samples in (self._wav.flush(),) if self._codec is None else self._codec.flush():
            yield from self._resampled(samples)
        if self._resampler is not None:
            yield self._resampler.flush()

    def close(self) -> None:
        """Release what decoding holds; the decoder is of no more use."""
        if self._codec is not None:
            self._codec.close()

    def _decide(self) -> bytes:
        sniffed, self._sniffed = self._sniffed, b""
        foreign = sniffed[:_SNIFF_BYTES].translate(None, TEXT)
        self._transfer = AudioTransfer.RAW if foreign else AudioTransfer.BASE64
        return sniffed

    def _transferred(self, message: bytes) -> Iterator[Samples]:
        if self._transfer is AudioTransfer.RAW:
            yield from self._opened(message)
            return
        for decoded in self._base64.push(message):
            yield from self._opened(decoded)

    def _opened(self, data: bytes) -> Iterator[Samples]:
        """Look at the first bytes: a file that was not declared would be recognized as noise."""
        if self._head is not None:
            data = self._head + data
            if len(data) < _MAGIC_BYTES:
                self._head = data
                return
            self._head = None
            kind, encodings = _MAGIC.get(data[:_MAGIC_BYTES], ("", (self._format.encoding,)))
            if self._format.encoding not in encodings:
                declared = self._format.encoding.value
                raise ClientError(
                    Problem.INVALID_AUDIO, f"the audio is {kind}, but audioEncoding is {declared}; declare what is sent"
                )
        yield from self._unwrapped(data)

    def _unwrapped(self, data: bytes) -> Iterator[Samples]:
        for samples in (self._wav if self._codec is None else self._codec).push(data):
            yield from self._resampled(samples)

    def _resampled(self, samples: bytes) -> Iterator[Samples]:
        if not samples:
            return
        if self._resampler is None:
            self._resampler = self._make_resampler()
        if self._codec is None:
            header = self._wav.format
            to_pcm16 = _TO_PCM16.get(self._format.encoding if header is None else header.encoding)
            samples = samples if to_pcm16 is None else to_pcm16(samples)
        yield self._resampler.push(samples)

    def _make_resampler(self) -> Resampler:
        if self._codec is not None:
            return self._agreed(self._codec.sample_rate_hertz, self._codec.channels)
        header = self._wav.format
        if header is None:
            return Resampler(self._format.sample_rate_hertz, self._format.channels, self._format.channels)
        if self._format.encoding_is_explicit and header.encoding is not self._format.encoding:
            raise _contradiction("audioEncoding", self._format.encoding.value, header.encoding.value)
        return self._agreed(header.sample_rate_hertz, header.channels)

    def _agreed(self, rate: int, channels: int) -> Resampler:
        """Follow what the audio says of itself unless it contradicts what the client said."""
        if not 8000 <= rate <= 48000:
            detail = f"the sample rate of the audio is {rate}; it must be between 8000 and 48000"
            raise ClientError(Problem.INVALID_AUDIO, detail)
        declared = self._format.sample_rate_hertz
        compared = self._format.rate_is_explicit and self._format.encoding not in _RATE_IS_THE_DECODERS
        if compared and rate != declared:
            raise _contradiction("sampleRateHertz", str(declared), f"{rate} Hz")
        if channels < self._format.channels:
            raise _contradiction("channels", str(self._format.channels), f"{channels} channel")
        return Resampler(rate, channels, self._format.channels)


def _codec(encoding: Encoding) -> "CodecDecoder | None":
    """The decoder of a compressed encoding; PyAV takes 18 MB, which nobody pays who never needs it."""
    if encoding not in (Encoding.FLAC, *_RATE_IS_THE_DECODERS):
        return None
    from stream.audio.codecs import CodecDecoder  # noqa: PLC0415

    return CodecDecoder(encoding)


def _contradiction(key: str, declared: str, found: str) -> ClientError:
    return ClientError(
        Problem.INVALID_AUDIO,
        f"the header of the audio says {found}, but {key} is {declared}; leave {key} out or make them agree",
    )
