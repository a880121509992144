import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.audio.format import Encoding
from stream.audio.sniff import SNIFF_BYTES, encoding_of, foreign_format, is_text
from tests.sounds import clip_pcm
from tests.stream.audio.encoders import encoded


@pytest.mark.parametrize(
    ("beginning", "encoding"),
    [
        (b"RIFF\x00\x00\x00\x00WAVE", Encoding.LINEAR16),
        (b"fLaC\x00", Encoding.FLAC),
        (b"OggS\x00", Encoding.OGG_OPUS),
        (b"\x1aE\xdf\xa3\x01", Encoding.WEBM_OPUS),
        (b"ID3\x04\x00", Encoding.MP3),
        (b"", None),
        (b"\xff\xfb", None),
    ],
)
def test_a_mark_at_the_beginning_tells(beginning: bytes, encoding: Encoding | None) -> None:
    assert encoding_of(beginning) is encoding


@pytest.mark.parametrize(
    ("rate", "kbits"), list(itertools.product((8000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000), (32, 64)))
)
def test_mp3_without_a_tag_is_known_by_two_frames_in_their_places(rate: int, kbits: int) -> None:
    data = encoded(clip_pcm("yes.wav"), rate, "mp3", {"id3v2_version": "0", "write_xing": "0"}, kbits * 1000)
    assert data[0] == 0xFF
    assert encoding_of(data[:SNIFF_BYTES]) is Encoding.MP3


@given(st.binary(min_size=0, max_size=SNIFF_BYTES))
def test_whatever_comes_is_looked_at_without_a_fault(head: bytes) -> None:
    encoding_of(head)
    foreign_format(head)


@given(st.binary(max_size=200))
def test_one_header_of_an_mp3_frame_is_no_mp3_yet(rest: bytes) -> None:
    head = b"\xff\xfb\x90\x00" + rest
    assert encoding_of(head) is None  # its frame is 417 bytes long


def test_speech_is_never_taken_for_mp3() -> None:
    pcm = clip_pcm("quick.wav")
    found = {encoding_of(pcm[start : start + SNIFF_BYTES]) for start in range(0, len(pcm), 2)}
    assert found == {None}


@pytest.mark.parametrize(
    ("head", "name"),
    [(b"\x00\x00\x00\x20ftypM4A ", "MP4 or M4A"), (b"FORM\x00", "AIFF"), (b"\x1f\x8b\x08", "gzip"), (b"RIFF", None)],
)
def test_formats_that_are_not_taken_have_names(head: bytes, name: str | None) -> None:
    assert foreign_format(head) == name


@pytest.mark.parametrize("text", ["<html>" * 50, "یک متن فارسی " * 50, '{"error": "no"}\n' * 9])
@pytest.mark.parametrize("cut", [64, 65, 66, 67, 120])
def test_text_is_told_from_sound_wherever_it_is_cut(text: str, cut: int) -> None:
    assert is_text(text.encode()[:cut])


def test_no_sound_is_taken_for_text() -> None:
    pcm = clip_pcm("quick.wav")
    assert not any(is_text(pcm[start : start + SNIFF_BYTES]) for start in range(0, len(pcm), 100))
    assert not is_text(bytes(SNIFF_BYTES))
    assert not is_text(b"\xff" * SNIFF_BYTES)
    assert not is_text(b"")
