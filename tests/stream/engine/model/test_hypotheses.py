from stream.engine.model.hypotheses import DecodedWord, Decoding, Hypothesis


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
