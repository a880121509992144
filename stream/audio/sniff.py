"""Owns the guess at what a file is, from its first bytes, where nobody says."""

from stream.audio.format import Encoding

SNIFF_BYTES = 4096
"""So much of a file is enough to tell, unless an MP3 frame were longer than the format allows."""

_BEGINNINGS = {
    b"RIFF": Encoding.LINEAR16,
    b"fLaC": Encoding.FLAC,
    b"OggS": Encoding.OGG_OPUS,
    b"\x1aE\xdf\xa3": Encoding.WEBM_OPUS,
    b"ID3\x02": Encoding.MP3,
    b"ID3\x03": Encoding.MP3,
    b"ID3\x04": Encoding.MP3,
}
# Sound that is text by chance so far is rare, and silence has no letters.
_TEXT_BYTES = 64
# Formats that many people have and nothing here decodes as it arrives; by where their mark stands.
_FOREIGN = {
    (4, b"ftyp"): "MP4 or M4A",
    (0, b"FORM"): "AIFF",
    (0, b"caff"): "CAF",
    (0, b"#!AMR"): "AMR",
    (0, b".snd"): "AU",
    (0, b"0&\xb2u\x8ef\xcf\x11"): "WMA",
    (0, b"wvpk"): "WavPack",
    (0, b"\x1f\x8b"): "gzip",
    (0, b"PK\x03\x04"): "ZIP",
}
# ISO/IEC 11172-3 and 13818-3, layer III: kbit/s and Hz by their numbers in the header of a frame.
_KBITS = {
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_HERTZ = {0b11: (44_100, 48_000, 32_000), 0b10: (22_050, 24_000, 16_000), 0b00: (11_025, 12_000, 8000)}


def encoding_of(head: bytes) -> Encoding | None:
    """What a file that begins so is; None for what may be bare samples."""
    for beginning, encoding in _BEGINNINGS.items():
        if head.startswith(beginning):
            return encoding
    length = _mp3_frame_bytes(head)
    # Samples may look like one header of a frame, not like two in their places.
    return Encoding.MP3 if length and _mp3_frame_bytes(head[length:]) else None


def is_text(head: bytes) -> bool:
    """Whether a file that begins so is a text, such as a page that says what is wrong, and no samples."""
    # A character may be cut off at the end.
    text = head.decode("utf-8", "ignore")
    is_whole = len(text.encode()) > len(head) - 4
    return len(head) >= _TEXT_BYTES and is_whole and all(letter.isprintable() or letter.isspace() for letter in text)


def foreign_format(head: bytes) -> str | None:
    """The name of a well-known format that is not taken, None if it is none of those."""
    return next((name for (place, mark), name in _FOREIGN.items() if head.startswith(mark, place)), None)


def _mp3_frame_bytes(data: bytes) -> int:
    """The length of the MP3 frame that begins here, 0 if none does."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0b1110_0110 != 0b1110_0010:
        return 0
    version, bitrate, rate = data[1] >> 3 & 0b11, data[2] >> 4, data[2] >> 2 & 0b11
    if version not in _HERTZ or bitrate in (0, 15) or rate == 3:
        return 0
    is_first = version == 0b11
    samples_eighth = 144 if is_first else 72
    padding = data[2] >> 1 & 1
    return samples_eighth * 1000 * _KBITS[1 if is_first else 2][bitrate] // _HERTZ[version][rate] + padding
