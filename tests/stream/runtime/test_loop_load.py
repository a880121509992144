import asyncio

import pytest

from stream.runtime.loop_load import LoopLoad
from vad import SAMPLE_RATE


def observe(load: LoopLoad, late_seconds: float, first: float, seconds: float) -> None:
    for step in range(int(seconds * 20)):
        load.observe(first + step / 20, late_seconds)


def test_more_is_sent_at_once_while_timers_are_late_and_less_once_they_are_not() -> None:
    load = LoopLoad()
    assert load.least_send_samples == SAMPLE_RATE // 20
    observe(load, 0.02, 100.0, 3)
    assert (load.is_behind, load.least_send_samples) == (True, SAMPLE_RATE // 5)
    observe(load, 0.0, 103.0, 6)
    assert load.least_send_samples == SAMPLE_RATE // 20


def test_a_single_late_timer_changes_nothing() -> None:
    load = LoopLoad()
    for second in range(100, 160, 10):
        load.observe(second, 0.5)
        assert not load.is_behind
        observe(load, 0.0, second + 0.5, 5)


def test_the_load_does_not_swing() -> None:
    load, changes = LoopLoad(), 0
    before = load.is_behind
    for step in range(400):
        # Larger messages are what makes timers punctual.
        load.observe(100 + step / 20, 0.0 if load.is_behind else 0.02)
        changes, before = changes + (load.is_behind is not before), load.is_behind
    assert changes <= 5


@pytest.mark.virtual_time
async def test_a_loop_that_keeps_up_is_not_behind() -> None:
    load = LoopLoad()
    watching = asyncio.create_task(load.watch())
    await asyncio.sleep(60)
    watching.cancel()
    assert not load.is_behind
