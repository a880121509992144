"""The one table of file signatures: what a recording is, from its first bytes alone.

Everything that has to know what a file is asks here: the live path, REST, long recordings and the command line.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto

from stream.audio.containers.mpeg_frames import find_frames
from stream.audio.containers.wav import is_served_wav
from stream.audio.format import Encoding

SNIFF_BYTES = 16384
"""So much of a file is enough to tell, behind its tags: four of the longest AC-3 frames."""


class Handling(Enum):
    """How a kind of file becomes sound."""

    WAV = auto()
    """By the WAV reader, as it arrives."""
    STREAMED = auto()
    """By FFmpeg, as it arrives."""
    SEEKABLE = auto()
    """By FFmpeg, which has to jump in it: only where the whole file is there."""
    NONE = auto()
    """There is no sound in it."""


@dataclass(frozen=True, slots=True)
class FileKind:
    """A kind of file: its name for people, how it is decoded, by which demuxer of FFmpeg.

    `encoding` is the `audioEncoding` under which it may be streamed live, if any.
    """

    name: str
    handling: Handling
    demuxer: str = ""
    encoding: Encoding | None = None


WAV = FileKind("WAV", Handling.WAV, encoding=Encoding.LINEAR16)
FLAC = FileKind("FLAC", Handling.STREAMED, "flac", Encoding.FLAC)
MP3 = FileKind("MP3", Handling.STREAMED, "mp3", Encoding.MP3)
OGG = FileKind("Ogg", Handling.STREAMED, "ogg", Encoding.OGG_OPUS)
WEBM = FileKind("WebM", Handling.STREAMED, "matroska", Encoding.WEBM_OPUS)
TEXT = FileKind("a text", Handling.NONE)

_STREAMED_BY_ENCODING = {kind.encoding: kind for kind in (FLAC, MP3, OGG, WEBM)}


def streamed_kind(encoding: Encoding) -> FileKind | None:
    """The kind of file that a compressed encoding is streamed in, None for samples."""
    return _STREAMED_BY_ENCODING.get(encoding)


def _sound(name: str, demuxer: str) -> FileKind:
    return FileKind(name, Handling.SEEKABLE, demuxer)


def _other(name: str) -> FileKind:
    return FileKind(name, Handling.NONE)


_MP4 = _sound("MP4, M4A, MOV or 3GP", "mov")
_TS = _sound("MPEG-TS", "mpegts")
# The frames of `frames.py` that FFmpeg's demuxer of the same name takes.
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
# Regular expressions over the beginning; each fixes four bytes at least, because samples may look like fewer. Where two
# match, the first counts.
_SIGNATURES = tuple(
    (re.compile(pattern, re.DOTALL), kind)
    for pattern, kind in (
        (rb"fLaC", FLAC),
        (rb"OggS\x00", OGG),
        (rb"\x1aE\xdf\xa3", WEBM),
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
# Pages and clusters of a stream that was joined in its middle.
_PAGE = re.compile(rb"OggS\x00[\x00-\x07].{20}", re.DOTALL)
_CLUSTER = re.compile(rb"\x1f\x43\xb6\x75(?:[\x10-\xff]|.{2}|.{3}|.{4}|\x01.{7})\xe7[\x81-\x88]", re.DOTALL)

_ID3 = re.compile(rb"ID3[\x02-\x04][\x00-\x0f].([\x00-\x7f]{4})", re.DOTALL)
_ID3_HEADER_BYTES = 10
_APE = re.compile(rb"APETAGEX(?:\xd0\x07|\xe8\x03)\x00\x00(.{4})", re.DOTALL)
_APE_HEADER_BYTES = 32
TAG_HEADER_BYTES = _APE_HEADER_BYTES
"""So much of a tag is enough to tell its length."""
# The marks, and how many bytes tell the length.
_TAG_BEGINNINGS = ((b"ID3", _ID3_HEADER_BYTES), (b"APETAGEX", 16))


def tag_bytes(head: bytes) -> int | None:
    """How long the ID3v2 or APEv2 tag is that begins here, 0 if none does; None if `head` is too short to tell."""
    if found := _ID3.match(head):
        size: int = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(reversed(found[1])))
        has_footer = head[3] == 4 and head[5] & 0x10
        return _ID3_HEADER_BYTES + size + (_ID3_HEADER_BYTES if has_footer else 0)
    if found := _APE.match(head):
        # The size counts the items and the footer, which every tag has, but not this header.
        return _APE_HEADER_BYTES + int.from_bytes(found[1], "little")
    is_short = any(len(head) < needed and mark.startswith(head[: len(mark)]) for mark, needed in _TAG_BEGINNINGS)
    return None if is_short else 0


def identify(head: bytes, *, is_whole: bool, is_declared: bool) -> FileKind | None:
    """The kind of file that begins with `head`, tags and zeros removed; None for what may be bare samples.

    `is_whole` if `head` has `SNIFF_BYTES` or is all there is: then frames in a row tell, too. Text is marked up if the
    encoding `is_declared`; otherwise any letters are text.
    """
    kind = kind_of_signature(head)
    if kind is None and is_text(head, is_marked_up=is_declared):
        return TEXT
    return kind_of_frames(head) if kind is None and is_whole else kind


def kind_of_signature(head: bytes) -> FileKind | None:
    """The kind of file whose mark stands at the beginning."""
    is_served = is_served_wav(head)
    if is_served is not None:
        return WAV if is_served else _sound("WAV with compressed sound", "w64" if head[:4] == b"riff" else "wav")
    return next((kind for pattern, kind in _SIGNATURES if pattern.match(head)), None)


def kind_of_frames(head: bytes) -> FileKind | None:
    """The kind of file that was cut anywhere: frames, pages or clusters in a row."""
    if _PAGE.search(head):
        return OGG
    if _CLUSTER.search(head):
        return WEBM
    name = find_frames(head)
    return None if name is None else _BY_FRAMES[name]


# Sound that is text by chance so far is rare, and silence has no letters.
_TEXT_BYTES = 64
_MARKUP_BYTES = 8
_MARKUP = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(<[!?a-zA-Z]|\{\s*[\"}]|\[\s*[\"{\]]|#EXTM3U|WEBVTT|HTTP/1|https?://|file://|data:)"
)


def is_text(head: bytes, *, is_marked_up: bool = False) -> bool:
    """Whether a file that begins so is a text, such as a page that says what is wrong, and no samples."""
    # A character may be cut off at the end.
    head = head.rstrip(b"\0")
    text = head.decode("utf-8", "ignore")
    is_whole = len(text.encode()) > len(head) - 4
    if not is_whole or not all(letter.isprintable() or letter.isspace() for letter in text.removeprefix("\ufeff")):
        return False
    if _MARKUP.match(head):
        return len(head) >= _MARKUP_BYTES
    # Letters alone may be samples, or base64 where it is not looked for.
    return len(head) >= _TEXT_BYTES and len(text.split()) > 1 and not is_marked_up


_EXCERPT_CHARACTERS = 60


def excerpt(head: bytes) -> str:
    """The beginning of a text in one line, shortened, without what a terminal or a log would act on."""
    words = " ".join(head[: 8 * _EXCERPT_CHARACTERS].decode("utf-8", "ignore").removeprefix("\ufeff").split())
    plain = "".join(letter for letter in words if letter.isprintable())
    return plain if len(plain) <= _EXCERPT_CHARACTERS else plain[:_EXCERPT_CHARACTERS] + "..."
