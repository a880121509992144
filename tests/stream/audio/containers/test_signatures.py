import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.audio.containers.signatures import (
    FLAC,
    MP3,
    OGG,
    SNIFF_BYTES,
    WAV,
    WEBM,
    FileKind,
    Handling,
    excerpt,
    identify,
    is_text,
    kind_of_frames,
    kind_of_signature,
    may_begin_stream,
    may_begin_with_metadata,
    streamed_kind,
    tag_bytes,
)
from stream.audio.format import Encoding
from tests.stream.audio.encoders import encoded, recorded
from tests.support.places import ROOT
from tests.support.sounds import clip_pcm, wav


def name_of(head: bytes) -> str:
    kind = identify(head[:SNIFF_BYTES], is_whole=True, is_declared=False)
    return "" if kind is None else kind.name


@pytest.mark.parametrize(
    ("beginning", "kind"),
    [
        (wav(bytes(100)), WAV),
        (b"fLaC\x00", FLAC),
        (b"OggS\x00\x02", OGG),
        (b"\x1aE\xdf\xa3\x01", WEBM),
        (b"", None),
        (b"\xff\xfb", None),
        (b"RIF", None),
    ],
)
def test_a_mark_at_the_beginning_tells(beginning: bytes, kind: FileKind | None) -> None:
    assert kind_of_signature(beginning) is kind


@pytest.mark.parametrize(
    ("container", "codec", "name"),
    [
        ("aiff", "pcm_s16be", "AIFF"),
        ("au", "pcm_s16be", "AU"),
        ("caf", "pcm_s16le", "CAF"),
        ("mp4", "aac", "MP4, M4A, MOV or 3GP"),
        ("mov", "pcm_s16le", "MP4, M4A, MOV or 3GP"),
        ("3gp", "aac", "MP4, M4A, MOV or 3GP"),
        ("asf", "mp2", "WMA or ASF"),
        ("flv", "aac", "FLV"),
        ("avi", "pcm_s16le", "AVI"),
        ("w64", "pcm_s16le", "WAV"),
        ("voc", "pcm_s16le", "VOC"),
        ("wv", "wavpack", "WavPack"),
        ("mp2", "mp2", "MP2"),
        ("adts", "aac", "AAC (ADTS)"),
        ("ac3", "ac3", "AC-3"),
        ("eac3", "eac3", "E-AC-3"),
        ("mpegts", "mp2", "MPEG-TS"),
    ],
)
def test_what_ffmpeg_writes_is_known(container: str, codec: str, name: str) -> None:
    assert name_of(recorded(clip_pcm("quick.wav"), container, codec)) == name


@pytest.mark.parametrize(
    ("container", "codec", "name"),
    [
        ("mp3", "libmp3lame", "MP3"),
        ("mp2", "mp2", "MP2"),
        ("adts", "aac", "AAC (ADTS)"),
        ("ac3", "ac3", "AC-3"),
        ("mpegts", "mp2", "MPEG-TS"),
    ],
)
@pytest.mark.parametrize("start", [1, 300, 1001, 2222])
def test_frames_are_known_wherever_the_stream_was_cut(container: str, codec: str, name: str, start: int) -> None:
    assert name_of(recorded(clip_pcm("quick.wav"), container, codec)[start:]) == name


@pytest.mark.parametrize(
    ("rate", "kbits"), list(itertools.product((8000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000), (32, 64)))
)
def test_mp3_without_a_tag_is_known(rate: int, kbits: int) -> None:
    data = encoded(clip_pcm("yes.wav"), rate, "mp3", {"id3v2_version": "0", "write_xing": "0"}, kbits * 1000)
    assert data[0] == 0xFF
    assert kind_of_frames(data[:SNIFF_BYTES]) is MP3


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\x89PNG\r\n\x1a\n", "a PNG image"),
        (b"%PDF-1.7", "PDF"),
        (b"PK\x03\x04", "ZIP"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"RIFF\0\0\0\0WEBP", "a WebP image"),
        (b"RIFF\0\0\0\0sfbk", "RIFF, but not WAVE"),
        (b"<!doctype html>", "a text"),
        (b'{"error": "no"}', "a text"),
    ],
)
def test_what_has_no_sound_has_a_name(head: bytes, name: str) -> None:
    kind = identify(head, is_whole=True, is_declared=False)
    assert kind is not None
    assert (kind.name, kind.handling) == (name, Handling.NONE)


@given(st.binary(min_size=0, max_size=SNIFF_BYTES), st.sampled_from([b"", b"ID3\x04", b"\xff\xfb\x90", b"RIFF"]))
def test_whatever_comes_is_looked_at_without_a_fault(data: bytes, mark: bytes) -> None:
    identify(mark + data, is_whole=True, is_declared=False)
    tag_bytes(mark + data)


@given(st.binary(max_size=200))
def test_one_header_of_an_mp3_frame_is_no_mp3_yet(rest: bytes) -> None:
    assert kind_of_frames(b"\xff\xfb\x90\x00" + rest) is None  # its frame is 417 bytes long


@pytest.mark.parametrize("gain", [0.01, 1.0, 30.0])
def test_samples_are_never_taken_for_frames(gain: float) -> None:
    samples = np.clip(np.frombuffer(clip_pcm("quick.wav"), "<i2") * gain, -32768, 32767).astype("<i2")
    pcm = samples.tobytes()
    assert {kind_of_frames(pcm[start : start + SNIFF_BYTES]) for start in range(0, len(pcm), 1501)} == {None}


@pytest.mark.parametrize("byte", [0x00, 0x47, 0x55, 0x7F, 0xD0, 0xD5, 0xFF])
def test_constants_are_never_taken_for_frames(byte: int) -> None:
    assert kind_of_frames(bytes([byte]) * SNIFF_BYTES) is None


def test_a_tag_tells_its_length() -> None:
    assert tag_bytes(b"ID3\x03\0\0\0\0\x02\x01" + bytes(300)) == 10 + 257
    assert tag_bytes(b"ID3\x04\0\x10\0\0\0\x05") == 10 + 5 + 10
    assert tag_bytes(b"ID3") is None
    assert tag_bytes(b"IDA") == 0
    assert tag_bytes(b"APETAGEX\xd0\x07\0\0\x20\0\0\0" + bytes(16)) == 64


@pytest.mark.parametrize("text", ["<html>" * 50, "یک متن فارسی " * 50, '{"error": "no"}\n' * 9])
@pytest.mark.parametrize("cut", [64, 65, 66, 67, 120])
def test_text_is_told_from_sound_wherever_it_is_cut(text: str, cut: int) -> None:
    assert is_text(text.encode()[:cut])


def test_no_sound_is_taken_for_text() -> None:
    pcm = clip_pcm("quick.wav")
    assert not any(is_text(pcm[start : start + SNIFF_BYTES]) for start in range(0, len(pcm), 1000))
    assert not is_text(bytes(SNIFF_BYTES))
    assert not is_text(b"\xff" * SNIFF_BYTES)
    assert not is_text(b"")
    assert not is_text(b"A" * SNIFF_BYTES)


def test_an_excerpt_is_one_short_printable_line() -> None:
    assert excerpt(b'{"error":\n "not \x1b[31mfound"}') == '{"error": "not [31mfound"}'
    assert excerpt(b"x" * 100) == "x" * 60 + "..."


STREAMED = {encoding: kind for encoding in Encoding if (kind := streamed_kind(encoding)) is not None}
CONTAINERS = {Encoding.FLAC: "flac", Encoding.MP3: "mp3", Encoding.OGG_OPUS: "ogg", Encoding.WEBM_OPUS: "webm"}


def beginning(encoding: Encoding) -> bytes:
    """The first bytes of a stream without tags."""
    options = {"id3v2_version": "0"} if encoding is Encoding.MP3 else None
    return encoded(bytes(32_000), 48_000, CONTAINERS[encoding], options)[:64]


@pytest.mark.parametrize("encoding", STREAMED)
def test_a_stream_begins_as_its_own_kind_only(encoding: Encoding) -> None:
    kinds = [kind for kind in STREAMED.values() if may_begin_stream(kind, beginning(encoding))]
    assert kinds == [STREAMED[encoding]]


@pytest.mark.parametrize("kind", STREAMED.values(), ids=lambda kind: kind.name)
def test_any_stream_may_begin_with_a_tag(kind: FileKind) -> None:
    assert may_begin_stream(kind, b"ID3\x04\x00\x00\x00\x00\x00\x05 tag")
    assert not may_begin_stream(kind, bytes(64))
    assert not may_begin_stream(kind, b"")


def test_a_cut_mp3_stream_is_recognized_by_two_bytes() -> None:
    assert may_begin_stream(MP3, b"\xff\xfbUU")
    assert not may_begin_stream(FLAC, b"\xff\xfbUU")


@pytest.mark.parametrize("encoding", [Encoding.FLAC, Encoding.OGG_OPUS, Encoding.WEBM_OPUS])
def test_containers_and_tags_may_begin_with_metadata(encoding: Encoding) -> None:
    assert may_begin_with_metadata(beginning(encoding))
    assert may_begin_with_metadata(b"ID3\x04")
    assert not may_begin_with_metadata(b"\xff\xfb\x90\x00")


def test_a_container_has_a_clock_and_an_elementary_stream_has_none() -> None:
    assert [kind.name for kind in STREAMED.values() if kind.has_clock] == ["Ogg", "WebM"]
    assert [kind.name for kind in STREAMED.values() if kind.lists_streams] == ["WebM"]


@pytest.mark.parametrize("mark", ["fLaC", "OggS", "ID3", "\\x1aE\\xdf", "APETAGEX", "ftyp"])
def test_no_other_module_knows_a_signature(mark: str) -> None:
    sources = [path for room in ("stream", "vad", "web") for path in (ROOT / room).rglob("*.py")]
    knowing = [path.name for path in sources if f'b"{mark}' in path.read_text(encoding="utf-8")]
    assert set(knowing) <= {"signatures.py"}
    assert mark in (ROOT / "stream/audio/containers/signatures.py").read_text(encoding="utf-8")
