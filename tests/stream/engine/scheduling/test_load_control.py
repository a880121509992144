import pytest

from stream.engine.scheduling.load_control import DecodeIntervals, LoadControl
from vad import SAMPLE_RATE


def pace_after(seconds: float, *, growing: int, workers: int = 2) -> DecodeIntervals:
    """The pace once many decodes took so long."""
    load_control = LoadControl(workers)
    for _ in range(200):
        load_control.note(seconds)
    return load_control.intervals(growing)


def test_a_talker_alone_has_a_partial_each_half_second() -> None:
    assert pace_after(0.1, growing=1) == DecodeIntervals(
        step_samples=SAMPLE_RATE // 2, pause_samples=SAMPLE_RATE // 4, word_pause_samples=SAMPLE_RATE * 15 // 100
    )


@pytest.mark.parametrize("growing", [8, 12, 20, 40])
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_the_partials_of_a_crowd_take_a_part_of_the_workers(growing: int, workers: int) -> None:
    decode_seconds = 0.1
    step_seconds = pace_after(decode_seconds, growing=growing, workers=workers).step_samples / SAMPLE_RATE
    assert growing * decode_seconds / step_seconds <= workers


def test_decodes_that_take_longer_slow_the_pace_down() -> None:
    steps = [pace_after(seconds, growing=10).step_samples for seconds in (0.05, 0.1, 0.2, 0.4)]
    assert steps == sorted(set(steps))


def test_the_pace_follows_new_costs_slowly_and_soon_enough() -> None:
    load_control = LoadControl(1)
    before = load_control.intervals(10).step_samples
    load_control.note(1.0)
    assert before < load_control.intervals(10).step_samples < 3 * before
    for _ in range(30):
        load_control.note(1.0)
    assert load_control.intervals(10).step_samples == 4 * SAMPLE_RATE


def test_however_slow_the_decodes_there_is_a_partial_each_four_seconds() -> None:
    assert pace_after(100.0, growing=1000).step_samples == 4 * SAMPLE_RATE


def test_when_busy_only_a_longer_pause_is_worth_an_early_final() -> None:
    pace = pace_after(0.1, growing=20)
    assert pace.pause_samples == pace.word_pause_samples == SAMPLE_RATE * 4 // 10
