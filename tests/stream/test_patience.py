from stream.patience import Pace, Patience
from vad import SAMPLE_RATE


def test_nothing_is_owed_before_a_second_of_speech() -> None:
    patience = Patience(Pace(), 5.0)
    patience.sent(10.0, SAMPLE_RATE - 1)
    assert (patience.is_owed, patience.due) == (False, None)


def test_an_answer_is_due_some_time_after_a_second_of_speech() -> None:
    patience = Patience(Pace(), 5.0)
    patience.sent(10.0, SAMPLE_RATE // 2)
    patience.sent(10.5, SAMPLE_RATE // 2)
    patience.sent(12.0, SAMPLE_RATE)
    assert patience.due == 15.5


def test_silence_deserves_no_answer() -> None:
    patience = Patience(Pace(), 5.0)
    patience.sent(10.0, 0)
    assert patience.due is None


def test_any_answer_settles_the_debt() -> None:
    patience = Patience(Pace(), 5.0)
    patience.sent(10.0, SAMPLE_RATE)
    patience.heard(11.0)
    assert patience.due is None
    patience.sent(12.0, SAMPLE_RATE)
    assert patience.due == 17.0


def test_after_the_last_audio_each_answer_starts_the_wait_anew() -> None:
    patience = Patience(Pace(), 5.0)
    patience.finished(20.0)
    assert patience.due == 25.0
    patience.heard(22.0)
    assert patience.due == 27.0


def test_a_recognizer_whose_pace_is_known_is_waited_for_less_long() -> None:
    patience = Patience(Pace(), 30.0)
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
    pace = Pace()
    first = Patience(pace, 30.0)
    for second in range(10, 14):
        first.sent(second, SAMPLE_RATE // 2)
        first.heard(second + 0.1)
    second_attempt = Patience(pace, 30.0)
    second_attempt.finished(20.0)
    assert second_attempt.due == 22.0


def test_a_slow_answer_is_forgotten_slowly() -> None:
    pace = Pace()
    pace.took(4.0)
    for _ in range(200):
        pace.took(0.1)
    assert pace.patience(30.0) < 6.0


def test_no_pace_makes_the_patience_longer_than_its_limit() -> None:
    patience = Patience(Pace(), 5.0)
    for second in range(10, 50, 10):
        patience.sent(second, SAMPLE_RATE)
        patience.heard(second + 4)
    patience.sent(60.0, SAMPLE_RATE)
    assert patience.due == 65.0


def test_after_a_stall_the_patience_is_doubled() -> None:
    patience = Patience(Pace(), 5.0, is_doubled=True)
    patience.sent(10.0, SAMPLE_RATE)
    assert patience.due == 20.0
