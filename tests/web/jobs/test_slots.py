"""Whose recordings are downloaded next."""

import pytest

from web.jobs.slots import MOST_FETCHES, MOST_OF_OWNER, next_fetches


@pytest.mark.fault(45)
def test_one_owner_leaves_downloads_to_the_others() -> None:
    waiting = [*((f"a{n}", "a") for n in range(20)), ("b0", "b"), ("c0", "c"), ("b1", "b")]
    begun = [name for name, _ in next_fetches(waiting, [])]
    assert begun == [*(f"a{n}" for n in range(MOST_OF_OWNER)), "b0", "c0", "b1"]
    assert MOST_OF_OWNER < MOST_FETCHES


def test_what_goes_on_counts() -> None:
    assert list(next_fetches([("a", "a"), ("b", "b")], ["a", "a"], most=3, of_owner=2)) == [("b", "b")]
    assert list(next_fetches([("b", "b")], ["a", "a", "c"], most=3, of_owner=2)) == []
