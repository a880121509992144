import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.audio.containers.timeline import MOST_SILENCE_SECONDS, Timeline


def test_a_late_beginning_and_a_gap_are_silence() -> None:
    timeline = Timeline(0.0)
    assert timeline.silence_before(4.8, 0.0) == 4.8
    assert timeline.silence_before(4.82, 4.82) == 0.0
    assert timeline.silence_before(34.84, 4.84) == pytest.approx(30.0)


def test_small_differences_are_made_up_for_once_they_add_up() -> None:
    timeline = Timeline(0.0)
    assert timeline.silence_before(1.03, 1.0) == 0.0
    assert timeline.silence_before(2.05, 2.0) > 0.04


def test_a_recording_that_begins_again_follows_what_came_before() -> None:
    timeline = Timeline(0.0)
    assert timeline.silence_before(0.0, 10.0) == 0.0
    assert timeline.silence_before(1.0, 11.0) == 0.0
    assert timeline.silence_before(6.0, 11.0) == 5.0


def test_a_lying_timestamp_makes_no_silence_without_end() -> None:
    timeline = Timeline(0.0)
    assert timeline.silence_before(1e12, 1.0) == 0.0
    assert timeline.silence_before(1e12 + 1, 2.0) == 0.0


@given(st.lists(st.floats(-1e6, 1e6), max_size=30))
def test_all_silence_together_is_bounded(timestamps: list[float]) -> None:
    timeline = Timeline(0.0)
    position = 0.0
    for timestamp in timestamps:
        silence = timeline.silence_before(timestamp, position)
        assert silence >= 0
        position += silence
    assert position <= MOST_SILENCE_SECONDS
