import pytest
from hypothesis import given
from hypothesis import strategies as st

from vad import FRAME_BYTES, Framer, frames_in


@given(st.binary(max_size=5000), st.lists(st.integers(0, 700), max_size=20))
def test_frames_depend_on_the_bytes_and_not_on_the_cuts(data: bytes, cuts: list[int]) -> None:
    framer = Framer()
    frames = b""
    start = 0
    for cut in cuts:
        frames += framer.push(data[start : start + cut])
        start += cut
    frames += framer.push(data[start:])
    rest = framer.flush()
    assert len(frames) % FRAME_BYTES == 0
    assert frames + rest == data[: len(data) // 2 * 2]
    assert len(rest) < FRAME_BYTES


def test_half_a_sample_at_the_end_is_dropped() -> None:
    framer = Framer()
    assert framer.push(b"abc") == b""
    assert framer.flush() == b"ab"
    assert framer.flush() == b""


@pytest.mark.parametrize(("milliseconds", "frames"), [(0, 0), (10, 1), (25, 3), (600, 60)])
def test_a_span_of_time_is_rounded_up_to_frames(milliseconds: int, frames: int) -> None:
    assert frames_in(milliseconds) == frames
