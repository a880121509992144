from hypothesis import given
from hypothesis import strategies as st

from stream.assembly import Assembly
from stream.events import Alternative, Hypothesis, RecognitionOptions, Word
from stream.replay import Placement
from tests.tiers import examples
from vad import SAMPLE_RATE

SECOND = SAMPLE_RATE
ONE_UTTERANCE = RecognitionOptions("en-US", 3)
CONTINUOUS = RecognitionOptions("en-US", finds_endpoints_ms=800)


def placed(base: int = 0, sent: int = 100 * SECOND) -> Placement:
    placement = Placement(base)
    placement.send(sent)
    return placement


def interim(text: str, processed: int = 0, stable_words: int = 0) -> Hypothesis:
    words = tuple(Word(word) for word in text.split())
    return Hypothesis((Alternative(words),) if words else (), stable_words=stable_words, processed=processed)


def final(text: str, start: int = 0, processed: int = 0, confidence: float = 0.5, *, timed: bool = True) -> Hypothesis:
    """Word n lasts from start + n to start + n + 1 tenths of a second."""
    step = SECOND // 10 if timed else 0
    words = tuple(
        Word(word, start + n * step if timed else 0, start + (n + 1) * step if timed else 0)
        for n, word in enumerate(text.split())
    )
    alternatives = (Alternative(words, confidence),) if words else ()
    return Hypothesis(alternatives, is_final=True, stability=1.0, processed=processed)


def text(hypothesis: Hypothesis | None) -> str:
    assert hypothesis is not None
    return hypothesis.best.transcript


def test_several_finals_are_joined_and_stay_in_front_of_what_follows() -> None:
    assembly = Assembly(ONE_UTTERANCE)
    shown = [
        assembly.take(said, placed())
        for said in (
            final("one two", processed=SECOND, confidence=0.9),
            interim("three", 2 * SECOND),
            final("three four", SECOND, 3 * SECOND, confidence=0.3),
        )
    ]
    assert [text(hypothesis) for hypothesis in shown] == ["one two", "one two three", "one two three four"]
    assert [hypothesis and hypothesis.stable_words for hypothesis in shown] == [2, 2, 4]
    settled = assembly.settle_rest(4 * SECOND)
    assert (text(settled), settled.is_final, settled.processed) == ("one two three four", True, 4 * SECOND)
    assert round(settled.best.confidence, 3) == 0.6


def test_a_single_final_keeps_its_alternatives() -> None:
    assembly = Assembly(ONE_UTTERANCE)
    readings = tuple(Alternative((Word(word),)) for word in ("one", "won", "wan", "wun"))
    assembly.take(Hypothesis(readings, is_final=True), placed())
    alternatives = assembly.settle_rest(SECOND).alternatives
    assert [alternative.transcript for alternative in alternatives] == ["one", "won", "wan"]


def test_where_the_recognizer_finds_the_endpoints_each_final_settles_a_stretch() -> None:
    assembly = Assembly(CONTINUOUS)
    stretch = assembly.take(final("one two", SECOND, 3 * SECOND), placed())
    assert stretch is not None
    assert (text(stretch), stretch.is_final, stretch.is_stretch) == ("one two", True, True)
    assert text(assembly.take(interim("three", 4 * SECOND), placed())) == "three"
    assert text(assembly.settle_rest(5 * SECOND)) == "three"
    assert text(assembly.settle_rest(6 * SECOND)) == ""


def test_what_follows_the_last_word_by_more_than_a_moment_is_not_settled() -> None:
    assembly = Assembly(ONE_UTTERANCE)
    assembly.take(final("one two", SECOND, processed=3 * SECOND), placed())
    assert assembly.settled == SECOND + 2 * SECOND // 10 + 3 * SECOND // 10


def test_nothing_past_what_was_processed_is_settled() -> None:
    assembly = Assembly(ONE_UTTERANCE)
    assembly.take(final("one two", SECOND, processed=SECOND + SECOND // 4), placed())
    assert assembly.settled == SECOND + SECOND // 4


def test_a_final_that_tells_no_position_settles_what_was_sent() -> None:
    assembly = Assembly(ONE_UTTERANCE)
    assembly.take(final("one two", timed=False), placed(0, 2 * SECOND))
    assert assembly.settled == 2 * SECOND


def test_words_of_a_later_attempt_lie_where_they_were_spoken() -> None:
    assembly = Assembly(ONE_UTTERANCE)
    assembly.take(final("one", 0, processed=SECOND // 5), placed())
    assembly.take(final("two", SECOND, processed=2 * SECOND), placed(SECOND // 5))
    assert [(word.text, word.start) for word in assembly.settle_rest(3 * SECOND).best.words] == [
        ("one", 0),
        ("two", SECOND + SECOND // 5),
    ]


def test_while_an_attempt_catches_up_nothing_older_is_shown() -> None:
    assembly = Assembly(ONE_UTTERANCE)
    assembly.take(interim("one two three", 3 * SECOND), placed())
    assert assembly.take(interim("one", SECOND), placed()) is None
    assert text(assembly.take(interim("one two tree", 3 * SECOND), placed())) == "one two tree"


def test_an_interim_that_tells_no_position_is_believed() -> None:
    assembly = Assembly(ONE_UTTERANCE)
    assembly.take(interim("one two", 3 * SECOND), placed())
    assert text(assembly.take(interim("one"), placed())) == "one"


def test_an_interim_that_was_overtaken_by_a_final_is_dropped() -> None:
    assembly = Assembly(ONE_UTTERANCE)
    assembly.take(final("one two", processed=2 * SECOND), placed())
    assert assembly.take(interim("one", SECOND), placed()) is None
    assert text(assembly.settle_rest(3 * SECOND)) == "one two"


def test_a_final_that_comes_twice_counts_once() -> None:
    assembly = Assembly(ONE_UTTERANCE)
    for said in (final("one two", processed=SECOND), final("three", SECOND, 2 * SECOND)):
        assert assembly.take(said, placed()) is not None
        assert assembly.take(said, placed()) is None
    untimed = final("four", processed=3 * SECOND, timed=False)
    assert assembly.take(untimed, placed()) is not None
    assert assembly.take(untimed, placed()) is None
    assert text(assembly.settle_rest(4 * SECOND)) == "one two three four"


def test_two_finals_for_the_same_audio_that_say_different_things_both_count() -> None:
    assembly = Assembly(ONE_UTTERANCE)
    for word in ("one", "two"):
        assembly.take(final(word, processed=SECOND, timed=False), placed())
    assert text(assembly.settle_rest(SECOND)) == "one two"


def test_unsettled_text_that_never_became_final_is_settled_in_the_end() -> None:
    assembly = Assembly(ONE_UTTERANCE)
    assembly.take(final("one", processed=SECOND), placed())
    assembly.take(interim("two three", 2 * SECOND), placed())
    assert text(assembly.settle_rest(2 * SECOND)) == "one two three"


def test_a_final_takes_the_unsettled_text_back() -> None:
    assembly = Assembly(ONE_UTTERANCE)
    assembly.take(interim("you", SECOND), placed())
    assembly.take(final("", processed=2 * SECOND), placed())
    assert text(assembly.settle_rest(2 * SECOND)) == ""


def test_it_knows_how_far_it_is_settled_and_how_far_it_speaks() -> None:
    assembly = Assembly(ONE_UTTERANCE)
    assert not assembly.is_settled_to(0)
    assembly.take(interim("one two", 2 * SECOND), placed())
    assert (assembly.is_settled_to(2 * SECOND), assembly.speaks_of(2 * SECOND)) == (False, True)
    assert not assembly.speaks_of(3 * SECOND)
    assembly.take(interim("one two"), placed())
    assert assembly.speaks_of(3 * SECOND)
    assembly.take(final("one two", processed=2 * SECOND), placed())
    assert (assembly.is_settled_to(2 * SECOND), assembly.speaks_of(2 * SECOND)) == (True, False)


@examples(25)
@given(st.lists(st.tuples(st.text("ab ", max_size=6), st.booleans())))
def test_without_positions_every_word_of_every_final_is_kept(said: list[tuple[str, bool]]) -> None:
    assembly = Assembly(ONE_UTTERANCE)
    for words, is_final in said:
        assembly.take(final(words, timed=False) if is_final else interim(words), placed())
    last = next((n for n in reversed(range(len(said))) if said[n][1]), -1)
    pending = said[-1][0] if said and last < len(said) - 1 else ""
    expected = [word for words, is_final in said if is_final for word in words.split()] + pending.split()
    assert text(assembly.settle_rest(SECOND)).split() == expected
