"""WAV, RF64, BW64 and Sony Wave64: headers read as they arrive, never recognized as sound.

Files may follow each other in one stream, each with a header of its own, and are read to the last one's end. Lengths
and pad bytes are taken as they are, not as they should be.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property

from stream.audio.format import Encoding
from stream.audio.layout import MAXIMUM_HERTZ, MINIMUM_HERTZ, MOST_CHANNELS, Shape, layout_of_mask
from stream.audio.pcm import COMPRESSED_MESSAGE, SampleFormat, sample_format
from stream.errors import ClientError, Problem

_FORMAT_BYTES = 16
_EXTENSIBLE_BYTES = 40
_EXTENSIBLE = 0xFFFE
# What follows the format tag in a SubFormat GUID.
_SUBFORMAT_END = bytes.fromhex("000000001000800000aa00389b71")
_DS64_BYTES = 16
# Recorders that write to a pipe do not know the length yet and leave one of these.
_UNKNOWN_LENGTHS = (0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000)
_CHUNKS = frozenset(
    b"fmt |data|LIST|fact|JUNK|junk|bext|cue |smpl|inst|iXML|axml|chna|id3 |ID3 |PEAK|ds64|plst|labl|note|adtl|PAD |"
    b"FLLR|minf|elm1|regn|umid|DISP|acid|strc|cart|levl|link|_PMX|afsp|Fake|wavl|slnt|r64m|bxml|sxml|marker".split(b"|")
)
# Headers cost time that their bytes do not show.
_MOST_HEADERS_IN_ROW = 1000
# So many take a millisecond or two.
_STEPS_AT_ONCE = 256
# So much after a chunk that ends nowhere is looked through for the sound.
_SEARCHED_BYTES = 4096
# What looks like a longer chunk is none: its length lies, or it is sound.
_LONGEST_CHUNK_BYTES = 1 << 28
_LONGEST_UNKNOWN_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class WavFormat:
    """What a WAV header says of the samples that follow."""

    encoding: Encoding
    shape: Shape


@dataclass(frozen=True)
class _Family:
    """How a family of files writes its chunks: `name_bytes` and a length, which may count the header too."""

    mark: bytes
    name_bytes: int
    length_bytes: int
    counts_header: bool
    alignment: int
    kind: bytes

    @property
    def header_bytes(self) -> int:
        return self.name_bytes + self.length_bytes

    @cached_property
    def pattern(self) -> re.Pattern[bytes]:
        """Finds the beginning of a file."""
        between = self.header_bytes - len(self.mark)
        return re.compile(re.escape(self.mark) + b".{%d}" % between + re.escape(self.kind), re.DOTALL)

    @property
    def file_bytes(self) -> int:
        """From the mark to the kind of file."""
        return self.header_bytes + self.name_bytes


_W64_END = bytes.fromhex("f3acd3118cd100c04f8edb8a")
_RIFF = tuple(_Family(mark, 4, 4, False, 2, b"WAVE") for mark in (b"RIFF", b"RF64", b"BW64"))
_W64 = _Family(b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000"), 16, 8, True, 8, b"wave" + _W64_END)
_FAMILIES = (*_RIFF, _W64)
_FIRST_BYTES = re.compile(rb"[RBr]")


def is_served_wav(head: bytes) -> bool | None:
    """Whether the WAV file that begins so has sound that is served here; None if it is no WAV file."""
    family = _family(head)
    if family is None:
        return None
    reader = WavReader()
    try:
        # Up to the first sound, or to where there are too many headers to look through.
        next(reader.push(head), None)
    except ClientError:
        return not reader.is_compressed
    return True


def _family(head: bytes) -> _Family | None:
    """The family of the file that begins here, None if none does or too little is there."""
    if _FIRST_BYTES.match(head) is None:
        return None
    return next(
        (
            family
            for family in _FAMILIES
            if head.startswith(family.mark) and head.startswith(family.kind, family.header_bytes)
        ),
        None,
    )


def _may_begin(head: bytes) -> bool:
    """Whether a file may begin here, of which too little is there to tell."""
    return any(
        len(head) < family.file_bytes
        and family.mark.startswith(head[: len(family.mark)])
        and family.kind.startswith(head[family.header_bytes :])
        for family in _FAMILIES
    )


class _State(Enum):
    BEGIN = auto()
    CHUNK = auto()
    SKIP = auto()
    FORMAT = auto()
    DS64 = auto()
    DATA = auto()
    PLAIN = auto()


class WavReader:
    """Tells a WAV stream from headerless samples and passes on the samples only.

    `format` is that of the samples that were yielded last. Headerless bytes come as they are; the samples of a WAV
    file as interleaved `int16[n_frames * channels]`, little-endian. What follows the data and is neither a chunk nor
    another file is sound: some recorders declare the length of their first buffer and go on.
    """

    def __init__(self) -> None:
        self.format: WavFormat | None = None
        self.is_compressed = False
        self._state = _State.BEGIN
        self._family = _RIFF[0]
        self._samples: SampleFormat | None = None
        self._frame_bytes = 1
        self._buffer = b""
        self._at = 0
        self._files: dict[_Family, int] = {}
        self._left_bytes: int | None = 0
        self._long_data_bytes: int | None = None
        self._was_data = False
        self._headers_in_row = 0
        self._has_ended = False
        self._next_format: WavFormat | None = None

    def push(self, data: bytes) -> Iterator[bytes]:
        """Yield sample bytes, none of them after many headers; raises ClientError for one that cannot be served."""
        self._buffer += data
        self._files.clear()
        yield from self._steps()

    def flush(self) -> Iterator[bytes]:
        """Yield what was held back while it might have been a header."""
        self._has_ended = True
        yield from self._steps()
        if self._state is _State.BEGIN and _family(self._buffer) is None and not self._buffer.startswith(b"RIFF"):
            yield self._take(len(self._buffer))

    def _steps(self) -> Iterator[bytes]:
        # Consumed by a cursor: many small chunks in one message would otherwise be copied over and over.
        steps = 0
        while (step := self._step()) is not False:
            steps += 1
            if isinstance(step, bytes) and step:
                yield step
            elif not steps % _STEPS_AT_ONCE:
                yield b""
        self._buffer = self._buffer[self._at :]
        self._at = 0
        self._files.clear()

    def _step(self) -> bytes | bool:  # noqa: PLR0911
        """Consume from the buffer once: sample bytes, True for other progress, False when more is needed."""
        match self._state:
            case _State.BEGIN:
                return self._read_beginning()
            case _State.CHUNK:
                return self._read_chunk()
            case _State.SKIP:
                return self._skip()
            case _State.FORMAT:
                return self._read_format()
            case _State.DS64:
                return self._read_ds64()
            case _State.DATA:
                return self._read_data()
            case _State.PLAIN:
                return self._take(self._there) if self._there else False

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
        head = self._peek(_W64.file_bytes)
        family = _family(head)
        if family is None:
            if head.startswith(b"RIFF") and len(head) >= 12:
                raise _fault("the file is RIFF, but not WAVE")
            if not head or _may_begin(head):
                return False
            self._state = _State.PLAIN
            return True
        self._begin_file(family)
        return True

    def _begin_file(self, family: _Family) -> None:
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
        wanted = self._family.header_bytes + self._family.alignment
        wanted = _W64.file_bytes + self._family.alignment if self._was_data else wanted
        if self._there < wanted and not self._has_ended:
            return False
        pad = self._pad_bytes()
        if self._was_data and (family := _family(self._peek(_W64.file_bytes, pad))) is not None:
            self._at += pad
            self._begin_file(family)
            return True
        name, length = self._chunk_header(pad)
        is_whole = self._there >= pad + self._family.header_bytes
        if is_whole and self._is_chunk(name, length):
            self._at += pad + self._family.header_bytes
            self._open_chunk(name, length)
            return True
        if self._there < self._family.header_bytes and self._has_ended and not self._was_data:
            return False
        return self._lost()

    def _pad_bytes(self) -> int:
        """How many bytes fill up the chunk before this place: as many as there are, not as there should be."""
        offsets = range(self._family.alignment)
        for offset in offsets:
            place = self._peek(self._family.file_bytes, offset)
            if place[:4] in _CHUNKS or (self._was_data and _family(self._peek(_W64.file_bytes, offset)) is not None):
                return offset
        return 1 if self._peek(1) == b"\0" and _is_printable(self._peek(4, 1)) else 0

    def _chunk_header(self, offset: int) -> tuple[bytes, int]:
        header = self._peek(self._family.header_bytes, offset)
        length = int.from_bytes(header[self._family.name_bytes :], "little")
        return header[:4], length - (self._family.header_bytes if self._family.counts_header else 0)

    def _is_chunk(self, name: bytes, length: int) -> bool:
        if name == b"data":
            return True
        if name in _CHUNKS:
            return 0 <= length <= _LONGEST_CHUNK_BYTES
        return _is_printable(name) and 0 <= length <= _LONGEST_UNKNOWN_CHUNK_BYTES

    def _lost(self) -> bool:
        """Find the way where a chunk should be and none is."""
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
                if length == 0xFFFFFFFF and self._long_data_bytes:
                    length = self._long_data_bytes
                self._begin_data(None if length in _UNKNOWN_LENGTHS else length)
            case _:
                self._state = _State.SKIP

    def _begin_data(self, length: int | None) -> None:
        if self._samples is None:
            raise _fault("its data come before its format")
        self._was_data = True
        self._left_bytes = length
        self._state = _State.DATA

    def _skip(self) -> bool:
        assert self._left_bytes is not None  # noqa: S101
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
        self._left_bytes = max((self._left_bytes or 0) - _DS64_BYTES, 0)
        self._state = _State.SKIP
        return True

    def _read_format(self) -> bool:
        assert self._left_bytes is not None  # noqa: S101
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
        assert self._samples is not None  # noqa: S101
        length = self._there if self._left_bytes is None else min(self._left_bytes, self._there)
        following = self._next_file(length)
        is_over = following is not None or length == self._left_bytes
        if following is not None:
            length = following
        elif not is_over and not self._has_ended:
            # What may be a header waits for the rest of it, half a frame for its other half.
            length = self._before_possible_file(length)
            length -= length % self._frame_bytes
        if not length and not is_over:
            return False
        taken = self._take(length)
        if self._left_bytes is not None:
            self._left_bytes -= length
        if is_over:
            self._state = _State.CHUNK
        self.format = self._next_format
        if len(taken) >= self._frame_bytes:
            self._headers_in_row = 0
        return self._samples.to_pcm16(taken[: len(taken) - len(taken) % self._frame_bytes])

    def _next_file(self, length: int) -> int | None:
        """Where another file begins in the next bytes of data, whose length may lie; None if none does."""
        place = min(self._find(family) for family in _FAMILIES) - self._at
        return place if place < length else None

    def _find(self, family: _Family) -> int:
        """Where in the buffer the next file of a family begins, or its end; looked for once, however often asked."""
        place = self._files.get(family, -1)
        if place >= self._at:
            return place
        found = family.pattern.search(self._buffer, self._at)
        place = len(self._buffer) if found is None else found.start()
        self._files[family] = place
        return place

    def _before_possible_file(self, length: int) -> int:
        """How much of the next bytes can be no part of a file that begins at the end of what is there."""
        first = self._at + max(self._there - _W64.file_bytes + 1, 0)
        for found in _FIRST_BYTES.finditer(self._buffer, first, self._at + length):
            if _may_begin(self._buffer[found.start() :]):
                return found.start() - self._at
        return length


def _is_printable(name: bytes) -> bool:
    return len(name) == 4 and all(0x20 <= byte < 0x7F for byte in name)


def _fault(what: str) -> ClientError:
    return ClientError(Problem.INVALID_AUDIO, f"the WAV header cannot be served: {what}")
