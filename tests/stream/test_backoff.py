from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.backoff import Backoff
from tests.support.tiers import examples


@pytest.mark.parametrize(
    ("backoff", "delays"),
    [
        (Backoff(1.0, 30.0), [1, 2, 4, 8, 16, 30, 30]),
        (Backoff(0.5, 2.0, factor=1.5), [0.5, 0.75, 1.125, 1.6875, 2, 2]),
        (Backoff(5.0, 5.0), [5, 5]),
    ],
)
def test_delays_grow_up_to_their_limit(backoff: Backoff, delays: list[float]) -> None:
    assert [backoff.delay_seconds(retries) for retries in range(len(delays))] == delays


def test_jitter_chooses_from_the_upper_half_of_a_delay() -> None:
    backoff = Backoff(1.0, 8.0)
    assert [backoff.delay_seconds(2, jitter=jitter) for jitter in (0.0, 0.5, 1.0)] == [2, 3, 4]


@examples(50)
@given(
    first=st.floats(0.001, 10),
    longest=st.floats(0.001, 1e6),
    factor=st.floats(1, 10),
    retries=st.lists(st.integers(0, 1 << 70), min_size=2),
)
def test_delays_never_shrink_and_stay_within_the_limit(
    first: float, longest: float, factor: float, retries: list[int]
) -> None:
    backoff = Backoff(first, longest, factor)
    delays = [backoff.delay_seconds(number) for number in sorted(retries)]
    assert all(0 < delay <= longest for delay in delays)
    assert all(earlier <= later for earlier, later in pairwise(delays))
