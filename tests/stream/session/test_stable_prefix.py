from hypothesis import given
from hypothesis import strategies as st

from stream.session.events import Alternative, Hypothesis, Word
from stream.session.stable_prefix import Agreement, StablePrefix
from tests.support.tiers import examples


def heard(text: str, seconds: float = 0.0, stable: int = 0) -> Hypothesis:
    words = tuple(Word(word) for word in text.split())
    return Hypothesis((Alternative(words),), processed=int(16000 * seconds), stable_words=stable)


def agreed(agreement: Agreement, text: str, seconds: float) -> int:
    return agreement.stable_words(text.split(), int(16000 * seconds))


def test_words_are_stable_once_three_hypotheses_agree_for_a_second() -> None:
    agreement = Agreement()
    stable = [
        agreed(agreement, text, seconds)
        for text, seconds in (
            ("a", 0.5),
            ("a b", 1.0),
            ("a b c", 1.4),
            ("a b c d", 1.5),
            ("a b x", 2.0),
        )
    ]
    assert stable == [0, 0, 0, 1, 2]


def test_a_hypothesis_that_differs_begins_the_wait_anew() -> None:
    agreement = Agreement()
    for text, seconds in (("a", 0.0), ("a", 0.6), ("b", 1.2)):
        agreed(agreement, text, seconds)
    assert agreed(agreement, "b", 1.8) == 0
    assert agreed(agreement, "b", 2.4) == 1


def test_what_was_promised_stays_in_front() -> None:
    promise = StablePrefix()
    promise.applied(heard("one two three", stable=2))
    kept = promise.applied(heard("won two four five", stable=0))
    assert (kept.best.transcript, kept.stable_words) == ("one two four five", 2)
    assert not promise.begins(heard("one too").best.words)
    assert promise.begins(heard("one two.").best.words) is False


_TEXTS = st.lists(st.sampled_from("abc"), max_size=6).map(" ".join)


@examples(25)
@given(st.lists(st.tuples(_TEXTS, st.integers(0, 8)), max_size=12))
def test_stable_words_never_shrink_and_never_change(hypotheses: list[tuple[str, int]]) -> None:
    promise = StablePrefix()
    promised: list[str] = []
    for text, stable in hypotheses:
        kept = promise.applied(heard(text, stable=stable))
        words = [word.text for word in kept.best.words]
        assert words[: len(promised)] == promised
        assert len(promised) <= kept.stable_words <= len(words)
        promised = words[: kept.stable_words]
