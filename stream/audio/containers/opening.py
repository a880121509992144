"""The beginning of a recording: tags and zeros in front are removed, and enough is held to tell what follows."""

import re
from typing import BinaryIO

from stream.audio.containers.signatures import (
    SNIFF_BYTES,
    TAG_HEADER_BYTES,
    FileKind,
    identify,
    kind_of_frames,
    kind_of_signature,
    tag_bytes,
)
from stream.audio.format import AudioFormat, Encoding

# Enough for every signature but a few, and for a text; 2 ms of 16 kHz PCM16.
LIVE_HEAD_BYTES = 64
# Zeros are silence, and nobody waits for its words: two seconds of it may wait for what comes behind.
_MOST_ZEROS_BYTES = 1 << 16
_ZEROS = re.compile(rb"\0+")
# The size of an MP4 file's first box, and the mark of a program stream, begin with zeros themselves.
_ZEROS_OF_SIGNATURES = (4, 3, 2, 1)


class Opening:
    """Holds the first bytes until there are `head_bytes` behind all tags and zeros, or the input ends.

    `head` is then what follows the tags, with the zeros that belong to it; `zero_bytes` stood before it.
    """

    def __init__(self, head_bytes: int) -> None:
        self.head = b""
        self.zero_bytes = 0
        self.is_decided = False
        self._head_bytes = head_bytes
        self._tag_left_bytes = 0

    def push(self, data: bytes) -> None:
        """Take more of the input, until `is_decided`."""
        self.head += data
        self._skip()
        is_full = len(self.head) >= self._head_bytes or self.zero_bytes > _MOST_ZEROS_BYTES
        if is_full and not self._tag_left_bytes:
            self._decide()

    def end(self) -> None:
        """Decide by what there is."""
        if not self.is_decided:
            self._decide()

    def _skip(self) -> None:
        """Remove tags and zeros from the beginning of the head, however many follow each other."""
        # A cursor: a message may hold a hundred thousand empty tags, and each would copy all that is behind it.
        head, at = self.head, 0
        while at < len(head):
            self._tag_left_bytes = self._tag_left_bytes or tag_bytes(head[at : at + TAG_HEADER_BYTES]) or 0
            if self._tag_left_bytes:
                skipped = min(self._tag_left_bytes, len(head) - at)
                self._tag_left_bytes -= skipped
                at += skipped
                self.zero_bytes = 0
                continue
            end = _zeros_end(head, at)
            self.zero_bytes += end - at
            if end == at:
                break
            at = end
        self.head = head[at:]

    def _decide(self) -> None:
        self.is_decided = True
        for count in _ZEROS_OF_SIGNATURES:
            if count <= self.zero_bytes and kind_of_signature(bytes(count) + self.head) is not None:
                self.head = bytes(count) + self.head
                self.zero_bytes -= count
                return


def _zeros_end(head: bytes, start: int) -> int:
    found = _ZEROS.match(head, start)
    return start if found is None else found.end()


def kind_of_recording(file: BinaryIO) -> FileKind | None:
    """The kind of a seekable file, read from its beginning; None for what may be bare samples, or is empty."""
    opening = Opening(SNIFF_BYTES)
    while not opening.is_decided and (data := file.read(SNIFF_BYTES)):
        opening.push(data)
    opening.end()
    return identify(opening.head, is_whole=True, is_declared=False) if opening.head else None


class FrameWatch:
    """Looks for the frames of a compressed stream in what was taken for samples, without holding them back.

    What is found depends on the bytes alone: `room` tells how many may be added before the next look.
    """

    def __init__(self, declared: AudioFormat) -> None:
        # The frames of GSM are a column of bytes, which a tone in bytes may draw as well.
        self._ignored = "" if declared.encoding is Encoding.LINEAR16 else "GSM"
        self._seen = b""
        self._next_bytes = 1024

    @property
    def is_over(self) -> bool:
        """Whether enough was seen."""
        return self._next_bytes > SNIFF_BYTES

    @property
    def room(self) -> int:
        """Bytes up to the next look."""
        return self._next_bytes - len(self._seen)

    def add(self, data: bytes) -> FileKind | None:
        """Take up to `room` bytes; return the kind of stream that they turn out to be."""
        self._seen += data if self._seen else data.lstrip(b"\0")
        if self.room:
            return None
        self._next_bytes *= 2
        return self.look()

    def look(self) -> FileKind | None:
        """Judge by what was seen so far."""
        kind = kind_of_frames(self._seen)
        return None if kind is not None and kind.name == self._ignored else kind
