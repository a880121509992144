import asyncio
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from stream.runtime.loop_load import LoopLoad
from vad import SAMPLE_RATE


@pytest.fixture
def load() -> Iterator[LoopLoad]:
    """Many sessions on one loop."""
    load = LoopLoad()
    with ExitStack() as sessions:
        for _ in range(30):
            sessions.enter_context(load.session())
        yield load


def observe(load: LoopLoad, late_seconds: float, first: float, seconds: float) -> None:
    for step in range(int(seconds * 20)):
        load.observe(first + step / 20, late_seconds)


def test_more_is_sent_at_once_while_timers_are_late_and_less_once_they_are_not(load: LoopLoad) -> None:
    assert load.least_send_samples == SAMPLE_RATE // 20
    observe(load, 0.02, 100.0, 3)
    assert (load.is_behind, load.least_send_samples) == (True, SAMPLE_RATE // 5)
    observe(load, 0.0, 103.0, 6)
    assert load.least_send_samples == SAMPLE_RATE // 20


def test_a_single_late_timer_changes_nothing(load: LoopLoad) -> None:
    for second in range(100, 160, 10):
        load.observe(second, 0.5)
        assert not load.is_behind
        observe(load, 0.0, second + 0.5, 5)


def test_the_load_does_not_swing(load: LoopLoad) -> None:
    changes = 0
    before = load.is_behind
    for step in range(400):
        # Larger messages are what makes timers punctual.
        load.observe(100 + step / 20, 0.0 if load.is_behind else 0.02)
        changes, before = changes + (load.is_behind is not before), load.is_behind
    assert changes <= 5


@pytest.mark.virtual_time
async def test_a_loop_that_keeps_up_is_not_behind(load: LoopLoad) -> None:
    watching = asyncio.create_task(load.watch())
    await asyncio.sleep(60)
    watching.cancel()
    assert not load.is_behind


@pytest.mark.fault(36)
def test_few_sessions_are_not_delayed_by_a_loop_that_others_keep_busy() -> None:
    load = LoopLoad()
    with load.session():
        observe(load, 0.02, 100.0, 10)
        assert not load.is_behind
        assert load.least_send_samples == SAMPLE_RATE // 20
