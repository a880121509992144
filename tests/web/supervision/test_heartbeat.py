"""A child hangs when it is silent and does nothing, and never because its machine is busy, slow or asleep."""

import pytest

from web.supervision.heartbeat import HANG_LIMITS, HangLimits, Health, Heartbeat

LIMITS = HangLimits(idle=6, busy=60, starting_idle=60, starting_busy=600)


class Observer:
    """Looks at a child once a second, on a clock of its own."""

    def __init__(self, *, hangs: int = 0, is_ready: bool = True) -> None:
        self.now = 1000.0
        self.heartbeat = Heartbeat(LIMITS, self.now, hangs=hangs)
        if is_ready:
            self.heartbeat.beat(is_ready=True)
            self.look()

    def look(self, *, is_working: bool = False, after: float = 1.0) -> Health:
        self.now += after
        return self.heartbeat.look(self.now, is_working=is_working)

    def seconds_until(self, health: Health, *, is_working: bool = False) -> float:
        began = self.now
        while self.look(is_working=is_working) is not health:
            assert self.now - began < 10_000
        return self.now - began


def test_a_child_that_beats_is_well_once_it_is_ready() -> None:
    observer = Observer(is_ready=False)
    observer.heartbeat.beat(is_ready=False)
    assert observer.look() is Health.STARTING
    observer.heartbeat.beat(is_ready=True)
    for _ in range(100):
        observer.heartbeat.beat(is_ready=False)
        assert observer.look() is Health.WELL


def test_a_child_that_does_nothing_is_suspected_and_then_hangs() -> None:
    observer = Observer()
    assert observer.seconds_until(Health.SUSPECT) == 3
    assert observer.seconds_until(Health.HUNG) == 3


def test_a_beat_takes_the_suspicion_away() -> None:
    observer = Observer()
    observer.seconds_until(Health.SUSPECT)
    observer.heartbeat.beat(is_ready=False)
    assert observer.heartbeat.health is Health.WELL
    assert observer.seconds_until(Health.HUNG) == 1 + 6


def test_a_child_that_works_may_be_silent_for_longer() -> None:
    observer = Observer()
    assert observer.seconds_until(Health.SUSPECT, is_working=True) == 15
    assert observer.seconds_until(Health.HUNG, is_working=True) == 45


def test_a_sign_of_work_now_and_then_is_enough() -> None:
    observer = Observer()
    for second in range(1, 60):
        assert observer.look(is_working=second % 5 == 0) is not Health.HUNG
    assert observer.look() is Health.HUNG


@pytest.mark.parametrize("away_seconds", [3, 60, 86_400])
def test_time_in_which_nobody_looked_is_not_held_against_the_child(away_seconds: float) -> None:
    observer = Observer()
    for _ in range(5):
        observer.look()
    # The machine was asleep, or the process that looks was stopped, again and again.
    for _ in range(10):
        assert observer.look(after=away_seconds) is not Health.HUNG
    assert observer.look() is Health.HUNG


@pytest.mark.parametrize(("is_working", "seconds"), [(False, 60), (True, 600)])
def test_a_child_that_starts_is_given_longer(is_working: bool, seconds: float) -> None:
    assert Observer(is_ready=False).seconds_until(Health.HUNG, is_working=is_working) == seconds


def test_a_child_that_loads_its_model_and_beats_is_waited_for() -> None:
    observer = Observer(is_ready=False)
    for _ in range(10_000):
        observer.heartbeat.beat(is_ready=False)
        assert observer.look() is Health.STARTING


@pytest.mark.parametrize(("hangs", "seconds"), [(0, 6), (1, 12), (2, 24), (4, 96), (50, 96)])
def test_each_hang_in_a_row_doubles_the_patience(hangs: int, seconds: float) -> None:
    observer = Observer(hangs=hangs)
    # Where that is longer than a working child is given, as much as that.
    assert observer.seconds_until(Health.HUNG) == seconds


def test_a_child_is_proven_after_a_minute_of_beats() -> None:
    observer = Observer()
    for _ in range(58):
        observer.heartbeat.beat(is_ready=False)
        observer.look()
    assert not observer.heartbeat.is_proven
    observer.heartbeat.beat(is_ready=False)
    observer.look()
    assert observer.heartbeat.is_proven


def test_a_hung_child_stays_hung() -> None:
    observer = Observer()
    observer.seconds_until(Health.HUNG)
    observer.heartbeat.beat(is_ready=True)
    assert observer.heartbeat.health is Health.HUNG


def test_a_stopped_engine_is_replaced_while_what_was_said_can_still_be_recognized() -> None:
    """A final may take twenty seconds, and a new engine is there within some three."""
    assert HANG_LIMITS.idle < 10
