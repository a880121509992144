"""The chunk structure of RIFF, RF64, BW64 and Sony Wave64 files."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

# Recorders that write to a pipe do not know the length and write one of these.
UNKNOWN_LENGTHS = (0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000)
LONG_LENGTH = 0xFFFFFFFF
"""In RF64 and BW64 the length is then in the `ds64` chunk."""
_CHUNKS = frozenset(
    b"fmt |data|LIST|fact|JUNK|junk|bext|cue |smpl|inst|iXML|axml|chna|id3 |ID3 |PEAK|ds64|plst|labl|note|adtl|PAD |"
    b"FLLR|minf|elm1|regn|umid|DISP|acid|strc|cart|levl|link|_PMX|afsp|Fake|wavl|slnt|r64m|bxml|sxml|marker".split(b"|")
)
# An apparent chunk that is longer is none: its length is wrong, or it is sound.
_LONGEST_CHUNK_BYTES = 1 << 28
_LONGEST_UNKNOWN_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Family:
    """A family of files and its chunk headers: a name and a length, which may include the header.

    A file begins with a chunk header whose name is `mark`, followed by `kind`.
    """

    mark: bytes
    name_bytes: int
    length_bytes: int
    counts_header: bool
    alignment_bytes: int
    kind: bytes

    @property
    def header_bytes(self) -> int:
        return self.name_bytes + self.length_bytes

    @cached_property
    def pattern(self) -> re.Pattern[bytes]:
        """A pattern for the beginning of a file."""
        between = self.header_bytes - len(self.mark)
        return re.compile(re.escape(self.mark) + b".{%d}" % between + re.escape(self.kind), re.DOTALL)

    @property
    def file_bytes(self) -> int:
        """The length of the beginning of a file, with its kind."""
        return self.header_bytes + self.name_bytes

    def pad_bytes(self, peek: Callable[[int, int], bytes], *, may_follow: bool) -> int:
        """Return how many bytes pad the chunk before this place: as many as there are, whatever the standard says.

        `peek(count, offset)` returns the bytes at this place; another file counts as well if one `may_follow`.
        """
        for offset in range(self.alignment_bytes):
            if peek(4, offset) in _CHUNKS or (may_follow and family_of(peek(W64.file_bytes, offset)) is not None):
                return offset
        return 1 if peek(1, 0) == b"\0" and _is_printable(peek(4, 1)) else 0

    def chunk_header(self, header: bytes) -> tuple[bytes, int]:
        """Read the name of a chunk, its first four bytes, and the length of its content."""
        length = int.from_bytes(header[self.name_bytes : self.header_bytes], "little")
        return header[:4], length - (self.header_bytes if self.counts_header else 0)


_W64_END = bytes.fromhex("f3acd3118cd100c04f8edb8a")
RIFF, *_LONG_RIFF = (
    Family(mark=mark, name_bytes=4, length_bytes=4, counts_header=False, alignment_bytes=2, kind=b"WAVE")
    for mark in (b"RIFF", b"RF64", b"BW64")
)
W64 = Family(
    mark=b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000"),
    name_bytes=16,
    length_bytes=8,
    counts_header=True,
    alignment_bytes=8,
    kind=b"wave" + _W64_END,
)
FAMILIES = (RIFF, *_LONG_RIFF, W64)
FIRST_BYTES = re.compile(rb"[RBr]")
"""The first byte of any file."""


def family_of(head: bytes) -> Family | None:
    """Return the family of the file at this place; None if there is none, or too little of it."""
    if FIRST_BYTES.match(head) is None:
        return None
    return next(
        (
            family
            for family in FAMILIES
            if head.startswith(family.mark) and head.startswith(family.kind, family.header_bytes)
        ),
        None,
    )


def may_begin(head: bytes) -> bool:
    """Whether a file may begin at this place, of which there is too little to decide."""
    return any(
        len(head) < family.file_bytes
        and family.mark.startswith(head[: len(family.mark)])
        and family.kind.startswith(head[family.header_bytes :])
        for family in FAMILIES
    )


def is_chunk(name: bytes, length: int) -> bool:
    """Whether a chunk of this name may have such a length."""
    if name == b"data":
        return True
    if name in _CHUNKS:
        return 0 <= length <= _LONGEST_CHUNK_BYTES
    return _is_printable(name) and 0 <= length <= _LONGEST_UNKNOWN_CHUNK_BYTES


def _is_printable(name: bytes) -> bool:
    return len(name) == 4 and all(0x20 <= byte < 0x7F for byte in name)
