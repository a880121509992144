import pytest

from stream.engine.line import Job, Line
from stream.engine.work import Work

# What talkers want decoded; there is always more of it in these tests.
LIVE = (Work.FINAL, Work.EARLY_FINAL, Work.PARTIAL)


def job(kind: Work, came: float = 0.0) -> Job:
    return Job(lambda: None, kind, came)


def line_of(*jobs: Job) -> Line:
    line = Line()
    for one in jobs:
        line.join(one)
    return line


async def test_files_go_last_and_first_come_first_served_among_themselves() -> None:
    jobs = [job(kind) for kind in (Work.FILE, Work.FILE, Work.PARTIAL, Work.EARLY_FINAL, Work.FINAL)]
    line = line_of(*jobs)
    taken = [line.next(0.0, takes_files=True) for _ in jobs]
    assert taken == [jobs[4], jobs[3], jobs[2], jobs[0], jobs[1]]
    assert line.next(0.0, takes_files=True) is None


@pytest.mark.parametrize(("waited", "is_first"), [(4.9, False), (5.0, True)])
async def test_a_file_goes_first_once_it_has_waited_for_five_seconds(waited: float, is_first: bool) -> None:
    file = job(Work.FILE, 100.0)
    line = line_of(file, *map(job, LIVE))
    assert (line.next(100.0 + waited, takes_files=True) is file) is is_first


async def test_of_many_files_that_wait_one_goes_first_in_five_seconds() -> None:
    line = line_of(*(job(Work.FILE) for _ in range(10)), *(job(Work.PARTIAL) for _ in range(100)))
    taken = [line.next(tenths / 10, takes_files=True) for tenths in range(100, 200)]
    files = [number for number, one in enumerate(taken) if one and one.kind is Work.FILE]
    assert files == [0, 50]


async def test_where_no_file_is_taken_even_one_that_has_waited_long_stays() -> None:
    line = line_of(job(Work.FILE), job(Work.PARTIAL))
    taken = [line.next(1000.0, takes_files=False) for _ in range(2)]
    assert [one.kind if one else None for one in taken] == [Work.PARTIAL, None]
    assert len(line) == 1


@pytest.mark.parametrize("kind", list(Work))
async def test_who_was_cancelled_has_no_turn(kind: Work) -> None:
    cancelled, following = job(kind), job(kind)
    line = line_of(cancelled, following)
    cancelled.outcome.cancel()
    assert line.next(0.0, takes_files=True) is following
    line.leave(cancelled)
    assert len(line) == 0
