"""The pages of Ogg: passed on as they are, but for those of packets without an end."""

import struct
import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.audio.containers.ogg_pages import MOST_OPEN_BYTES, OggPages
from stream.audio.containers.signatures import FLAC, OGG
from stream.audio.ffmpeg.codecs import CodecDecoder
from stream.audio.ffmpeg.memory_share import FREE_BYTES, MemoryPool, MemoryShare
from stream.errors import ClientError, Problem
from tests.stream.audio.encoders import encoded
from tests.support.sounds import clip_pcm
from tests.support.tiers import examples

SOUND = encoded(clip_pcm("quick.wav"), 48_000, "ogg")
WHOLE_PAGE = bytes(255 * 255)
_BACKWARDS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def page(serial: int, payload: bytes, *, is_open: bool = False, is_damaged: bool = False) -> bytes:
    lacing = [255] * (len(payload) // 255) + ([] if is_open else [len(payload) % 255])
    head = struct.pack("<4sBBqIII", b"OggS", 0, 0, -1, serial, 0, 0) + bytes([len(lacing), *lacing])
    # Ogg's CRC takes each byte from its highest bit on, zlib's from its lowest.
    backwards = (head + payload).translate(_BACKWARDS)
    checksum = int(f"{zlib.crc32(backwards, 0xFFFFFFFF) ^ 0xFFFFFFFF:032b}"[::-1], 2) ^ is_damaged
    return head[:22] + struct.pack("<I", checksum) + head[26:] + payload


def filtered(data: bytes, cuts: list[int]) -> bytes:
    pages, edges = OggPages(lambda _: True), [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in pairwise(edges)]
    return b"".join([*map(pages.push, pieces), pages.flush()])


@examples(40)
@given(
    st.lists(st.one_of(st.binary(max_size=80), st.sampled_from([SOUND, b"OggS", page(7, b"x"), page(8, bytes(600))]))),
    st.lists(st.integers(0, 20_000), max_size=8),
)
def test_what_has_an_end_is_passed_on_as_it_is(parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(parts)
    assert filtered(data, cuts) == data


@pytest.mark.fault(41)
@pytest.mark.parametrize("streams", [1, 5])
def test_packets_without_an_end_are_cut_where_they_hold_too_much(streams: int) -> None:
    pages = OggPages(lambda _: True)
    passed = b"".join(pages.push(page(number % streams, WHOLE_PAGE, is_open=True)) for number in range(400))
    assert passed.count(WHOLE_PAGE) == MOST_OPEN_BYTES // len(WHOLE_PAGE)
    # Another stream is none of their business.
    assert pages.push(page(9, b"sound")) == page(9, b"sound")


@pytest.mark.fault(41)
def test_a_damaged_page_ends_no_packet() -> None:
    pages = OggPages(lambda _: True)
    for _ in range(400):
        pages.push(page(1, WHOLE_PAGE, is_open=True))
        pages.push(page(1, b"end", is_damaged=True))
    assert pages.push(page(1, WHOLE_PAGE, is_open=True)) == b""
    assert pages.push(page(1, b"end")) == page(1, b"end")
    assert pages.push(page(1, WHOLE_PAGE, is_open=True)) != b""


def test_many_open_streams_are_not_all_followed() -> None:
    pages = OggPages(lambda _: True)
    assert sum(bool(pages.push(page(serial, bytes(255), is_open=True))) for serial in range(1000)) < 100


@pytest.mark.fault(41)
def test_sound_is_heard_beside_a_packet_without_an_end() -> None:
    memory = MemoryPool(1 << 20)
    decoder = CodecDecoder(OGG, is_recording=True, share=MemoryShare(memory))
    heads, rest = SOUND[:47], SOUND[47:]
    samples = 0
    try:
        for piece in [heads, page(5, bytes(100), is_open=True), rest, *[page(5, WHOLE_PAGE, is_open=True)] * 100]:
            samples += sum(map(len, decoder.push(piece)))
            assert memory.held_bytes <= 1 << 20
        samples += sum(map(len, decoder.flush()))
    finally:
        decoder.close()
    assert samples == pytest.approx(3 * len(clip_pcm("quick.wav")), rel=0.02)
    assert memory.held_bytes == 0


@pytest.mark.fault(41)
def test_pictures_share_what_there_is_for_them() -> None:
    memory = MemoryPool(2 << 20)
    picture = (
        b"fLaC\x00" + encoded(clip_pcm("quick.wav"), container="flac")[5:42] + b"\x06\xff\xff\xf0" + bytes(2 << 20)
    )
    first, second = (CodecDecoder(FLAC, share=MemoryShare(memory)) for _ in range(2))
    try:
        assert list(first.push(picture)) == []
        with pytest.raises(ClientError) as refused:
            list(second.push(picture))
        assert refused.value.problem is Problem.OVERLOADED
        assert refused.value.retry_after_seconds
        assert memory.held_bytes == pytest.approx(len(picture) - FREE_BYTES, abs=4096)
    finally:
        first.close()
        second.close()
    assert memory.held_bytes == 0


@given(st.lists(st.integers(0, 3 * FREE_BYTES), max_size=10))
@examples(40)
def test_a_share_holds_the_most_that_was_required_and_gives_it_back(totals: list[int]) -> None:
    memory = MemoryPool(4 * FREE_BYTES)
    share = MemoryShare(memory)
    for total in totals:
        assert share.require(total)
    assert memory.held_bytes == max([0, *(total - FREE_BYTES for total in totals)])
    share.close()
    share.close()
    assert memory.held_bytes == 0
