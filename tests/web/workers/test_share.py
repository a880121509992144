"""What is divided among workers adds up to the whole."""

from hypothesis import given
from hypothesis import strategies as st

from tests.support.tiers import examples
from web.workers.share import WHOLE, Share


@given(st.integers(0, 10_000), st.integers(1, 256))
@examples(200)
def test_the_parts_of_all_workers_add_up_and_differ_by_one_at_most(amount: int, count: int) -> None:
    parts = [Share(number, count).of(amount) for number in range(1, count + 1)]
    assert sum(parts) == amount
    assert max(parts) - min(parts) <= 1


def test_a_limit_admits_something_at_each_worker() -> None:
    assert [Share(number, 4).limit(2) for number in range(1, 5)] == [1, 1, 1, 1]
    assert [Share(number, 4).limit(10) for number in range(1, 5)] == [3, 3, 2, 2]


def test_one_process_has_everything() -> None:
    assert (WHOLE.of(7), WHOLE.limit(7)) == (7, 7)
