"""Hypotheses with numbers in digits: their words, times and stable words."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from stream.recognition.numbers.hypotheses import with_digits
from stream.session.events import Alternative, Hypothesis, RecognitionOptions, Word
from tests.stream.recognition.numbers.test_persian import WORDS
from tests.support.tiers import examples

DIGITS = RecognitionOptions("fa-IR", writes_digits=True)


def hypothesis(text: str, stable_words: int = 0) -> Hypothesis:
    """Return words of a tenth of a second each, whose confidences rise by an eighth."""
    words = tuple(Word(word, 1600 * n, 1600 * (n + 1), n / 8, 1) for n, word in enumerate(text.split()))
    return Hypothesis((Alternative(words, 0.5),), stable_words=stable_words, processed=99)


def test_a_number_is_one_word_with_the_time_of_all() -> None:
    written = with_digits(hypothesis("حدود بیست و پنج نفر"), DIGITS)
    assert written.best.words == (
        Word("حدود", 0, 1600, 0.0, 1),
        Word("۲۵", 1600, 6400, 0.25, 1),
        Word("نفر", 6400, 8000, 0.5, 1),
    )
    assert (written.best.confidence, written.processed) == (0.5, 99)


def test_every_alternative_is_written() -> None:
    both = replace(hypothesis("سی"), alternatives=(*hypothesis("سی").alternatives, *hypothesis("سی و یک").alternatives))
    assert [one.transcript for one in with_digits(both, DIGITS).alternatives] == ["۳۰", "۳۱"]


def test_only_persian_is_written_and_only_if_it_is_wanted() -> None:
    spoken = hypothesis("بیست و پنج")
    for options in (replace(DIGITS, writes_digits=False), replace(DIGITS, language_code="en-US")):
        assert with_digits(spoken, options) is spoken


def test_a_number_at_the_end_of_the_stable_words_is_not_stable() -> None:
    assert with_digits(hypothesis("سلام بیست و پنج", 4), DIGITS).stable_words == 1
    assert with_digits(hypothesis("سلام بیست و پنج نفر", 4), DIGITS).stable_words == 1
    assert with_digits(hypothesis("سلام بیست و پنج نفر", 5), DIGITS).stable_words == 3


@examples(60)
@given(st.lists(WORDS, max_size=10), st.lists(WORDS, max_size=6), st.integers(0, 10))
def test_stable_words_never_change(words: list[str], later: list[str], stable_words: int) -> None:
    stable_words = min(stable_words, len(words))
    before = with_digits(hypothesis(" ".join(words), stable_words), DIGITS)
    after = with_digits(hypothesis(" ".join([*words[:stable_words], *later])), DIGITS)
    stable = [word.text for word in before.best.words[: before.stable_words]]
    assert [word.text for word in after.best.words[: len(stable)]] == stable
