"""Decode a client's bytes to 16 kHz PCM16, one stream of samples for each channel."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO

from stream.audio.containers.declaration import check_kind, check_shape, contradiction, no_header
from stream.audio.containers.signatures import (
    MP3,
    SNIFF_BYTES,
    FileKind,
    Handling,
    identify,
    may_begin_stream,
    streamed_kind,
)
from stream.audio.containers.sniffing import LIVE_HEAD_BYTES, FrameScanner, HeadBuffer
from stream.audio.containers.transfer import STEP_BYTES, Transfer
from stream.audio.containers.wav import WavReader
from stream.audio.format import AudioFormat, Encoding
from stream.audio.layout import Shape, usual_layout
from stream.audio.pcm import decode_alaw, decode_mulaw
from stream.audio.resample import Resampler
from stream.errors import ClientError
from stream.lazy_import import lazy_import
from vad import SAMPLE_BYTES

if TYPE_CHECKING:
    from stream.audio.ffmpeg import codecs
else:
    # PyAV takes 18 MB of memory, which only compressed audio needs.
    codecs = lazy_import("stream.audio.ffmpeg.codecs")

_TO_PCM16: dict[Encoding, Callable[[bytes], bytes]] = {Encoding.MULAW: decode_mulaw, Encoding.ALAW: decode_alaw}
_ZEROS_BYTES = 1 << 14

Samples = tuple[bytes, ...]
"""`int16[n_samples]` at 16 kHz for each channel, all of the same length."""


class AudioDecoder:
    """Decodes the audio of one connection, or a recording; the output depends on the bytes alone, never on their cuts.

    Raises ClientError (`invalid_audio`, or `unsupported_media` for a recording without sound) after the samples before
    the fault. `close` it in the end. A caller with a seekable `file` need not push more of it once `needs_file`.
    """

    def __init__(self, audio_format: AudioFormat, file: BinaryIO | None = None) -> None:
        self.kind: FileKind | None = None
        self._format = audio_format
        self._transfer = Transfer(audio_format)
        self._head: HeadBuffer | None = HeadBuffer(SNIFF_BYTES if audio_format.is_recording else LIVE_HEAD_BYTES)
        self._file = file
        self._scanner: FrameScanner | None = None
        self._wav: WavReader | None = None
        self._codec: codecs.CodecDecoder | None = None
        self._shape: Shape | None = None
        self._resampler: Resampler | None = None
        self._nothing: Samples = (b"",) * audio_format.channels

    @property
    def needs_file(self) -> bool:
        """Whether nothing is decoded before `flush`, which then takes long: FFmpeg seeks in the recording."""
        return self.kind is not None and self.kind.handling is Handling.SEEKABLE

    @property
    def is_compressed(self) -> bool:
        """Whether the next step is FFmpeg's, and may take long."""
        return self._codec is not None or streamed_kind(self._format.encoding) is not None

    @property
    def damaged_packets(self) -> int:
        """How many packets of a compressed recording could not be decoded."""
        return 0 if self._codec is None else self._codec.damaged_packets

    def push(self, message: bytes) -> Iterator[Samples]:
        """Yield the samples that `message` completes, and empty samples after a step of work that completed none."""
        if self._is_passing and not len(message) % SAMPLE_BYTES and len(message) <= STEP_BYTES:
            yield (message,)
        else:
            yield from self._transferred(self._transfer.push(message))

    @property
    def _is_passing(self) -> bool:
        """Whether the bytes of a message are its samples: 16 kHz mono PCM16, known not to be a file."""
        return (
            self._resampler is not None
            and self._resampler.is_passing
            and self._transfer.is_raw
            and self._head is None
            and self._scanner is None
            and self._wav is None
            and self._codec is None
            and self._format.encoding not in _TO_PCM16
        )

    def identify(self) -> Iterator[Samples]:
        """Choose the kind of audio by the bytes so far, and yield the samples that were held back until then."""
        yield from self._released()

    def flush(self) -> Iterator[Samples]:
        """Yield what was held back at the end of the audio."""
        yield from self._transferred(self._transfer.flush())
        yield from self._released()
        if self._scanner is not None:
            self._check_frames(self._scanner.search())
        if self._wav is not None:
            for samples in self._wav.flush():
                yield from self._from_wav(self._wav, samples)
        if self._codec is not None:
            for samples in self._codec.flush():
                yield from self._resampled(samples, self._codec.shape)
        if self._resampler is not None:
            yield self._resampler.flush()

    def close(self) -> None:
        """Release what decoding holds; the decoder is of no more use."""
        if self._codec is not None:
            self._codec.close()

    def _transferred(self, parts: Iterator[bytes]) -> Iterator[Samples]:
        try:
            for data in parts:
                is_empty = True
                for samples in self._unwrapped(data):
                    is_empty = False
                    yield samples
                if is_empty:
                    yield self._nothing
        except ClientError:
            # The audio before the fault is recognized.
            yield from self._released()
            raise

    def _released(self) -> Iterator[Samples]:
        """Decode what was held back while its kind was unknown."""
        if self._head is not None:
            self._head.end()
            yield from self._begin()

    def _unwrapped(self, data: bytes) -> Iterator[Samples]:
        if self._head is None:
            yield from self._scanned(data)
            return
        self._head.push(data)
        if self._head.is_decided:
            yield from self._begin()

    def _begin(self) -> Iterator[Samples]:
        """Choose a decoder by the first bytes: a file that was not declared would be recognized as noise."""
        beginning, self._head = self._head, None
        if beginning is None or not (beginning.head or beginning.zero_bytes):
            return
        is_recording, is_explicit = self._format.is_recording, self._format.encoding_is_explicit
        kind = identify(beginning.head, is_whole=is_recording, is_declared=is_explicit)
        is_detected = kind is not None and kind.encoding in self._format.detected_encodings
        if kind is not None:
            if not is_detected:
                check_kind(kind, beginning.head, self._format)
        elif self._format.needs_header:
            # An MP3 stream without a tag has no signature.
            if not may_begin_stream(MP3, beginning.head):
                raise no_header(self._format)
            kind = MP3
        elif is_explicit or not is_recording:
            kind = streamed_kind(self._format.encoding)
        self._choose(kind)
        if is_detected:
            # From here on the caller knows that a step may take long.
            yield self._nothing
        # Zeros before a file are filler, otherwise silence.
        zero_bytes = beginning.zero_bytes if self._wav is None else 0
        for start in range(0, zero_bytes, _ZEROS_BYTES):
            yield from self._scanned(bytes(min(_ZEROS_BYTES, zero_bytes - start)))
        yield from self._scanned(beginning.head)

    def _choose(self, kind: FileKind | None) -> None:
        self.kind = kind
        if kind is None:
            self._scanner = None if self._format.is_recording else FrameScanner(self._format)
        elif kind.handling is Handling.WAV:
            self._wav = WavReader()
        else:
            self._codec = codecs.CodecDecoder(kind, is_recording=self._format.is_recording, file=self._file)

    def _scanned(self, data: bytes) -> Iterator[Samples]:
        kind, rest = None, data
        while self._scanner is not None and rest and kind is None:
            part, rest = rest[: self._scanner.room], rest[self._scanner.room :]
            kind = self._scanner.add(part)
            if self._scanner.is_over:
                self._scanner = None
        # Decode up to the same byte however the input was cut.
        yield from self._decoded(data if kind is None else data[: len(data) - len(rest)])
        self._check_frames(kind)

    def _check_frames(self, kind: FileKind | None) -> None:
        if kind is not None:
            check_kind(kind, b"", self._format)

    def _decoded(self, data: bytes) -> Iterator[Samples]:
        if self._codec is not None:
            for samples in self._codec.push(data):
                yield from self._resampled(samples, self._codec.shape)
        elif self._wav is not None:
            for samples in self._wav.push(data):
                yield from self._from_wav(self._wav, samples)
        else:
            channels = self._format.interleaved_channels or self._format.channels
            to_pcm16 = _TO_PCM16.get(self._format.encoding, bytes)
            shape = Shape(self._format.sample_rate_hertz, channels, usual_layout(channels))
            yield from self._resampled(to_pcm16(data), shape)

    def _from_wav(self, wav: WavReader, samples: bytes) -> Iterator[Samples]:
        header = wav.format
        if header is None or not samples:
            yield self._nothing
            return
        if self._format.encoding_is_explicit and header.encoding is not self._format.encoding:
            raise contradiction("audioEncoding", self._format.encoding.value, header.encoding.value)
        yield from self._resampled(samples, header.shape)

    def _resampled(self, samples: bytes, shape: Shape) -> Iterator[Samples]:
        if not samples:
            return
        if self._resampler is None or shape != self._shape:
            # Consecutive files in one stream may have different shapes.
            if self._resampler is not None:
                yield self._resampler.flush()
            self._shape = shape
            if self.kind is not None:
                check_shape(shape, self.kind, self._format)
            rate, kept = shape.sample_rate_hertz, self._format.channels
            self._resampler = Resampler(
                rate, shape.channels, kept, places=shape.layout, first_only=self._format.first_channel_only
            )
        yield self._resampler.push(samples)
