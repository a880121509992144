import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.recognition.assembly import Assembly
from stream.recognition.replay import Placement
from stream.session.events import Alternative, Hypothesis, RecognitionOptions, Word
from tests.support.tiers import examples
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
    assert (text(stretch), stretch.is_final, stretch.is_segment_final) == ("one two", True, True)
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


FOX, DOG = "The quick brown fox", "jumps over the lazy dog."
TENTH = SECOND // 10


def after_a_final(*partials: Hypothesis, options: RecognitionOptions = ONE_UTTERANCE, timed: bool = True) -> Assembly:
    """Say the dog, settled to its second 3, then the partials."""
    assembly = Assembly(options)
    assembly.take(interim("jumps over lazy", 2 * SECOND), placed())
    assembly.take(final(DOG, processed=3 * SECOND, timed=timed), placed())
    for partial in partials:
        assembly.take(partial, placed())
    return assembly


@pytest.mark.parametrize("timed", [True, False])
@pytest.mark.parametrize(
    "late",
    [
        interim(DOG, 3 * SECOND),
        interim("jumps over the lazy dog", 3 * SECOND + 3 * TENTH),
        interim("JUMPS, over the lazy dog", 3 * SECOND + 7 * TENTH),
        interim("jumps over", 3 * SECOND + TENTH),
        interim("jumps over lazy", 3 * SECOND + 3 * TENTH),
        Hypothesis(interim(DOG).alternatives, processed=9 * SECOND, first_word=TENTH),
    ],
)
def test_a_late_partial_with_the_text_of_a_final_adds_nothing(late: Hypothesis, timed: bool) -> None:
    assembly = after_a_final(timed=timed)
    assert assembly.take(late, placed()) is None
    assert (text(assembly.settle_rest(5 * SECOND)), assembly.has_unsettled_words) == (DOG, False)


def test_a_late_partial_opens_nothing_where_the_recognizer_finds_the_endpoints() -> None:
    assembly = after_a_final(options=CONTINUOUS)
    assert assembly.take(interim(DOG, 3 * SECOND + 3 * TENTH), placed()) is None
    assert text(assembly.settle_rest(5 * SECOND)) == ""


def test_what_follows_the_text_of_a_final_in_a_partial_is_new() -> None:
    assembly = after_a_final()
    assert text(assembly.take(interim(f"{DOG} and sleeps", 4 * SECOND, 6), placed())) == f"{DOG} and sleeps"
    settled = assembly.take(final("and sleeps", 4 * SECOND, 5 * SECOND), placed())
    assert text(settled) == f"{DOG} and sleeps"


@pytest.mark.parametrize(
    "again",
    [
        interim(DOG, 6 * SECOND),
        interim("jumps", 3 * SECOND + 4 * TENTH),
        interim(f"{FOX} {DOG}", 4 * SECOND),
        Hypothesis(interim(DOG).alternatives, processed=4 * SECOND, first_word=3 * SECOND),
    ],
)
def test_what_can_have_been_said_again_is_heard(again: Hypothesis) -> None:
    assert text(after_a_final().take(again, placed())) == f"{DOG} {again.best.transcript}"


@pytest.mark.parametrize("timed", [True, False])
def test_a_second_final_with_the_same_text_counts_though_its_partials_were_taken_for_late(timed: bool) -> None:
    assembly = Assembly(ONE_UTTERANCE)
    assembly.take(final("yes", processed=SECOND, timed=timed), placed())
    assert assembly.take(interim("yes", SECOND + 5 * TENTH), placed()) is None
    assembly.take(final("yes", SECOND + TENTH, 2 * SECOND, timed=timed), placed())
    assert text(assembly.settle_rest(2 * SECOND)) == "yes yes"


def test_in_another_attempt_no_partial_is_late() -> None:
    assembly = after_a_final()
    assert text(assembly.take(interim(DOG, 5 * TENTH), placed(3 * SECOND))) == f"{DOG} {DOG}"


def test_a_final_that_tells_neither_times_nor_position_counts_once() -> None:
    assembly = Assembly(ONE_UTTERANCE)
    said = final("yes", timed=False)
    for sent in (SECOND, SECOND + 2 * TENTH):
        assembly.take(said, placed(sent=sent))
    assert text(assembly.settle_rest(2 * SECOND)) == "yes"


def test_such_a_final_counts_again_where_somebody_spoke_in_between() -> None:
    with_time, with_partial = Assembly(ONE_UTTERANCE), Assembly(ONE_UTTERANCE)
    said = final("yes", timed=False)
    for sent in (SECOND, 3 * SECOND):
        with_time.take(said, placed(sent=sent))
    for partial in (said, interim("no"), said):
        with_partial.take(partial, placed(sent=SECOND))
    assert text(with_time.settle_rest(4 * SECOND)) == text(with_partial.settle_rest(4 * SECOND)) == "yes yes"


@examples(25)
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans())))
def test_without_positions_every_word_of_every_final_is_kept(said: list[tuple[int, bool]]) -> None:
    assembly = Assembly(ONE_UTTERANCE)
    texts = [" ".join(f"w{number}x{n}" for n in range(words)) for number, (words, _) in enumerate(said)]
    for words, (_, is_final) in zip(texts, said, strict=True):
        assembly.take(final(words, timed=False) if is_final else interim(words), placed())
    last = next((n for n in reversed(range(len(said))) if said[n][1]), -1)
    pending = texts[-1] if said and last < len(said) - 1 else ""
    finals = [word for words, (_, is_final) in zip(texts, said, strict=True) if is_final for word in words.split()]
    assert text(assembly.settle_rest(SECOND)).split() == finals + pending.split()
