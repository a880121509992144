import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.riva.responses.words import scale
from tests.support.tiers import examples

# A sentence and its words, as a server was seen to report them.
RECORDED = [-0.9994, -1.5961, -0.6129, -2.5625, -0.5912, 0.36569]


def mapped(reported: list[float]) -> list[float]:
    one_scale = scale(reported)
    return [one_scale(value) for value in reported]


def test_scores_on_both_sides_of_zero_keep_their_order() -> None:
    confidences = mapped(RECORDED)
    ranks = sorted(range(len(RECORDED)), key=RECORDED.__getitem__)
    assert sorted(range(len(RECORDED)), key=confidences.__getitem__) == ranks
    assert all(0 < confidence < 1 for confidence in confidences)
    assert confidences[0] == pytest.approx(1 / (1 + math.exp(0.9994)))
    assert confidences[-1] > 0.5 > max(confidences[:-1])


@pytest.mark.parametrize("reported", [[0.02, 0.32, 1.0], [0.0, 0.5], [0.5, math.nan]])
def test_probabilities_stay_as_they_are(reported: list[float]) -> None:
    assert mapped(reported) == [0.0 if math.isnan(value) else value for value in reported]


def test_a_value_above_one_makes_all_of_them_scores() -> None:
    confidences = mapped([3.0, 0.5])
    assert 0.5 < confidences[1] < confidences[0] < 1


def test_a_rounding_error_above_one_is_no_score() -> None:
    assert mapped([1.0000001, 0.5]) == [1.0, 0.5]


@pytest.mark.parametrize("nonsense", [math.nan, 0.0])
def test_what_is_unset_stays_unset_among_scores(nonsense: float) -> None:
    assert mapped([-1.0, nonsense])[1] == 0.0


def test_scores_without_end_are_confidences() -> None:
    low, high = mapped([-math.inf, math.inf])
    assert 0 < low < high == 1


@examples(100)
@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1))
def test_the_order_is_kept_whatever_is_reported(reported: list[float]) -> None:
    known = sorted(pair for pair in zip(reported, mapped(reported), strict=True) if pair[0])
    assert all(0 < confidence <= 1 for _, confidence in known)
    assert all(low <= high for (_, low), (_, high) in itertools.pairwise(known))
