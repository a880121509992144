import pytest

from stream.engine.scheduling.load import Costs, Lateness, SessionUsage
from stream.recognition.places import WorkClass


def spend(usage: SessionUsage, share: float, seconds: int, since: int = 0) -> float:
    """Take a share of a worker for so long; returns when that ends."""
    for tenths in range(10 * since, 10 * (since + seconds)):
        usage.spend(share / 10, tenths / 10)
    return float(since + seconds)


def test_a_plain_talker_is_expected_to_take_its_part_of_a_worker() -> None:
    costs = Costs(0.1)
    assert costs.expected(WorkClass.PLAIN) == pytest.approx(0.1)
    assert costs.expected(WorkClass.PLAIN) < costs.expected(WorkClass.PHRASES) < costs.expected(WorkClass.CLOSED)


def test_cheap_calls_make_no_class_cheaper_than_a_plain_talker() -> None:
    costs = Costs(0.1)
    for work in WorkClass:
        for _ in range(1000):
            costs.note(work, 0.0, 4.0)
        assert costs.expected(work) == 0.1


@pytest.mark.parametrize(("work", "expected"), [(WorkClass.PLAIN, 0.55), (WorkClass.CLOSED, 0.5)])
def test_dear_calls_are_learned_by_their_class_alone(work: WorkClass, expected: float) -> None:
    costs = Costs(0.1)
    others = {other: costs.expected(other) for other in WorkClass if other is not work}
    for _ in range(200):
        costs.note(work, 2.0, 4.0)
    assert costs.expected(work) == pytest.approx(expected, rel=0.1)
    assert {other: costs.expected(other) for other in others} == others


def test_what_was_dear_once_is_forgotten() -> None:
    costs = Costs(0.1)
    for spent in (8.0, 0.1):
        for _ in range(200):
            costs.note(WorkClass.PLAIN, spent, 4.0)
    assert costs.expected(WorkClass.PLAIN) == pytest.approx(0.1, rel=0.2)


def test_one_word_utterances_do_not_make_a_class_look_dear() -> None:
    costs = Costs(0.1)
    for _ in range(1000):
        costs.note(WorkClass.PLAIN, 0.08, 0.1)
    assert costs.expected(WorkClass.PLAIN) == pytest.approx(0.1)


def test_a_flow_tells_the_share_that_it_took_lately() -> None:
    usage = SessionUsage(Costs(0.1))
    now = spend(usage, 0.5, 60)
    assert usage.share(now) == pytest.approx(0.5, rel=0.05)
    assert usage.share(now + 10) == pytest.approx(0.5 / 2.718, rel=0.05)


@pytest.mark.parametrize("seconds", [0.01, 5.0])
@pytest.mark.parametrize(("per_second", "is_greedy"), [(0.5, False), (1.5, False), (2.5, True), (10.0, True)])
def test_who_wants_more_finals_than_anybody_speaks_is_greedy_however_long_they_take(
    per_second: float, is_greedy: bool, seconds: float
) -> None:
    usage = SessionUsage(Costs(0.1))
    for number in range(int(60 * per_second)):
        usage.spend(seconds, number / per_second)
    assert usage.is_greedy(60.0) is is_greedy


def test_who_stops_is_not_greedy_for_long() -> None:
    usage = SessionUsage(Costs(0.1))
    now = spend(usage, 0.6, 60)
    assert usage.is_greedy(now + 10)
    assert not usage.is_greedy(now + 20)


def test_what_an_utterance_took_is_noted_once() -> None:
    costs = Costs(0.1)
    usage = SessionUsage(costs, WorkClass.CLOSED)
    usage.spend(1000.0, 0.0)
    usage.settle(10.0)
    dear = costs.expected(WorkClass.CLOSED)
    usage.settle(10.0)
    assert dear > 10
    assert costs.expected(WorkClass.CLOSED) < dear


def test_lateness_follows_the_waits_and_fades() -> None:
    lateness = Lateness()
    for tenths in range(100):
        lateness.note(2.0, tenths / 10)
    assert lateness.seconds(10.0) == pytest.approx(2.0, rel=0.15)
    lateness.note(0.0, 10.0)
    assert lateness.seconds(10.0) < 1.7
    assert lateness.seconds(30.0) < 0.1


def test_steps_are_charged_and_make_nobody_greedy() -> None:
    costs = Costs(0.05, has_partials=False)
    usage = SessionUsage(costs)
    for step in range(1_000):
        usage.spend(0.008, step / 10, is_step=True)
    assert not usage.is_greedy(100)
    assert usage.share(100) == pytest.approx(0.08, rel=0.1)
    usage.settle(100)
    assert costs.expected(WorkClass.PLAIN) == pytest.approx(0.07, rel=0.15)


def test_streaming_models_need_no_room_for_partials() -> None:
    assert Costs(0.05, has_partials=False).expected(WorkClass.PLAIN) == 0.05
    dear = {has_partials: Costs(0.05, has_partials=has_partials) for has_partials in (True, False)}
    for costs in dear.values():
        costs.note(WorkClass.PLAIN, 20, 200)
    assert dear[True].expected(WorkClass.PLAIN) - dear[False].expected(WorkClass.PLAIN) == pytest.approx(0.025)
