import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.load.levels import Row, distance, summed, words_of
from bench.load.streams import Watch
from tests.support.tiers import examples

WORDS = st.lists(st.sampled_from(["one", "two", "three", "four"]), max_size=8)


def row(*watches: Watch) -> Row:
    return summed("server", watches, streams=len(watches), refused=0)


@given(expected=WORDS.filter(bool), found=WORDS)
@examples(50)
def test_the_distance_is_that_of_a_library(expected: list[str], found: list[str]) -> None:
    counted = jiwer.process_words(" ".join(expected), " ".join(found))
    assert distance(expected, found) == counted.substitutions + counted.deletions + counted.insertions


def test_words_are_compared_without_case_and_punctuation() -> None:
    assert words_of("It's two, O'Clock -- NOW!") == ["it's", "two", "o'clock", "now"]


def test_lost_and_doubled_words_of_numbered_ones_are_counted() -> None:
    whole = Watch(texts=["word0 word1 word2 s9", "word0 s4"])
    faulty = Watch(texts=["word0 word2 word2 word3 s9"])
    assert (row(whole).lost_words, row(whole).doubled_words) == (0, 0)
    assert (row(whole, faulty).lost_words, row(whole, faulty).doubled_words) == (1, 1)


def test_words_are_wrong_in_percent_of_what_was_said_where_all_texts_are_known() -> None:
    first = Watch(spoken=["one two", "three four"], texts=["one two three", "four"])
    second = Watch(spoken=["one two"], texts=["one"])
    assert row(first, second).word_error_percent == pytest.approx(100 / 6)
    assert row(first, Watch(spoken=[""], texts=["one"])).word_error_percent is None


def test_latencies_are_in_milliseconds() -> None:
    watch = Watch(latencies=[0.001 * number for number in range(101)], final_latencies=[])
    assert row(watch).latencies_ms == pytest.approx((50, 95, 99))
    assert all(figure != figure for figure in row(watch).final_ms)  # noqa: PLR0124 - not a number
