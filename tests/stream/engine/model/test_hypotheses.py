from stream.engine.model.hypotheses import DecodedWord, Decoding, Reading


def reading(text: str, confidence: float) -> Reading:
    return Reading(tuple(DecodedWord(word, (1,), confidence=confidence) for word in text.split()))


def ranked(*readings: Reading) -> list[tuple[str, float]]:
    return [(one.text, one.confidence) for one in Decoding(readings, 0.0, "en").ranked.readings]


def test_alternatives_come_by_falling_confidence_and_none_is_surer_than_the_best() -> None:
    readings = reading("nine", 0.5), reading("none", 0.1), reading("fine", 0.9), reading("line", 0.3)
    assert ranked(*readings) == [("nine", 0.5), ("fine", 0.5), ("line", 0.3), ("none", 0.1)]


def test_loops_and_readings_without_a_word_are_no_alternatives() -> None:
    assert ranked(reading("nine", 0.5), reading("nine nine nine nine", 0.4), reading("...", 0.3)) == [("nine", 0.5)]


def test_each_text_comes_once() -> None:
    readings = reading("nine", 0.5), reading("fine", 0.4), reading("nine", 0.3), reading("fine", 0.2)
    assert ranked(*readings) == [("nine", 0.5), ("fine", 0.4)]


def test_the_best_reading_stays_whatever_it_repeats() -> None:
    assert ranked(reading("nine nine nine", 0.5), reading("nine", 0.4)) == [("nine nine nine", 0.5), ("nine", 0.4)]
