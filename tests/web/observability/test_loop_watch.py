"""Row 46: stalls of the event loop are measured, and logged with their place at most once a minute."""

import asyncio
import time
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from tests.support.processes import STUCK_SECONDS
from web.observability.loop_watch import Stall, Stalls, watched_loop


def hold_up(seconds: float) -> None:
    """Keep the loop from everything else."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


@pytest.mark.fault(46)
async def test_what_holds_up_the_loop_is_logged_with_its_place() -> None:
    shown: list[Callable[[], float]] = []
    with capture_logs() as logs:
        async with watched_loop(shown.append), asyncio.timeout(STUCK_SECONDS):
            await asyncio.sleep(0.05)
            hold_up(0.4)
            while not logs:
                await asyncio.sleep(0.01)
    line = logs[0]
    assert (line["event"], line["log_level"]) == ("loop_stalled", "warning")
    assert line["seconds"] > 0.3
    assert line["cpu_seconds"] > 0
    assert any(call.endswith(" hold_up") for call in line["place"])
    assert shown[0]() > 0.3


def test_beats_in_time_are_no_stall() -> None:
    stalls = Stalls(100.0)
    assert [stalls.beat(100.0 + 0.02 * n, 0.0) for n in range(1, 10)] == [None] * 9
    assert stalls.longest(100.0) == pytest.approx(0.0, abs=1e-6)


def test_stalls_are_counted_and_logged_once_a_minute() -> None:
    stalls = Stalls(0.0)
    assert stalls.beat(0.52, 0.5) == Stall(seconds=0.5, cpu_seconds=0.5)
    assert [stalls.beat(0.52 + 0.52 * n, 0.5) for n in range(1, 4)] == [None] * 3
    later = stalls.beat(100.0, 1.5)
    assert later is not None
    assert (later.cpu_seconds, later.unlogged) == (1.0, 3)


def test_the_longest_stall_is_forgotten_after_a_minute() -> None:
    stalls = Stalls(0.0)
    stalls.beat(0.52, 0.0)
    assert stalls.longest(20.0) == pytest.approx(0.5)
    assert stalls.longest(40.0) == pytest.approx(0.5)
    assert stalls.longest(75.0) == 0.0


def test_a_place_belongs_to_its_stall() -> None:
    stalls = Stalls(0.0)
    assert (stalls.is_late(0.05), stalls.is_late(0.2)) == (False, True)
    stalls.sample(0.0, ("here",))
    assert not stalls.is_late(0.3)
    stall = stalls.beat(0.4, 0.0)
    assert stall is not None
    assert stall.place == ("here",)
    later = stalls.beat(100.0, 0.0)
    assert later is not None
    assert later.place == ()
