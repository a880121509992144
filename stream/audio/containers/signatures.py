"""The table of file signatures: identify a file by its first bytes.

All paths use it: live audio, REST, long recordings and the command line. No other module knows the signature of a
format, or which formats may be streamed.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto

from stream.audio.containers.mpeg_frames import find_frames
from stream.audio.containers.wav import is_served_wav
from stream.audio.format import Encoding

SNIFF_BYTES = 16384
"""So many bytes after the tags identify a file: four of the longest AC-3 frames."""


class Handling(Enum):
    """How a kind of file is decoded."""

    WAV = auto()
    """By the WAV reader, as it arrives."""
    STREAMED = auto()
    """By FFmpeg, as it arrives."""
    SEEKABLE = auto()
    """By FFmpeg, which has to seek in it: only once the whole file is there."""
    NONE = auto()
    """Not at all: there is no sound in it."""


# Demuxers whose containers list all streams in a header, and those whose timestamps count from zero. The timestamps of
# others, such as MPEG-TS, begin anywhere, and elementary streams have none.
_WITH_STREAM_LIST = frozenset({"matroska", "mov", "avi", "asf", "mxf"})
_WITH_CLOCK = frozenset({"matroska", "mov", "ogg", "flv", "avi", "asf", "nut"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FileKind:
    """A kind of file: its name for people, how it is decoded, and FFmpeg's demuxer for it.

    `encoding` is the `audioEncoding` under which it may be streamed live, if any, and `codec` the only one that it may
    contain then. `compares_rate` if its sample rate must be a declared one; others are decoded at their own rate.
    `may_be_empty` if its first packets may decode to no samples, as those of Opus may.
    """

    name: str
    handling: Handling
    demuxer: str = ""
    encoding: Encoding | None = None
    codec: str = ""
    compares_rate: bool = False
    may_be_empty: bool = False

    @property
    def lists_streams(self) -> bool:
        """Whether a header lists all streams of the container."""
        return self.demuxer in _WITH_STREAM_LIST

    @property
    def has_clock(self) -> bool:
        """Whether timestamps of the container count from its beginning, not from its first sound."""
        return self.demuxer in _WITH_CLOCK


def _streamed(
    encoding: Encoding, name: str, demuxer: str, codec: str, *, compares_rate: bool = False, may_be_empty: bool = False
) -> FileKind:
    return FileKind(
        name=name,
        handling=Handling.STREAMED,
        demuxer=demuxer,
        encoding=encoding,
        codec=codec,
        compares_rate=compares_rate,
        may_be_empty=may_be_empty,
    )


WAV = FileKind(name="WAV", handling=Handling.WAV, encoding=Encoding.LINEAR16, compares_rate=True)
FLAC = _streamed(Encoding.FLAC, "FLAC", "flac", "flac", compares_rate=True)
MP3 = _streamed(Encoding.MP3, "MP3", "mp3", "mp3")
OGG = _streamed(Encoding.OGG_OPUS, "Ogg", "ogg", "opus", may_be_empty=True)
WEBM = _streamed(Encoding.WEBM_OPUS, "WebM", "matroska", "opus", may_be_empty=True)
TEXT = FileKind(name="a text", handling=Handling.NONE)

_STREAMED_KINDS = {kind.encoding: kind for kind in (FLAC, MP3, OGG, WEBM)}


def streamed_kind(encoding: Encoding) -> FileKind | None:
    """Return the kind of file in which a compressed encoding is streamed, None for samples."""
    return _STREAMED_KINDS.get(encoding)


def streamed_formats() -> str:
    """List in words what may be streamed: samples, WAV, and each codec with its containers."""
    names_by_codec: dict[str, list[str]] = {}
    for kind in _STREAMED_KINDS.values():
        names_by_codec.setdefault(kind.codec, []).append(kind.name)
    codecs = [
        names[0] if names[0].lower() == codec else f"{codec.capitalize()} in {' or '.join(names)}"
        for codec, names in names_by_codec.items()
    ]
    return ", ".join(["PCM16", "G.711", WAV.name, *codecs[:-1]]) + f", or {codecs[-1]}"


def _sound(name: str, demuxer: str) -> FileKind:
    return FileKind(name=name, handling=Handling.SEEKABLE, demuxer=demuxer)


def _other(name: str) -> FileKind:
    return FileKind(name=name, handling=Handling.NONE)


_MP4 = _sound("MP4, M4A, MOV or 3GP", "mov")
_TS = _sound("MPEG-TS", "mpegts")
# The frames that mpeg_frames.py finds.
_BY_FRAMES = {
    "MP3": MP3,
    "MP2": _sound("MP2", "mp3"),
    "MP1": _sound("MP1", "mp3"),
    "AAC": _sound("AAC (ADTS)", "aac"),
    "LATM": _sound("AAC (LATM)", "loas"),
    "AC-3": _sound("AC-3", "ac3"),
    "E-AC-3": _sound("E-AC-3", "eac3"),
    "DTS": _sound("DTS", "dts"),
    "TS": _TS,
    "GSM": _sound("GSM", "gsm"),
}
OGG_MARK = b"OggS"
"""The capture pattern of a page, RFC 3533."""
_FLAC_MARK = b"fLaC"
_EBML_MARK = b"\x1aE\xdf\xa3"
_ID3_MARK = b"ID3"
# Regular expressions for the beginning; each fixes four bytes at least, because samples may match fewer. The first that
# matches counts.
_SIGNATURES = tuple(
    (re.compile(pattern, re.DOTALL), kind)
    for pattern, kind in (
        (_FLAC_MARK, FLAC),
        (OGG_MARK + rb"\x00", OGG),
        (_EBML_MARK, WEBM),
        (rb"RIFF....AVI[ X\x19]", _sound("AVI", "avi")),
        (rb"RIFF....WEBP", _other("a WebP image")),
        (rb"RIFF....QLCM", _sound("QCP", "qcp")),
        (rb"RIFF....RMID|MThd\x00\x00\x00\x06", _other("MIDI, which has notes and no sound")),
        (rb"RIFF....(?!WAVE)", _other("RIFF, but not WAVE")),
        (rb"....ftyp(heic|heix|mif1|msf1|avif|avis)", _other("a HEIF image")),
        (rb"....(ftyp|moov|moof|mdat|styp|sidx|wide|pnot|emsg)", _MP4),
        (rb"..../?(free|skip)....(ftyp|moov|mdat|wide)", _MP4),
        (rb"FORM....(8SVX|16SV|MAUD)", _sound("8SVX", "iff")),
        (rb"FORM....AIF[FC]", _sound("AIFF", "aiff")),
        (rb"caff\x00\x01", _sound("CAF", "caf")),
        (rb"\.snd\x00\x00", _sound("AU", "au")),
        (rb"dns\.....", _sound("AU", "au")),
        (rb"0&\xb2u\x8ef\xcf\x11\xa6\xd9", _sound("WMA or ASF", "asf")),
        (rb"#!AMR", _sound("AMR", "amr")),
        (rb"#!iLBC", _sound("iLBC", "ilbc")),
        (rb"FLV\x01[\x00-\x05]\x00\x00\x00", _sound("FLV", "flv")),
        (rb"\.RMF\x00\x00\x00|\.ra\xfd\x00", _sound("RealMedia", "rm")),
        (rb"\x00\x00\x01\xba", _sound("MPEG-PS", "mpeg")),
        (rb"wvpk", _sound("WavPack", "wv")),
        (rb"MAC \S", _sound("Monkey's Audio", "ape")),
        (rb"TTA1", _sound("TTA", "tta")),
        (rb"tBaK", _sound("TAK", "tak")),
        (rb"MPCK", _sound("Musepack", "mpc8")),
        (rb"MP\+[\x07\x17\x27]", _sound("Musepack", "mpc")),
        (rb"OFR \x0c\x00\x00\x00", _other("OptimFROG, which FFmpeg does not decode")),
        (rb"DSD \x1c\x00\x00\x00", _sound("DSF", "dsf")),
        (rb"FRM8.{8}DSD ", _sound("DSDIFF", "iff")),
        (rb"qoaf", _sound("QOA", "qoa")),
        (rb"ajkg\x02", _sound("Shorten", "shn")),
        (rb"Creative Voice File\x1a", _sound("VOC", "voc")),
        (rb"NIST_1A\n", _sound("NIST SPHERE", "nistsphere")),
        (rb"\x64\xa3[\x01-\x04]\x00|\x00[\x01-\x04]\xa3\x64", _sound("IRCAM", "ircam")),
        (rb"\.SoX|XoS\.", _sound("SoX", "sox")),
        (rb"\x06\x0e\x2b\x34\x02\x05\x01\x01", _sound("MXF", "mxf")),
        (rb"ea3\x03|EA3\x01", _sound("OpenMG", "oma")),
        (rb"\xb7\xd8\x00\x20\x37\x49\xda\x11", _sound("WTV", "wtv")),
        (rb"\xf8\x72\x6f[\xba\xbb]|.{4}\xf8\x72\x6f[\xba\xbb]", _sound("TrueHD", "truehd")),
        (rb"BBCD\x00|nut/multimedia", _sound("NUT", "nut")),
        (rb"\xc0\xde\xc2\x00", _sound("Codec 2", "codec2")),
        (rb"\x89PNG\r\n\x1a\n", _other("a PNG image")),
        (rb"\xff\xd8\xff[\xc0-\xfe]", _other("a JPEG image")),
        (rb"GIF8[79]a", _other("a GIF image")),
        (rb"BM.{4}\x00\x00\x00\x00", _other("a BMP image")),
        (rb"II\*\x00|MM\x00\*", _other("a TIFF image")),
        (rb"%PDF-", _other("PDF")),
        (rb"%!PS", _other("PostScript")),
        (rb"\{\\rtf", _other("RTF")),
        (rb"PK(\x03\x04|\x05\x06|\x07\x08)", _other("ZIP")),
        (rb"\x1f\x8b\x08[\x00-\x1f]", _other("gzip")),
        (rb"BZh[1-9]1AY", _other("bzip2")),
        (rb"\xfd7zXZ\x00", _other("xz")),
        (rb"7z\xbc\xaf\x27\x1c", _other("7-Zip")),
        (rb"Rar!\x1a\x07", _other("RAR")),
        (rb"\x28\xb5\x2f\xfd", _other("Zstandard")),
        (rb".{257}ustar", _other("a tar archive")),
        (rb"\x7fELF|MZ\x90\x00|\xcf\xfa\xed\xfe", _other("a program")),
        (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _other("an Office document")),
        (rb"SQLite format 3\x00", _other("an SQLite database")),
    )
)
# Ogg pages and WebM clusters of a stream that begins in its middle.
_PAGE = re.compile(OGG_MARK + rb"\x00[\x00-\x07].{20}", re.DOTALL)
_CLUSTER = re.compile(rb"\x1f\x43\xb6\x75(?:[\x10-\xff]|.{2}|.{3}|.{4}|\x01.{7})\xe7[\x81-\x88]", re.DOTALL)

_ID3 = re.compile(_ID3_MARK + rb"[\x02-\x04][\x00-\x0f].([\x00-\x7f]{4})", re.DOTALL)
_ID3_HEADER_BYTES = 10
_APE_MARK = b"APETAGEX"
_APE = re.compile(_APE_MARK + rb"(?:\xd0\x07|\xe8\x03)\x00\x00(.{4})", re.DOTALL)
_APE_HEADER_BYTES = 32
TAG_HEADER_BYTES = _APE_HEADER_BYTES
"""So many bytes of a tag contain its length."""
# The marks, and how many bytes contain the length.
_TAG_BEGINNINGS = ((_ID3_MARK, _ID3_HEADER_BYTES), (_APE_MARK, 16))

# The beginnings of MP3 frames and ID3 tags. They are shorter than a signature, because an MP3 stream that was cut may
# begin with filler.
_MP3_BEGINNINGS = (b"\xff\xe2", b"\xff\xe3", b"\xff\xf2", b"\xff\xf3", b"\xff\xfa", b"\xff\xfb", _ID3_MARK[:2])


def may_begin_stream(kind: FileKind, head: bytes) -> bool:
    """Whether a stream of a kind may begin with `head`, a tag included; `head` may be short."""
    if kind is MP3 and head.startswith(_MP3_BEGINNINGS):
        return True
    return bool(tag_bytes(head)) or kind_of_signature(head) is kind


def may_begin_with_metadata(head: bytes) -> bool:
    """Whether a file that begins so may have much metadata before its first sound, such as a cover picture."""
    return head.startswith((_FLAC_MARK, _ID3_MARK, OGG_MARK, _EBML_MARK))


def tag_bytes(head: bytes) -> int | None:
    """Return the length of the ID3v2 or APEv2 tag at the beginning, 0 if there is none, None if `head` is too short."""
    if found := _ID3.match(head):
        size: int = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(reversed(found[1])))
        has_footer = head[3] == 4 and head[5] & 0x10
        return _ID3_HEADER_BYTES + size + (_ID3_HEADER_BYTES if has_footer else 0)
    if found := _APE.match(head):
        # The size includes the items and the footer, which every tag has, but not this header.
        return _APE_HEADER_BYTES + int.from_bytes(found[1], "little")
    is_short = any(len(head) < needed and mark.startswith(head[: len(mark)]) for mark, needed in _TAG_BEGINNINGS)
    return None if is_short else 0


def identify(head: bytes, *, is_whole: bool, is_declared: bool) -> FileKind | None:
    """Return the kind of a file by its first bytes, tags and zeros removed; None for what may be headerless samples.

    `is_whole` if `head` has `SNIFF_BYTES` or is all there is: then consecutive frames count, too. If the encoding
    `is_declared`, only text with markup counts as text, otherwise any text.
    """
    kind = kind_of_signature(head)
    if kind is None and is_text(head, is_marked_up=is_declared):
        return TEXT
    return kind_of_frames(head) if kind is None and is_whole else kind


def kind_of_signature(head: bytes) -> FileKind | None:
    """Return the kind of file whose signature is at the beginning."""
    is_served = is_served_wav(head)
    if is_served is not None:
        return WAV if is_served else _sound("WAV with compressed sound", "w64" if head[:4] == b"riff" else "wav")
    return next((kind for pattern, kind in _SIGNATURES if pattern.match(head)), None)


def kind_of_frames(head: bytes) -> FileKind | None:
    """Return the kind of a file that was cut anywhere, by consecutive frames, pages or clusters."""
    if _PAGE.search(head):
        return OGG
    if _CLUSTER.search(head):
        return WEBM
    name = find_frames(head)
    return None if name is None else _BY_FRAMES[name]


# Samples are rarely text for so many bytes by chance, and silence has no letters.
_TEXT_BYTES = 64
_MARKUP_BYTES = 8
_MARKUP = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(<[!?a-zA-Z]|\{\s*[\"}]|\[\s*[\"{\]]|#EXTM3U|WEBVTT|HTTP/1|https?://|file://|data:)"
)


def is_text(head: bytes, *, is_marked_up: bool = False) -> bool:
    """Whether a file that begins so is text, such as an error page, and not samples."""
    # The last character may be cut off.
    head = head.rstrip(b"\0")
    text = head.decode("utf-8", "ignore")
    is_whole = len(text.encode()) > len(head) - 4
    if not is_whole or not all(letter.isprintable() or letter.isspace() for letter in text.removeprefix("\ufeff")):
        return False
    if _MARKUP.match(head):
        return len(head) >= _MARKUP_BYTES
    # Letters alone may be samples, or base64 in a raw transfer.
    return len(head) >= _TEXT_BYTES and len(text.split()) > 1 and not is_marked_up


_EXCERPT_CHARACTERS = 60


def excerpt(head: bytes) -> str:
    """Return the beginning of a text in one line, shortened, without control characters."""
    words = " ".join(head[: 8 * _EXCERPT_CHARACTERS].decode("utf-8", "ignore").removeprefix("\ufeff").split())
    plain = "".join(letter for letter in words if letter.isprintable())
    return plain if len(plain) <= _EXCERPT_CHARACTERS else plain[:_EXCERPT_CHARACTERS] + "..."
