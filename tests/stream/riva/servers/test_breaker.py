import pytest

from stream.riva.servers.breaker import Breaker, State


def broken(now: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(3):
        breaker.failed(now, now)
    return breaker


def trial_failed(breaker: Breaker, now: float) -> None:
    breaker.began(now)
    breaker.failed(now, now)


def test_calls_go_through_at_first() -> None:
    breaker = Breaker()
    breaker.began(0.0)
    assert (breaker.state, breaker.wait_seconds(0.0)) == (State.CLOSED, 0.0)
    assert not breaker.is_broken(0.0)


def test_three_failures_in_a_row_open_it_for_a_second() -> None:
    breaker = Breaker()
    states = []
    for now in (1.0, 2.0, 3.0):
        breaker.failed(now, now)
        states.append(breaker.state)
    assert states == [State.CLOSED, State.CLOSED, State.OPEN]
    assert (breaker.wait_seconds(3.0), breaker.wait_seconds(3.75), breaker.wait_seconds(4.0)) == (1.0, 0.25, 0.0)
    assert breaker.is_broken(3.9)
    assert not breaker.is_broken(4.0)


def test_an_answer_in_between_makes_the_row_begin_again() -> None:
    breaker = Breaker()
    for now in range(10):
        breaker.failed(now, now)
        breaker.answered()
    assert breaker.state is State.CLOSED


def test_calls_that_end_together_are_one_failure() -> None:
    breaker = Breaker()
    for _ in range(100):
        breaker.failed(5.0, 60.0)
    assert breaker.state is State.CLOSED
    assert not breaker.wait_seconds(60.0)


def test_one_trial_at_a_time_once_the_pause_is_over() -> None:
    breaker = broken()
    breaker.began(1.0)
    assert (breaker.state, breaker.wait_seconds(1.0)) == (State.HALF_OPEN, 0.5)
    assert not breaker.is_broken(1.0)
    assert breaker.wait_seconds(1.5) == 0.0


def test_the_first_answer_closes_it() -> None:
    breaker = broken()
    breaker.began(1.0)
    breaker.answered()
    assert (breaker.state, breaker.wait_seconds(1.0)) == (State.CLOSED, 0.0)


def test_each_failed_trial_doubles_the_pause_to_half_a_minute() -> None:
    breaker = broken()
    now, pauses = 0.0, []
    for _ in range(7):
        pauses.append(breaker.wait_seconds(now))
        now += pauses[-1]
        trial_failed(breaker, now)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_an_answer_makes_the_pauses_short_again() -> None:
    breaker = broken()
    trial_failed(breaker, 1.0)
    breaker.began(3.0)
    breaker.answered()
    for _ in range(3):
        breaker.failed(10.0, 10.0)
    assert breaker.wait_seconds(10.0) == 1.0


def test_what_began_before_it_opened_does_not_fail_the_trial() -> None:
    breaker = broken(5.0)
    breaker.began(6.0)
    breaker.failed(1.0, 6.1)
    assert breaker.state is State.HALF_OPEN


def test_failures_while_it_is_open_change_nothing() -> None:
    breaker = broken()
    breaker.failed(0.5, 0.5)
    assert breaker.wait_seconds(0.5) == 0.5


def test_a_server_that_came_back_gets_its_trial_at_once() -> None:
    breaker = broken()
    breaker.came_back(0.1)
    assert (breaker.state, breaker.wait_seconds(0.1)) == (State.HALF_OPEN, 0.0)


@pytest.mark.parametrize("state", [State.CLOSED, State.HALF_OPEN])
def test_coming_back_means_nothing_else(state: State) -> None:
    breaker = Breaker() if state is State.CLOSED else broken()
    if state is State.HALF_OPEN:
        breaker.began(1.0)
    wait = breaker.wait_seconds(1.0)
    breaker.came_back(1.0)
    assert (breaker.state, breaker.wait_seconds(1.0)) == (state, wait)


def test_a_busy_server_is_given_a_moment_and_no_blame() -> None:
    breaker = Breaker()
    breaker.is_busy(0.5, 1.0)
    breaker.is_busy(0.25, 1.0)
    assert (breaker.state, breaker.wait_seconds(1.0), breaker.wait_seconds(1.5)) == (State.CLOSED, 0.5, 0.0)
    assert not breaker.is_broken(1.0)
    assert not breaker.is_suspect(1.0)


def test_who_just_failed_is_suspect_for_a_second() -> None:
    breaker = Breaker()
    assert not breaker.is_suspect(0.0)
    breaker.failed(0.0, 0.0)
    assert breaker.is_suspect(0.9)
    assert not breaker.is_suspect(1.0)
    breaker.failed(2.0, 2.0)
    breaker.answered()
    assert not breaker.is_suspect(2.0)
