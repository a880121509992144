import pytest

from stream.recognition.stall import Habits, Patience
from vad import SAMPLE_RATE

# The longest that a final is waited for.
FINAL = 60.0


def test_nothing_is_owed_before_a_second_of_speech() -> None:
    patience = Patience(Habits(), 5.0, FINAL)
    patience.sent(10.0, SAMPLE_RATE - 1)
    assert (patience.is_owed, patience.due) == (False, None)


def test_an_answer_is_due_some_time_after_a_second_of_speech() -> None:
    patience = Patience(Habits(), 5.0, FINAL)
    patience.sent(10.0, SAMPLE_RATE // 2)
    patience.sent(10.5, SAMPLE_RATE // 2)
    patience.sent(12.0, SAMPLE_RATE)
    assert patience.due == 15.5


def test_silence_deserves_no_answer() -> None:
    patience = Patience(Habits(), 5.0, FINAL)
    patience.sent(10.0, 0)
    assert patience.due is None


def test_any_answer_settles_the_debt() -> None:
    patience = Patience(Habits(), 5.0, FINAL)
    patience.sent(10.0, SAMPLE_RATE)
    patience.heard(11.0)
    assert patience.due is None
    patience.sent(12.0, SAMPLE_RATE)
    assert patience.due == 17.0


def test_after_the_last_audio_each_answer_starts_the_wait_anew() -> None:
    patience = Patience(Habits(), 5.0, FINAL)
    patience.finished(20.0)
    assert patience.due == 25.0
    patience.heard(22.0)
    assert patience.due == 27.0


def test_a_recognizer_whose_pace_is_known_is_waited_for_less_long() -> None:
    patience = Patience(Habits(), 30.0, FINAL)
    for second in range(10, 14):
        patience.sent(second, SAMPLE_RATE // 2)
        patience.heard(second + 0.1)
    patience.sent(20.0, SAMPLE_RATE)
    assert patience.due == 22.0
    patience.heard(21.0)
    patience.sent(30.0, SAMPLE_RATE)
    assert patience.due == 36.0


def test_what_one_attempt_learns_of_the_pace_the_next_one_knows() -> None:
    habits = Habits()
    first = Patience(habits, 30.0, FINAL)
    for second in range(10, 14):
        first.sent(second, SAMPLE_RATE // 2)
        first.heard(second + 0.1)
    second_attempt = Patience(habits, 30.0, FINAL)
    second_attempt.sent(20.0, SAMPLE_RATE)
    assert second_attempt.due == 22.0


def finals(habits: Habits, *seconds: float) -> None:
    """Let finals come so long after the end of the audio, with quick unsettled text before."""
    for spent in seconds:
        patience = Patience(habits, 5.0, FINAL)
        for second in range(10, 14):
            patience.sent(second, SAMPLE_RATE // 2)
            patience.heard(second + 0.1)
        patience.finished(20.0)
        patience.heard(20.0 + spent, is_final=True)


def final_due(habits: Habits) -> float | None:
    """When the patience with the next final ends, after the end of the audio."""
    patience = Patience(habits, 5.0, FINAL)
    patience.finished(0.0)
    return patience.due


def test_quick_partials_say_nothing_of_how_long_a_final_takes() -> None:
    patience = Patience(habits := Habits(), 5.0, FINAL)
    for second in range(10, 14):
        patience.sent(second, SAMPLE_RATE // 2)
        patience.heard(second + 0.1)
    patience.finished(20.0)
    assert patience.due == 25.0
    assert habits.patience(5.0) == 2.0


def test_a_recognizer_whose_finals_are_known_is_waited_for_as_long_as_they_take() -> None:
    finals(habits := Habits(), 0.5)
    assert final_due(habits) == 3.0
    finals(habits, 4.5)
    assert final_due(habits) == 27.0
    assert habits.patience(5.0) == 2.0
    finals(habits, 30.0)
    assert final_due(habits) == FINAL


def test_one_that_was_awaited_in_vain_is_waited_for_to_the_limit_until_a_final_comes() -> None:
    finals(habits := Habits(), 0.5)
    habits.waited_in_vain()
    assert final_due(habits) == FINAL
    finals(habits, 0.5)
    assert final_due(habits) == 3.0


def test_one_that_never_settles_is_not_waited_for_so_long() -> None:
    habits = Habits()
    for _ in range(3):
        habits.waited_in_vain()
    assert final_due(habits) == 5.0


def test_a_slow_answer_is_forgotten_slowly() -> None:
    habits = Habits()
    habits.took(4.0)
    for _ in range(200):
        habits.took(0.1)
    assert habits.patience(30.0) < 6.0


def test_no_pace_makes_the_patience_longer_than_its_limit() -> None:
    patience = Patience(Habits(), 5.0, FINAL)
    for second in range(10, 50, 10):
        patience.sent(second, SAMPLE_RATE)
        patience.heard(second + 4)
    patience.sent(60.0, SAMPLE_RATE)
    assert patience.due == 65.0


@pytest.mark.parametrize(("stalls", "seconds"), [(0, 5), (1, 10), (2, 20), (3, 40), (4, FINAL), (9_999, FINAL)])
def test_with_each_stall_in_a_row_the_patience_is_doubled(stalls: int, seconds: float) -> None:
    patience = Patience(Habits(), 5.0, FINAL, stalls=stalls)
    patience.sent(10.0, SAMPLE_RATE)
    assert patience.due == 10.0 + seconds


def test_a_recognizer_that_ends_without_a_final_again_and_again_never_settles() -> None:
    habits = Habits()
    for _ in range(2):
        habits.ended_without_final()
    assert not habits.never_settles
    habits.ended_without_final()
    assert habits.never_settles


def test_one_that_settled_once_is_expected_to_settle() -> None:
    habits = Habits()
    habits.settled()
    for _ in range(10):
        habits.ended_without_final()
    assert not habits.never_settles
