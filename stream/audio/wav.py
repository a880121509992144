"""Owns the WAV header: read as it arrives, never recognized as sound."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from stream.audio.format import Encoding
from stream.errors import ClientError, Problem

_RIFF_BYTES = 12
_CHUNK_BYTES = 8
_FORMAT_BYTES = 16
_EXTENSIBLE = 0xFFFE
# Format tag and bits a sample, as far as they are served.
_ENCODINGS = {
    (1, 16): Encoding.LINEAR16,
    (_EXTENSIBLE, 16): Encoding.LINEAR16,
    (6, 8): Encoding.ALAW,
    (7, 8): Encoding.MULAW,
}
# Recorders that write to a pipe do not know the length yet and leave one of these.
_UNKNOWN_LENGTHS = (0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000)


@dataclass(frozen=True, slots=True)
class WavFormat:
    """What a WAV header says of the samples that follow."""

    encoding: Encoding
    sample_rate_hertz: int
    channels: int


class _State(Enum):
    RIFF = auto()
    CHUNK = auto()
    SKIP = auto()
    FORMAT = auto()
    DATA = auto()
    PLAIN = auto()


class WavReader:
    """Tells a WAV stream from headerless samples and passes on the samples only.

    What follows the data is skipped where it looks like a further RIFF chunk and is sound otherwise:
    some recorders declare the length of their first buffer and go on.
    """

    def __init__(self) -> None:
        self.format: WavFormat | None = None
        self._state = _State.RIFF
        self._buffer = b""
        self._left_bytes = 0

    @property
    def is_decided(self) -> bool:
        """Whether it is known what the samples are: the header was read, or there is none."""
        return self._state is _State.PLAIN or self.format is not None

    def push(self, data: bytes) -> Iterator[bytes]:
        """Yield sample bytes; raises ClientError for a header that cannot be served."""
        self._buffer += data
        while step := self._step():
            yield step if isinstance(step, bytes) else b""

    def flush(self) -> bytes:
        """Return what was held back while it might have been a header."""
        held, self._buffer = self._buffer, b""
        return held if self._state is _State.RIFF and not held.startswith(b"RIFF") else b""

    def _step(self) -> bytes | bool:
        """Consume from the buffer once: sample bytes, True for other progress, False when more is needed."""
        match self._state:
            case _State.RIFF:
                return self._read_riff()
            case _State.CHUNK:
                return self._read_chunk()
            case _State.SKIP:
                return self._skip()
            case _State.FORMAT:
                return self._read_format()
            case _State.DATA:
                return self._read_data()
            case _State.PLAIN:
                samples, self._buffer = self._buffer, b""
                return samples

    def _read_riff(self) -> bool:
        head = self._buffer[:_RIFF_BYTES]
        if not b"WAVE".startswith(head[8:]) and head.startswith(b"RIFF"):
            raise _fault("the file is RIFF, but not WAVE")
        if not b"RIFF".startswith(head[:4]):
            self._state = _State.PLAIN
            return True
        if len(head) < _RIFF_BYTES:
            return False
        self._buffer = self._buffer[_RIFF_BYTES:]
        self._state = _State.CHUNK
        return True

    def _read_chunk(self) -> bool:
        if len(self._buffer) < _CHUNK_BYTES:
            return False
        name, length = struct.unpack_from("<4sI", self._buffer)
        if self.format is not None and not _looks_like_chunk(name):
            self._state = _State.PLAIN
            return True
        self._buffer = self._buffer[_CHUNK_BYTES:]
        self._left_bytes = length
        if name == b"fmt ":
            self._state = _State.FORMAT
        elif name == b"data":
            self._begin_data(length)
        else:
            self._left_bytes += length % 2
            self._state = _State.SKIP
        return True

    def _skip(self) -> bool:
        skipped = min(self._left_bytes, len(self._buffer))
        self._buffer = self._buffer[skipped:]
        self._left_bytes -= skipped
        if self._left_bytes:
            return False
        self._state = _State.CHUNK
        return True

    def _read_format(self) -> bool:
        if self._left_bytes < _FORMAT_BYTES:
            raise _fault(f"its format chunk has {self._left_bytes} bytes; it must have at least {_FORMAT_BYTES}")
        if len(self._buffer) < _FORMAT_BYTES:
            return False
        tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", self._buffer)
        encoding = _ENCODINGS.get((tag, bits))
        if encoding is None:
            raise _fault(
                f"its format is {tag} with {bits} bits a sample; it must be PCM (1) with 16 bits, "
                "or A-law (6) or mu-law (7) with 8"
            )
        if channels not in (1, 2):
            raise _fault(f"it has {channels} channels; it must have 1 or 2")
        if not 8000 <= rate <= 48000:
            raise _fault(f"its sample rate is {rate}; it must be between 8000 and 48000")
        self.format = WavFormat(encoding, rate, channels)
        self._buffer = self._buffer[_FORMAT_BYTES:]
        self._left_bytes += self._left_bytes % 2 - _FORMAT_BYTES
        self._state = _State.SKIP
        return True

    def _begin_data(self, length: int) -> None:
        if self.format is None:
            raise _fault("its data come before its format")
        if length in _UNKNOWN_LENGTHS:
            self._state = _State.PLAIN
        else:
            self._left_bytes = length
            self._state = _State.DATA

    def _read_data(self) -> bytes | bool:
        samples = self._buffer[: self._left_bytes]
        self._buffer = self._buffer[len(samples) :]
        self._left_bytes -= len(samples)
        if not self._left_bytes:
            self._state = _State.CHUNK
        return samples


def _looks_like_chunk(name: bytes) -> bool:
    return all(0x20 <= byte < 0x7F for byte in name)


def _fault(what: str) -> ClientError:
    return ClientError(Problem.INVALID_AUDIO, f"the WAV header cannot be served: {what}")
