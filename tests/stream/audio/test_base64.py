import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.audio.base64 import Base64Decoder
from stream.errors import ClientError, Problem


def decoded(*pieces: bytes) -> bytes:
    decoder = Base64Decoder()
    return b"".join(part for piece in pieces for part in decoder.push(piece)) + decoder.flush()


@pytest.mark.fault(17)
@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(0, 30), max_size=20), st.booleans())
def test_groups_in_a_row_are_decoded_however_they_are_cut(buffers: list[bytes], cuts: list[int], url: bool) -> None:
    encode = base64.urlsafe_b64encode if url else base64.b64encode
    text = b"".join(encode(buffer) for buffer in buffers)
    pieces = []
    start = 0
    for cut in cuts:
        pieces.append(text[start : start + cut])
        start += cut
    assert decoded(*pieces, text[start:]) == b"".join(buffers)


def test_line_breaks_are_skipped_and_missing_padding_is_forgiven_at_the_end() -> None:
    assert decoded(b"aGVs\r\nbG8") == b"hello"


def test_a_lone_last_character_holds_nothing() -> None:
    assert decoded(b"aGVsbG8sa") == b"hello,"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b"aGVs!", "byte 0x21 at character 4 of a message"),
        (b"aG Vs", "byte 0x20 at character 2 of a message"),
        (b"aGVs\x00aGVs", "byte 0x00 at character 4 of a message"),
        (b"\x00aGVs", "byte 0x00 at character 0 of a message"),
        (b"=aGVs", "padding without a group before it"),
        (b"aGVs=", "padding without a group before it"),
        (b"a=", "1 characters with 1 of padding"),
        (b"aG===", "2 characters with 3 of padding"),
        (b"aGVsbG8==", "3 characters with 2 of padding"),
    ],
)
def test_anything_else_is_refused_by_name(text: bytes, what: str) -> None:
    with pytest.raises(ClientError, match="not valid base64") as caught:
        decoded(text)
    assert caught.value.problem is Problem.INVALID_AUDIO
    assert caught.value.detail == (
        f"the audio is not valid base64: {what}; allowed are A-Z a-z 0-9 + / - _ = and line breaks"
    )


@pytest.mark.parametrize("filler", [b"\0", b"\0" * 5000, b" \t", b"\r\n\0\r\n", b"= "])
@pytest.mark.parametrize("size", [1, 3, 10_000])
def test_zero_bytes_and_white_space_may_end_the_text(filler: bytes, size: int) -> None:
    text = b"aGVsbG8" + filler
    decoder = Base64Decoder()
    parts = [part for start in range(0, len(text), size) for part in decoder.push(text[start : start + size])]
    assert b"".join(parts) + decoder.flush() == b"hello"
    with pytest.raises(ClientError, match="more text after the zero bytes or the white space that ended it"):
        list(decoder.push(b"aGVs"))


def test_what_came_before_a_fault_is_decoded_first() -> None:
    parts = Base64Decoder().push(b"aGVsbG8=*")
    assert next(parts) == b"hello"
    with pytest.raises(ClientError):
        next(parts)


@pytest.mark.fault(18)
@given(st.lists(st.binary(max_size=20), max_size=10))
def test_no_bytes_do_worse_than_a_clear_error(pieces: list[bytes]) -> None:
    try:
        decoded(*pieces)
    except ClientError as error:
        assert error.problem is Problem.INVALID_AUDIO
