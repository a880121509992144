"""Find consecutive frames of self-synchronizing codecs, which identify a stream wherever it was cut.

Headers: ISO/IEC 11172-3 and 13818-3 (MPEG audio), 14496-3 (ADTS, LOAS), 13818-1 (TS), ETSI TS 102 366 ((E-)AC-3),
TS 102 114 (DTS), GSM 06.10 in its file format. Samples may look like one header by chance, but not like four.
"""

import re
from collections.abc import Callable
from itertools import islice

# At the very beginning fewer frames are enough.
_FRAMES_AT_START = 3
_FRAMES_ANYWHERE = 4
_FIXED_FRAMES = {"TS": 6, "GSM": 32}
# 16 KiB of noise contain about twenty apparent headers; input with thousands is made to cost time.
_MOST_PLACES = 500
_TS_PACKET_BYTES = (188, 192, 204)
_TS_SYNC = 0x47
_GSM_FRAME_BYTES = 33

# ISO/IEC 11172-3 and 13818-3: kbit/s by layer for the first version, and for the lower rates; Hz by version.
_KBITS = {
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_HERTZ = {0b11: (44_100, 48_000, 32_000), 0b10: (22_050, 24_000, 16_000), 0b00: (11_025, 12_000, 8000)}
# ETSI TS 102 366, table 4.13: kbit/s by half of `frmsizecod`.
_AC3_KBITS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
_AC3_HERTZ = (48_000, 44_100, 32_000)
_DTS_WORDS = {
    b"\x7f\xfe\x80\x01": False,
    b"\xfe\x7f\x01\x80": True,
}
_DTS_14_BITS = re.compile(rb"\x1f\xff\xe8\x00[\x00-\x0f].|\xff\x1f\x00\xe8.[\x00-\x0f]", re.DOTALL)

_Header = tuple[str, int, bytes]
"""The name of a frame, its length in bytes, and the bits that all frames of a stream have in common."""


def find_frames(head: bytes) -> str | None:
    """Return the name of the consecutive frames anywhere in `head`, None if there are none."""
    for pattern, read in _READERS:
        for place in islice(pattern.finditer(head), _MOST_PLACES):
            if (name := _row(head, place.start(), read)) is not None:
                return name
    return _fixed(head)


def _row(head: bytes, start: int, read: "Callable[[bytes, int], _Header | None]") -> str | None:
    """Return the name of the frames if enough of the same kind follow each other from `start` on."""
    wanted = _FRAMES_AT_START if start == 0 else _FRAMES_ANYWHERE
    first = read(head, start)
    place, found = start, first
    for _ in range(wanted):
        if found is None or first is None or found[0] != first[0] or found[2] != first[2]:
            return None
        place += found[1]
        if place == len(head):
            return first[0] if place - start > first[1] and start == 0 else None
        found = read(head, place)
    return None if first is None else first[0]


def _mpeg_audio(data: bytes, at: int) -> _Header | None:
    if len(data) < at + 4 or data[at] != 0xFF or data[at + 1] & 0xE0 != 0xE0:
        return None
    version, layer = data[at + 1] >> 3 & 0b11, 4 - (data[at + 1] >> 1 & 0b11)
    bitrate, rate = data[at + 2] >> 4, data[at + 2] >> 2 & 0b11
    if version not in _HERTZ or layer == 4 or bitrate in (0, 15) or rate == 3 or data[at + 3] & 0b11 == 2:
        return None
    is_first = version == 0b11
    kbits, hertz = _KBITS[is_first, layer][bitrate], _HERTZ[version][rate]
    padding = data[at + 2] >> 1 & 1
    if layer == 1:
        length = (12 * 1000 * kbits // hertz + padding) * 4
    else:
        length = (144 if is_first or layer == 2 else 72) * 1000 * kbits // hertz + padding
    return f"MP{layer}", length, bytes([data[at + 1] & 0xFE, data[at + 2] & 0x0C])


def _adts(data: bytes, at: int) -> _Header | None:
    if len(data) < at + 7 or data[at] != 0xFF or data[at + 1] & 0xF6 != 0xF0:
        return None
    length = (data[at + 3] & 0b11) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
    if data[at + 2] >> 2 & 0xF > 12 or length < 8:
        return None
    return "AAC", length, bytes([data[at + 1], data[at + 2], data[at + 3] & 0xC0])


def _loas(data: bytes, at: int) -> _Header | None:
    if len(data) < at + 3 or data[at] != 0x56 or data[at + 1] & 0xE0 != 0xE0:
        return None
    length = 3 + ((data[at + 1] & 0x1F) << 8 | data[at + 2])
    return ("LATM", length, b"") if length > 8 else None


def _ac3(data: bytes, at: int) -> _Header | None:
    if len(data) < at + 6 or data[at : at + 2] != b"\x0b\x77":
        return None
    kind = data[at + 5] >> 3
    if kind > 10:
        # The substreams of an E-AC-3 stream alternate, with different lengths and kinds.
        return ("E-AC-3", 2 * ((data[at + 2] & 0b111) << 8 | data[at + 3]) + 2, b"") if kind <= 16 else None
    rate, size = data[at + 4] >> 6, data[at + 4] & 0x3F
    if rate == 3 or size >= 2 * len(_AC3_KBITS):
        return None
    # A frame has 1536 samples; at 44.1 kHz its length in words is rounded down or up in turn.
    words = 96 * 1000 * _AC3_KBITS[size // 2] // _AC3_HERTZ[rate] + (size & 1 if rate == 1 else 0)
    return "AC-3", 2 * words, bytes([rate])


def _dts(data: bytes, at: int) -> _Header | None:
    swapped = _DTS_WORDS.get(data[at : at + 4])
    if swapped is None or len(data) < at + 8:
        return None
    head = data[at + 4 : at + 8]
    _, high, middle, low = (head[1], head[0], head[3], head[2]) if swapped else head
    length = ((high & 0b11) << 12 | middle << 4 | low >> 4) + 1
    return ("DTS", length, b"") if length >= 96 else None


# Each pattern is a lookahead, so that an apparent header hides no header inside it.
_READERS: tuple[tuple[re.Pattern[bytes], Callable[[bytes, int], _Header | None]], ...] = (
    (re.compile(rb"(?=\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff][\x10-\xef])"), _mpeg_audio),
    (re.compile(rb"(?=\xff[\xf0\xf1\xf8\xf9])"), _adts),
    (re.compile(rb"(?=\x0b\x77)"), _ac3),
    (re.compile(rb"(?=\x7f\xfe\x80\x01|\xfe\x7f\x01\x80)"), _dts),
    (re.compile(rb"(?=\x56[\xe0-\xff])"), _loas),
)


def _fixed(head: bytes) -> str | None:
    """Find frames of a fixed length, by the one byte that is a mark in all of them."""
    if _DTS_14_BITS.match(head):
        return "DTS"
    for size in _TS_PACKET_BYTES:
        if _has_column(head, size, _FIXED_FRAMES["TS"], _is_ts):
            return "TS"
    return "GSM" if _has_column(head, _GSM_FRAME_BYTES, _FIXED_FRAMES["GSM"], _is_gsm) else None


def _is_ts(column: bytes) -> bool:
    return column.count(_TS_SYNC) == len(column)


def _is_gsm(column: bytes) -> bool:
    return all(byte >> 4 == 0xD for byte in column)


def _has_column(head: bytes, size: int, rows: int, is_marked: "Callable[[bytes], bool]") -> bool:
    """Whether exactly one column of a table with `size` bytes a row has marks only; constant input has them in all."""
    table = head[: size * (len(head) // size)]
    if len(table) < size * rows:
        return False
    return sum(is_marked(table[place::size]) for place in range(size)) == 1
