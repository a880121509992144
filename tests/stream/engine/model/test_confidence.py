import pytest

from stream.engine.model.confidence import word_confidences
from stream.engine.model.hypotheses import DecodedWord, Hypothesis


def hypothesis(text: str, logprob: float) -> Hypothesis:
    """One token for each word."""
    return Hypothesis(tuple(DecodedWord(text=word, tokens=(hash(word),)) for word in text.split()), logprob)


def test_words_that_other_readings_do_not_have_are_less_sure() -> None:
    best, second = hypothesis("I scream now", -0.4), hypothesis("ice cream now", -0.41)
    first, middle, last = word_confidences(best, [0.9, 0.9, 0.9], [best, second])
    assert first == middle < last


def test_an_unlikely_other_reading_counts_for_little() -> None:
    best, close, far = hypothesis("go home", -0.2), hypothesis("go Rome", -0.3), hypothesis("go Rome", -3.0)
    among_close, among_far = (word_confidences(best, [0.9, 0.9], [best, other])[1] for other in (close, far))
    assert among_close < among_far


def test_case_and_punctuation_make_no_other_word() -> None:
    best, second = hypothesis("yes, Please.", -0.2), hypothesis("Yes please", -0.2)
    first, last = word_confidences(best, [0.8, 0.8], [best, second])
    assert first == last == word_confidences(best, [0.8, 0.8])[0]


def test_a_word_is_as_sure_as_all_of_its_tokens_together() -> None:
    words = (DecodedWord(text="surely", tokens=(1, 2)), DecodedWord(text="not", tokens=(3,)))
    long, short = word_confidences(Hypothesis(words, -0.1), [0.7, 0.7, 0.7])
    assert long < short


@pytest.mark.parametrize("probability", [0.0, 1e-12, 0.5, 1.0])
def test_confidence_lies_between_0_and_1_and_rises(probability: float) -> None:
    (low,) = word_confidences(hypothesis("a", -1.0), [probability * 0.9])
    (high,) = word_confidences(hypothesis("a", -1.0), [probability])
    assert 0 < low <= high < 1


def test_a_reading_without_words_has_none() -> None:
    assert word_confidences(Hypothesis(), []) == []
