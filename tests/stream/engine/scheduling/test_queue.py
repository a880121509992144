import pytest

from stream.engine.scheduling.load import Costs, SessionUsage
from stream.engine.scheduling.queue import DecodeQueue, Job
from stream.engine.scheduling.work import Work

# What talkers want decoded; there is always more of it in these tests.
LIVE = (Work.FINAL, Work.EARLY_FINAL, Work.PARTIAL)


def job(kind: Work, queued_at: float = 0.0) -> Job:
    return Job(begin=lambda: None, kind=kind, queued_at=queued_at)


def queue_of(*jobs: Job) -> DecodeQueue:
    queue = DecodeQueue()
    for one in jobs:
        queue.put(one)
    return queue


async def test_files_go_last_and_first_come_first_served_among_themselves() -> None:
    jobs = [job(kind) for kind in (Work.FILE, Work.FILE, Work.PARTIAL, Work.EARLY_FINAL, Work.FINAL)]
    queue = queue_of(*jobs)
    taken = [queue.pop(0.0, takes_files=True) for _ in jobs]
    assert taken == [jobs[4], jobs[3], jobs[2], jobs[0], jobs[1]]
    assert queue.pop(0.0, takes_files=True) is None


@pytest.mark.parametrize(("waited", "is_first"), [(4.9, False), (5.0, True)])
async def test_a_file_goes_first_once_it_has_waited_for_five_seconds(waited: float, is_first: bool) -> None:
    file = job(Work.FILE, 100.0)
    queue = queue_of(file, *map(job, LIVE))
    assert (queue.pop(100.0 + waited, takes_files=True) is file) is is_first


async def test_of_many_files_that_wait_one_goes_first_in_five_seconds() -> None:
    queue = queue_of(*(job(Work.FILE) for _ in range(10)), *(job(Work.PARTIAL) for _ in range(100)))
    taken = [queue.pop(tenths / 10, takes_files=True) for tenths in range(100, 200)]
    files = [number for number, one in enumerate(taken) if one and one.kind is Work.FILE]
    assert files == [0, 50]


async def test_where_no_file_is_taken_even_one_that_has_waited_long_stays() -> None:
    queue = queue_of(job(Work.FILE), job(Work.PARTIAL))
    taken = [queue.pop(1000.0, takes_files=False) for _ in range(2)]
    assert [one.kind if one else None for one in taken] == [Work.PARTIAL, None]
    assert len(queue) == 1


@pytest.mark.parametrize("kind", list(Work))
async def test_who_was_cancelled_has_no_turn(kind: Work) -> None:
    cancelled, following = job(kind), job(kind)
    queue = queue_of(cancelled, following)
    cancelled.outcome.cancel()
    assert queue.pop(0.0, takes_files=True) is following
    queue.discard(cancelled)
    assert len(queue) == 0


async def test_steps_of_streaming_models_go_first_in_their_order() -> None:
    steps = [Job(begin=lambda: None, kind=Work.PARTIAL, is_step=True, queued_at=0.0) for _ in range(3)]
    queue = queue_of(job(Work.FILE, -1000.0), *map(job, LIVE), *steps)
    assert len(queue) == 7
    steps[0].outcome.cancel()
    queue.discard(steps[2])
    assert queue.pop(0.0, takes_files=True) is steps[1]
    assert len(queue) == 4
    queue.put(steps[2])
    queue.cancel()
    assert steps[2].outcome.cancelled()
    assert len(queue) == 0


async def test_steps_cost_a_session_no_turn() -> None:
    usage = SessionUsage(Costs(0.1))
    queue = DecodeQueue()
    for _ in range(5):
        queue.put(Job(begin=lambda: None, kind=Work.PARTIAL, usage=usage, is_step=True))
    assert usage.next_turn == 0


# --- turns of sessions ---


def greedy(costs: Costs) -> SessionUsage:
    usage = SessionUsage(costs)
    for _ in range(60):
        usage.spend(0.1, 0.0)
    return usage


def taken(queue: DecodeQueue, now: float = 0.0) -> list[Job | None]:
    return [queue.pop(now, takes_files=True) for _ in range(len(queue))]


async def test_sessions_take_turns_with_their_finals() -> None:
    eager, first, second = (SessionUsage(Costs(0.1)) for _ in range(3))
    eagers = [Job(begin=lambda: None, kind=Work.FINAL, usage=eager) for _ in range(4)]
    others = [Job(begin=lambda: None, kind=Work.FINAL, usage=usage) for usage in (first, second)]
    assert taken(queue_of(*eagers, *others)) == [eagers[0], *others, *eagers[1:]]


async def test_a_session_that_just_had_turns_comes_after_one_that_had_none() -> None:
    eager, quiet = SessionUsage(Costs(0.1)), SessionUsage(Costs(0.1))
    queue = queue_of(*(Job(begin=lambda: None, kind=Work.FINAL, usage=eager) for _ in range(3)))
    taken(queue)
    later, final = (
        Job(begin=lambda: None, kind=Work.FINAL, usage=eager),
        Job(begin=lambda: None, kind=Work.FINAL, usage=quiet),
    )
    queue.put(later)
    queue.put(final)
    assert taken(queue) == [final, later]


async def test_one_who_was_quiet_for_long_has_no_claim_to_all_turns() -> None:
    busy, quiet = SessionUsage(Costs(0.1)), SessionUsage(Costs(0.1))
    queue = DecodeQueue()
    for _ in range(100):
        queue.put(Job(begin=lambda: None, kind=Work.FINAL, usage=busy))
        taken(queue)
    finals = [Job(begin=lambda: None, kind=Work.FINAL, usage=usage) for usage in (quiet, quiet, busy, quiet)]
    for final in finals:
        queue.put(final)
    assert taken(queue).index(finals[2]) <= 2


async def test_a_greedy_session_waits_behind_all_that_others_want() -> None:
    costs = Costs(0.1)
    jobs = [
        Job(begin=lambda: None, kind=Work.FINAL, usage=greedy(costs)),
        job(Work.FILE),
        Job(begin=lambda: None, kind=Work.EARLY_FINAL, usage=greedy(costs)),
        *(Job(begin=lambda: None, kind=kind, usage=SessionUsage(costs)) for kind in reversed(LIVE)),
    ]
    assert taken(queue_of(*jobs)) == [jobs[5], jobs[4], jobs[3], jobs[0], jobs[2], jobs[1]]


async def test_of_greedy_sessions_the_one_that_took_least_goes_first() -> None:
    costs = Costs(0.1)
    more, less = greedy(costs), greedy(costs)
    more.spend(1.0, 0.0)
    jobs = [Job(begin=lambda: None, kind=Work.FINAL, usage=usage) for usage in (more, less)]
    assert taken(queue_of(*jobs)) == [jobs[1], jobs[0]]


async def test_the_wait_of_greedy_sessions_is_nobodys_lateness() -> None:
    costs = Costs(0.1)
    queue = queue_of(Job(begin=lambda: None, kind=Work.FINAL, usage=greedy(costs), queued_at=0.0))
    assert queue.longest_wait_seconds(5.0) == 0.0
    queue.put(Job(begin=lambda: None, kind=Work.FINAL, usage=SessionUsage(costs), queued_at=2.0))
    assert queue.longest_wait_seconds(5.0) == 3.0
