import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.session.events import Alternative, Hypothesis, Latency, Progress, Reason, Settled, Word
from stream.session.transcript import SettledUtterances
from tests.support.tiers import examples

COUNTS = st.integers(min_value=0, max_value=2**40)
FRACTIONS = st.floats(min_value=0, max_value=1)
WORDS = st.builds(Word, st.text(max_size=8), COUNTS, COUNTS, FRACTIONS)
ALTERNATIVES = st.builds(Alternative, st.lists(WORDS, max_size=4).map(tuple), FRACTIONS)
HYPOTHESES = st.builds(
    Hypothesis, st.lists(ALTERNATIVES, max_size=3).map(tuple), st.booleans(), st.booleans(), FRACTIONS, COUNTS, COUNTS
)
UTTERANCES = st.builds(
    Settled, COUNTS, HYPOTHESES, st.sampled_from(Reason), COUNTS, FRACTIONS, st.booleans(), COUNTS, COUNTS,
    st.integers(0, 7), st.builds(Latency, FRACTIONS, FRACTIONS), st.builds(Progress, COUNTS, COUNTS), st.booleans(),
)  # fmt: skip


@examples(20)
@given(st.lists(UTTERANCES, max_size=4, unique_by=lambda utterance: utterance.utterance_id))
def test_all_that_was_settled_comes_back_in_the_order_it_was_spoken(utterances: list[Settled]) -> None:
    settled = SettledUtterances()
    for utterance in utterances:
        settled.add(utterance)
    unpacked, ordered = settled.all(), sorted(utterances, key=lambda one: (one.start, one.channel, one.utterance_id))
    assert (list(unpacked), len(unpacked), list(unpacked[1:])) == (ordered, len(ordered), ordered[1:])
    assert [unpacked[n] for n in range(len(ordered))] == ordered


@pytest.mark.fault(27)
def test_an_hour_of_talk_takes_little_memory() -> None:
    """Row 27, where 1.5 MB are allowed for all that an hour leaves behind."""
    settled = SettledUtterances()
    tracemalloc.start()
    try:
        for number in range(900):
            words = tuple(Word(f"word{n}", 16_000 * (4 * number + n), 16_000 * n, n / 7) for n in range(10))
            settled.add(
                Settled(number, Hypothesis((Alternative(words, 0.5),)), Reason.ENDPOINT, 1, 0.1, was_shown=True)
            )
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 600_000
