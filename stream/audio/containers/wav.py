"""Read WAV, RF64, BW64 and Sony Wave64 as they arrive: headers are parsed and never recognized as sound.

Files may follow each other in one stream, each with its own header. Lengths and pad bytes are often wrong, and the data
is read to the end of the stream all the same.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from stream.audio.containers.riff import (
    FAMILIES,
    FIRST_BYTES,
    LONG_LENGTH,
    RIFF,
    UNKNOWN_LENGTHS,
    W64,
    Family,
    family_of,
    is_chunk,
    may_begin,
)
from stream.audio.format import Encoding
from stream.audio.layout import MAXIMUM_HERTZ, MINIMUM_HERTZ, MOST_CHANNELS, Shape, layout_of_mask
from stream.audio.pcm import COMPRESSED_MESSAGE, SampleFormat, sample_format
from stream.errors import ClientError, Problem

_FORMAT_BYTES = 16
_EXTENSIBLE_BYTES = 40
_EXTENSIBLE = 0xFFFE
# The end of a SubFormat GUID, after the format tag.
_SUBFORMAT_END = bytes.fromhex("000000001000800000aa00389b71")
_DS64_BYTES = 16
# Headers cost time out of proportion to their size.
_MOST_HEADERS_IN_ROW = 1000
# So many steps take a millisecond or two.
_STEPS_AT_ONCE = 256
# So many bytes after a chunk with a wrong length are searched for the sound.
_SEARCHED_BYTES = 4096


@dataclass(frozen=True, slots=True)
class WavFormat:
    """The format of the samples after a WAV header."""

    encoding: Encoding
    shape: Shape


def is_served_wav(head: bytes) -> bool | None:
    """Whether the sound of the WAV file that begins so is served; None if it is no WAV file."""
    if family_of(head) is None:
        return None
    reader = WavReader()
    try:
        # Up to the first sound, or to the step after which others are served.
        next(reader.push(head), None)
    except ClientError:
        return not reader.is_compressed
    return True


class _State(Enum):
    BEGIN = auto()
    CHUNK = auto()
    SKIP = auto()
    FORMAT = auto()
    DS64 = auto()
    DATA = auto()
    PLAIN = auto()


class WavReader:
    """Distinguishes a WAV stream from headerless samples and yields the samples only.

    `format` is that of the samples that were yielded last, None for headerless ones, which are yielded as they are. The
    samples of a WAV file are yielded as interleaved `int16[n_frames * channels]`, little-endian. Bytes after the data
    that are neither a chunk nor another file are sound: some recorders declare the length of their first buffer only.
    """

    def __init__(self) -> None:
        self.format: WavFormat | None = None
        self.is_compressed = False
        self._state = _State.BEGIN
        self._family = RIFF
        self._samples: SampleFormat | None = None
        self._frame_bytes = 1
        self._buffer = b""
        self._at = 0
        self._next_files: dict[Family, int] = {}
        self._left_bytes = 0
        self._has_length = True
        self._long_data_bytes: int | None = None
        self._was_data = False
        self._headers_in_row = 0
        self._has_ended = False
        self._next_format: WavFormat | None = None

    def push(self, data: bytes) -> Iterator[bytes]:
        """Yield sample bytes, b"" after a while without any; raises ClientError for a header that is not served."""
        self._buffer += data
        self._next_files.clear()
        yield from self._steps()

    def flush(self) -> Iterator[bytes]:
        """Yield what was held back because it might have been a header."""
        self._has_ended = True
        yield from self._steps()
        if self._state is _State.BEGIN and family_of(self._buffer) is None and not self._buffer.startswith(RIFF.mark):
            yield self._take(len(self._buffer))

    def _steps(self) -> Iterator[bytes]:
        # A cursor, because slicing would copy the buffer for each of many small chunks in one message.
        steps = 0
        while (step := self._step()) is not False:
            steps += 1
            if isinstance(step, bytes) and step:
                yield step
            elif not steps % _STEPS_AT_ONCE:
                yield b""
        self._buffer = self._buffer[self._at :]
        self._at = 0
        self._next_files.clear()

    def _step(self) -> bytes | bool:
        """Consume from the buffer once: return sample bytes, True for other progress, False if more input is needed."""
        step: bytes | bool
        match self._state:
            case _State.BEGIN:
                step = self._read_beginning()
            case _State.CHUNK:
                step = self._read_chunk()
            case _State.SKIP:
                step = self._skip()
            case _State.FORMAT:
                step = self._read_format()
            case _State.DS64:
                step = self._read_ds64()
            case _State.DATA:
                step = self._read_data()
            case _State.PLAIN:
                step = self._take(self._there) if self._there else False
        return step

    @property
    def _there(self) -> int:
        return len(self._buffer) - self._at

    def _peek(self, count: int, offset: int = 0) -> bytes:
        return self._buffer[self._at + offset : self._at + offset + count]

    def _take(self, count: int) -> bytes:
        taken = self._buffer[self._at : self._at + count]
        self._at += len(taken)
        return taken

    def _read_beginning(self) -> bool:
        head = self._peek(W64.file_bytes)
        family = family_of(head)
        if family is None:
            if head.startswith(RIFF.mark) and len(head) >= RIFF.file_bytes:
                raise _fault("the file is RIFF, but not WAVE")
            if not head or may_begin(head):
                return False
            self._state = _State.PLAIN
            return True
        self._begin_file(family)
        return True

    def _begin_file(self, family: Family) -> None:
        self._headers_in_row += 1
        if self._headers_in_row > _MOST_HEADERS_IN_ROW:
            raise _fault(f"it has {_MOST_HEADERS_IN_ROW} headers in a row without sound")
        self._at += family.file_bytes
        self._family = family
        self._samples = None
        self._long_data_bytes = None
        self._was_data = False
        self._state = _State.CHUNK

    def _read_chunk(self) -> bool:
        # Room for a pad byte and a header, or for the beginning of another file.
        wanted = (W64.file_bytes if self._was_data else self._family.header_bytes) + self._family.alignment_bytes
        if self._there < wanted and not self._has_ended:
            return False
        pad = self._family.pad_bytes(self._peek, may_follow=self._was_data)
        if self._was_data and (family := family_of(self._peek(W64.file_bytes, pad))) is not None:
            self._at += pad
            self._begin_file(family)
            return True
        name, length = self._family.chunk_header(self._peek(self._family.header_bytes, pad))
        is_whole = self._there >= pad + self._family.header_bytes
        if is_whole and is_chunk(name, length):
            self._at += pad + self._family.header_bytes
            self._open_chunk(name, length)
            return True
        if self._there < self._family.header_bytes and self._has_ended and not self._was_data:
            return False
        return self._resynchronize()

    def _resynchronize(self) -> bool:
        """Find the data if there is no chunk where one should be."""
        if self._samples is None:
            raise _fault("its chunks do not follow each other")
        if not self._was_data:
            place = self._buffer.find(b"data", self._at)
            if place >= 0:
                self._at = place
                return True
            if self._there < _SEARCHED_BYTES and not self._has_ended:
                return False
        self._begin_data(None)
        return True

    def _open_chunk(self, name: bytes, length: int) -> None:
        self._left_bytes = length
        match name:
            case b"fmt ":
                self._state = _State.FORMAT
            case b"ds64":
                self._state = _State.DS64
            case b"data":
                if length == LONG_LENGTH and self._long_data_bytes:
                    length = self._long_data_bytes
                self._begin_data(None if length in UNKNOWN_LENGTHS else length)
            case _:
                self._state = _State.SKIP

    def _begin_data(self, length: int | None) -> None:
        if self._samples is None:
            raise _fault("its data come before its format")
        self._was_data = True
        self._has_length = length is not None
        self._left_bytes = length or 0
        self._state = _State.DATA

    def _skip(self) -> bool:
        skipped = min(self._left_bytes, self._there)
        self._at += skipped
        self._left_bytes -= skipped
        if self._left_bytes:
            return False
        self._state = _State.CHUNK
        return True

    def _read_ds64(self) -> bool:
        if self._there < _DS64_BYTES:
            return False
        (self._long_data_bytes,) = struct.unpack("<8xQ", self._take(_DS64_BYTES))
        self._left_bytes = max(self._left_bytes - _DS64_BYTES, 0)
        self._state = _State.SKIP
        return True

    def _read_format(self) -> bool:
        if self._left_bytes < _FORMAT_BYTES:
            raise _fault(f"its format chunk has {self._left_bytes} bytes; it must have at least {_FORMAT_BYTES}")
        wanted = min(self._left_bytes, _EXTENSIBLE_BYTES)
        if self._there < wanted:
            return False
        self._set_format(self._take(wanted))
        self._left_bytes -= wanted
        self._state = _State.SKIP
        return True

    def _set_format(self, chunk: bytes) -> None:
        tag, channels, rate, _, block, bits = struct.unpack_from("<HHIIHH", chunk)
        mask = 0
        if tag == _EXTENSIBLE and len(chunk) == _EXTENSIBLE_BYTES:
            mask = int.from_bytes(chunk[20:24], "little")
            tag = int.from_bytes(chunk[24:26], "little") if chunk[26:] == _SUBFORMAT_END else tag
        elif tag == _EXTENSIBLE:
            tag = 1
        if not 1 <= channels <= MOST_CHANNELS:
            raise _fault(f"it has {channels} channels; it must have 1 to {MOST_CHANNELS}")
        if not MINIMUM_HERTZ <= rate <= MAXIMUM_HERTZ:
            raise _fault(f"its sample rate is {rate}; it must be between {MINIMUM_HERTZ} and {MAXIMUM_HERTZ}")
        # A sample may have fewer bits than its bytes hold, 20 in 3; but many headers have no sensible block size.
        by_block = block // channels if block % channels == 0 and 8 * (block // channels) - bits in range(8) else 0
        self._samples = sample_format(tag, by_block or max((bits + 7) // 8, 1))
        if self._samples is None:
            self.is_compressed = True
            raise _fault(f"its format is {tag} with {bits} bits a sample; {COMPRESSED_MESSAGE}")
        self._frame_bytes = self._samples.sample_bytes * channels
        self._next_format = WavFormat(self._samples.encoding, Shape(rate, channels, layout_of_mask(mask, channels)))

    def _read_data(self) -> bytes | bool:
        if self._samples is None:
            return False
        length = min(self._left_bytes, self._there) if self._has_length else self._there
        following = self._next_file(length)
        is_over = following is not None or (self._has_length and length == self._left_bytes)
        if following is not None:
            length = following
        elif not is_over and not self._has_ended:
            # A possible header waits for its rest, and half a frame for its other half.
            length = self._before_possible_file(length)
            length -= length % self._frame_bytes
        if not length and not is_over:
            return False
        taken = self._take(length)
        if self._has_length:
            self._left_bytes -= length
        if is_over:
            self._state = _State.CHUNK
        self.format = self._next_format
        if len(taken) >= self._frame_bytes:
            self._headers_in_row = 0
        return self._samples.to_pcm16(taken[: len(taken) - len(taken) % self._frame_bytes])

    def _next_file(self, length: int) -> int | None:
        """Return where another file begins in the next bytes of data, whose length may be wrong; None if none does."""
        place = min(self._find(family) for family in FAMILIES) - self._at
        return place if place < length else None

    def _find(self, family: Family) -> int:
        """Return where in the buffer the next file of a family begins, or the end of the buffer; searched only once."""
        place = self._next_files.get(family, -1)
        if place >= self._at:
            return place
        found = family.pattern.search(self._buffer, self._at)
        place = len(self._buffer) if found is None else found.start()
        self._next_files[family] = place
        return place

    def _before_possible_file(self, length: int) -> int:
        """Return how many of the next bytes are not part of a file that may begin at the end of the buffer."""
        first = self._at + max(self._there - W64.file_bytes + 1, 0)
        for found in FIRST_BYTES.finditer(self._buffer, first, self._at + length):
            if may_begin(self._buffer[found.start() :]):
                return found.start() - self._at
        return length


def _fault(what: str) -> ClientError:
    return ClientError(Problem.INVALID_AUDIO, f"the WAV header cannot be served: {what}")
