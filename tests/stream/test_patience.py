from stream.patience import Habits, Patience
from vad import SAMPLE_RATE


def test_nothing_is_owed_before_a_second_of_speech() -> None:
    patience = Patience(Habits(), 5.0)
    patience.sent(10.0, SAMPLE_RATE - 1)
    assert (patience.is_owed, patience.due) == (False, None)


def test_an_answer_is_due_some_time_after_a_second_of_speech() -> None:
    patience = Patience(Habits(), 5.0)
    patience.sent(10.0, SAMPLE_RATE // 2)
    patience.sent(10.5, SAMPLE_RATE // 2)
    patience.sent(12.0, SAMPLE_RATE)
    assert patience.due == 15.5


def test_silence_deserves_no_answer() -> None:
    patience = Patience(Habits(), 5.0)
    patience.sent(10.0, 0)
    assert patience.due is None


def test_any_answer_settles_the_debt() -> None:
    patience = Patience(Habits(), 5.0)
    patience.sent(10.0, SAMPLE_RATE)
    patience.heard(11.0)
    assert patience.due is None
    patience.sent(12.0, SAMPLE_RATE)
    assert patience.due == 17.0


def test_after_the_last_audio_each_answer_starts_the_wait_anew() -> None:
    patience = Patience(Habits(), 5.0)
    patience.finished(20.0)
    assert patience.due == 25.0
    patience.heard(22.0)
    assert patience.due == 27.0


def test_a_recognizer_whose_pace_is_known_is_waited_for_less_long() -> None:
    patience = Patience(Habits(), 30.0)
    for second in range(10, 14):
        patience.sent(second, SAMPLE_RATE // 2)
        patience.heard(second + 0.1)
    patience.sent(20.0, SAMPLE_RATE)
    assert patience.due == 22.0
    patience.heard(21.0)
    patience.sent(30.0, SAMPLE_RATE)
    assert patience.due == 36.0
    patience.finished(31.0)
    assert patience.due == 37.0


def test_what_one_attempt_learns_of_the_pace_the_next_one_knows() -> None:
    habits = Habits()
    first = Patience(habits, 30.0)
    for second in range(10, 14):
        first.sent(second, SAMPLE_RATE // 2)
        first.heard(second + 0.1)
    second_attempt = Patience(habits, 30.0)
    second_attempt.finished(20.0)
    assert second_attempt.due == 22.0


def test_a_slow_answer_is_forgotten_slowly() -> None:
    habits = Habits()
    habits.took(4.0)
    for _ in range(200):
        habits.took(0.1)
    assert habits.patience(30.0) < 6.0


def test_no_pace_makes_the_patience_longer_than_its_limit() -> None:
    patience = Patience(Habits(), 5.0)
    for second in range(10, 50, 10):
        patience.sent(second, SAMPLE_RATE)
        patience.heard(second + 4)
    patience.sent(60.0, SAMPLE_RATE)
    assert patience.due == 65.0


def test_after_a_stall_the_patience_is_doubled() -> None:
    patience = Patience(Habits(), 5.0, is_doubled=True)
    patience.sent(10.0, SAMPLE_RATE)
    assert patience.due == 20.0


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
