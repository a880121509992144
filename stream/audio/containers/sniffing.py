"""Hold the beginning of a recording, without tags and zeros, until its kind can be identified."""

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

# Enough for nearly all signatures, and for text; 2 ms of 16 kHz PCM16.
LIVE_HEAD_BYTES = 64
# Zeros are silence, which has no words to wait for: two seconds of it may be held until the kind is known.
_MOST_ZEROS_BYTES = 1 << 16
_ZEROS = re.compile(rb"\0+")
# The size of the first box of an MP4 file, and the mark of a program stream, begin with zeros themselves.
_ZEROS_OF_SIGNATURES = (4, 3, 2, 1)


class HeadBuffer:
    """Holds the first bytes until there are `head_bytes` after all tags and zeros, or the input ends.

    `head` is then what follows the tags, with the zeros that belong to it; `zero_bytes` is how many came before it.
    """

    def __init__(self, head_bytes: int) -> None:
        self.head = b""
        self.zero_bytes = 0
        self.is_decided = False
        self._head_bytes = head_bytes
        self._tag_left_bytes = 0

    def push(self, data: bytes) -> None:
        """Add to the input, until `is_decided`."""
        self.head += data
        self._skip()
        is_full = len(self.head) >= self._head_bytes or self.zero_bytes > _MOST_ZEROS_BYTES
        if is_full and not self._tag_left_bytes:
            self._decide()

    def end(self) -> None:
        """Decide by the input so far."""
        if not self.is_decided:
            self._decide()

    def _skip(self) -> None:
        """Remove tags and zeros from the beginning of the head, however many follow each other."""
        # A cursor, because a message may hold a hundred thousand empty tags, and slicing would copy the rest each time.
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
    """Return the kind of a seekable file; None for an empty file, and for what may be headerless samples."""
    beginning = HeadBuffer(SNIFF_BYTES)
    while not beginning.is_decided and (data := file.read(SNIFF_BYTES)):
        beginning.push(data)
    beginning.end()
    return identify(beginning.head, is_whole=True, is_declared=False) if beginning.head else None


class FrameScanner:
    """Searches for the frames of a compressed stream in what is decoded as samples, without holding it back.

    The result depends on the bytes alone, not on their cuts: `room` is how many may be added before the next search.
    """

    def __init__(self, declared: AudioFormat) -> None:
        # GSM frames have a regular byte, which a tone with one byte a sample may imitate.
        self._ignored = "" if declared.encoding is Encoding.LINEAR16 else "GSM"
        self._seen = b""
        self._next_bytes = 1024

    @property
    def is_over(self) -> bool:
        """Whether enough bytes were searched."""
        return self._next_bytes > SNIFF_BYTES

    @property
    def room(self) -> int:
        """How many bytes are left before the next search."""
        return self._next_bytes - len(self._seen)

    def add(self, data: bytes) -> FileKind | None:
        """Add up to `room` bytes; return the kind of stream that was found, None so far."""
        self._seen += data if self._seen else data.lstrip(b"\0")
        if self.room:
            return None
        self._next_bytes *= 2
        return self.search()

    def search(self) -> FileKind | None:
        """Search what was added so far."""
        kind = kind_of_frames(self._seen)
        return None if kind is not None and kind.name == self._ignored else kind
