"""Filter the pages of an Ogg file: leave out those of packets that grow without an end.

RFC 3533: a page has the segments of the packets of one logical stream; a packet whose last segment has 255 bytes
continues in the next page of its stream, and a decoder has to keep all of it until then.
"""

import zlib
from collections.abc import Callable

from stream.audio.containers.signatures import OGG_MARK

_HEAD_BYTES = 27
_CHECKSUM = slice(22, 26)
_WHOLE_SEGMENT = 255
# Packets of sound have some hundred bytes, of video some hundred thousand; pictures in comments have more, and FFmpeg
# doubles the buffer of a packet that does not fit.
MOST_OPEN_BYTES = 8 << 20
_BUFFERED_TWICE = 2
# FFmpeg ignores further streams, too.
_MOST_OPEN_PACKETS = 64
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class OggPages:
    """Passes pages on while the incomplete packets of all streams together stay within bounds.

    `has_room` returns whether so many bytes may be held. Bytes between pages are passed on as they are.
    """

    def __init__(self, has_room: Callable[[int], bool]) -> None:
        self._has_room = has_room
        self._waiting = bytearray()
        self._open: dict[int, int] = {}
        self._open_bytes = 0

    def push(self, data: bytes) -> bytes:
        """Return the pages that `data` completes, and the bytes between them."""
        self._waiting += data
        passed, at = [], 0
        while (length := self._next_bytes(at)) is not None:
            piece = bytes(self._waiting[at : at + length])
            if not piece.startswith(OGG_MARK) or self._is_taken(piece):
                passed.append(piece)
            at += length
        del self._waiting[:at]
        return b"".join(passed)

    def flush(self) -> bytes:
        """Return what is left at the end of the input."""
        rest = bytes(self._waiting)
        self._waiting.clear()
        return rest

    def _next_bytes(self, at: int) -> int | None:
        """Return the length of the page at `at`, or of the bytes before the next page; None if it is incomplete."""
        found = self._waiting.find(OGG_MARK, at)
        if found != at:
            # The last bytes may be the beginning of a mark.
            end = len(self._waiting) - len(OGG_MARK) + 1 if found < 0 else found
            return end - at if end > at else None
        if len(self._waiting) < at + _HEAD_BYTES:
            return None
        segments_end = at + _HEAD_BYTES + self._waiting[at + _HEAD_BYTES - 1]
        if len(self._waiting) < segments_end:
            return None
        end = segments_end + sum(self._waiting[at + _HEAD_BYTES : segments_end])
        return end - at if len(self._waiting) >= end else None

    def _is_taken(self, page: bytes) -> bool:
        serial = int.from_bytes(page[14:18], "little")
        segments = page[_HEAD_BYTES : _HEAD_BYTES + page[_HEAD_BYTES - 1]]
        before = self._open.get(serial, 0)
        last = max((n for n, length in enumerate(segments) if length < _WHOLE_SEGMENT), default=-1)
        if last >= 0 and before and not _is_whole(page):
            last = -1  # a damaged page completes no packet in FFmpeg
        open_bytes = sum(segments[last + 1 :]) + (before if last < 0 else 0)
        total_bytes = self._open_bytes - before + open_bytes
        if open_bytes > before and not self._may_hold(serial, total_bytes):
            return False
        self._open_bytes = total_bytes
        if open_bytes:
            self._open[serial] = open_bytes
        else:
            self._open.pop(serial, None)
        return True

    def _may_hold(self, serial: int, total_bytes: int) -> bool:
        if serial not in self._open and len(self._open) >= _MOST_OPEN_PACKETS:
            return False
        return total_bytes <= MOST_OPEN_BYTES and self._has_room(_BUFFERED_TWICE * total_bytes)


def _is_whole(page: bytes) -> bool:
    """Whether the checksum of a page is right: CRC-32, most significant bit first, initial value zero."""
    blank = bytearray(page)
    blank[_CHECKSUM] = bytes(4)
    value = zlib.crc32(blank.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{value:032b}"[::-1], 2) == int.from_bytes(page[_CHECKSUM], "little")
