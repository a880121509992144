import math

import pytest

from stream.engine.model.hypotheses import DecodedWord, Decoding, Hypothesis, ending_confidence


def hypothesis(text: str, confidence: float) -> Hypothesis:
    return Hypothesis(tuple(DecodedWord(text=word, tokens=(1,), confidence=confidence) for word in text.split()))


def ranked(*hypotheses: Hypothesis) -> list[tuple[str, float]]:
    return [(one.text, one.confidence) for one in Decoding(hypotheses, 0.0, "en").ranked.hypotheses]


def test_alternatives_come_by_falling_confidence_and_none_is_surer_than_the_best() -> None:
    hypotheses = hypothesis("nine", 0.5), hypothesis("none", 0.1), hypothesis("fine", 0.9), hypothesis("line", 0.3)
    assert ranked(*hypotheses) == [("nine", 0.5), ("fine", 0.5), ("line", 0.3), ("none", 0.1)]


def test_loops_and_readings_without_a_word_are_no_alternatives() -> None:
    assert ranked(hypothesis("nine", 0.5), hypothesis("nine nine nine nine", 0.4), hypothesis("...", 0.3)) == [
        ("nine", 0.5)
    ]


def test_repeated_digits_are_a_loop_if_the_best_has_fewer() -> None:
    assert ranked(hypothesis("7", 0.5), hypothesis("7777", 0.4), hypothesis("77", 0.3)) == [("7", 0.5)]
    assert ranked(hypothesis("1989", 0.5), hypothesis("1999", 0.4)) == [("1989", 0.5), ("1999", 0.4)]


def test_each_text_comes_once() -> None:
    hypotheses = hypothesis("nine", 0.5), hypothesis("fine", 0.4), hypothesis("nine", 0.3), hypothesis("fine", 0.2)
    assert ranked(*hypotheses) == [("nine", 0.5), ("fine", 0.4)]


def test_the_best_reading_stays_whatever_it_repeats() -> None:
    assert ranked(hypothesis("nine nine nine", 0.5), hypothesis("nine", 0.4)) == [
        ("nine nine nine", 0.5),
        ("nine", 0.4),
    ]


def scored(text: str, probability: float) -> Hypothesis:
    """A hypothesis of one token a word, with a probability of the whole text."""
    words = tuple(DecodedWord(text=word, tokens=(1,)) for word in text.split())
    return Hypothesis(words, math.log(probability) / (len(words) + 1))


def test_the_confidence_of_an_ending_is_the_share_of_the_beam_that_ends_like_the_best() -> None:
    one, other, third = scored("It is.", 0.5), scored("It is, so", 0.3), scored("It was!", 0.2)
    assert ending_confidence((one, other, third)) == pytest.approx(0.7)
    assert ending_confidence((other, one, third)) == pytest.approx(0.3)
    assert ending_confidence((scored("It is...", 0.4), one)) == pytest.approx(0.4 / 0.9)


def test_one_hypothesis_has_an_ending_of_unknown_confidence() -> None:
    assert ending_confidence((scored("It is.", 0.5),)) == 0.0
    assert ending_confidence(()) == 0.0
