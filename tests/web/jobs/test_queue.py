import pytest

from web.jobs.queue import MOST_FETCHES, MOST_FETCHES_PER_OWNER, next_fetches


@pytest.mark.fault(45)
def test_one_owner_leaves_downloads_to_the_others() -> None:
    waiting = [*((f"a{n}", "a") for n in range(20)), ("b0", "b"), ("c0", "c"), ("b1", "b")]
    begun = [name for name, _ in next_fetches(waiting, [])]
    assert begun == [*(f"a{n}" for n in range(MOST_FETCHES_PER_OWNER)), "b0", "c0", "b1"]
    assert MOST_FETCHES_PER_OWNER < MOST_FETCHES


def test_downloads_in_progress_count() -> None:
    of_a = ["a"] * MOST_FETCHES_PER_OWNER
    assert list(next_fetches([("a1", "a"), ("b1", "b")], of_a)) == [("b1", "b")]
    of_others = ["c"] * (MOST_FETCHES - MOST_FETCHES_PER_OWNER)
    assert list(next_fetches([("b1", "b")], of_a + of_others)) == []
