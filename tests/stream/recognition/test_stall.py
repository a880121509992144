import pytest

from stream.recognition.stall import ResponseTimes, StallTimeout
from vad import SAMPLE_RATE

# The longest that a final is waited for.
FINAL = 60.0


def test_nothing_is_owed_before_a_second_of_speech() -> None:
    stall = StallTimeout(ResponseTimes(), 5.0, FINAL)
    stall.sent(10.0, SAMPLE_RATE - 1)
    assert (stall.is_owed, stall.due) == (False, None)


def test_an_answer_is_due_some_time_after_a_second_of_speech() -> None:
    stall = StallTimeout(ResponseTimes(), 5.0, FINAL)
    stall.sent(10.0, SAMPLE_RATE // 2)
    stall.sent(10.5, SAMPLE_RATE // 2)
    stall.sent(12.0, SAMPLE_RATE)
    assert stall.due == 15.5


def test_silence_deserves_no_answer() -> None:
    stall = StallTimeout(ResponseTimes(), 5.0, FINAL)
    stall.sent(10.0, 0)
    assert stall.due is None


def test_any_answer_settles_the_debt() -> None:
    stall = StallTimeout(ResponseTimes(), 5.0, FINAL)
    stall.sent(10.0, SAMPLE_RATE)
    stall.responded(11.0)
    assert stall.due is None
    stall.sent(12.0, SAMPLE_RATE)
    assert stall.due == 17.0


def test_after_the_last_audio_each_answer_starts_the_wait_anew() -> None:
    stall = StallTimeout(ResponseTimes(), 5.0, FINAL)
    stall.finished(20.0)
    assert stall.due == 25.0
    stall.responded(22.0)
    assert stall.due == 27.0


def test_a_recognizer_whose_pace_is_known_is_waited_for_less_long() -> None:
    stall = StallTimeout(ResponseTimes(), 30.0, FINAL)
    for second in range(10, 14):
        stall.sent(second, SAMPLE_RATE // 2)
        stall.responded(second + 0.1)
    stall.sent(20.0, SAMPLE_RATE)
    assert stall.due == 22.0
    stall.responded(21.0)
    stall.sent(30.0, SAMPLE_RATE)
    assert stall.due == 36.0


def test_what_one_attempt_learns_of_the_pace_the_next_one_knows() -> None:
    response_times = ResponseTimes()
    first = StallTimeout(response_times, 30.0, FINAL)
    for second in range(10, 14):
        first.sent(second, SAMPLE_RATE // 2)
        first.responded(second + 0.1)
    second_attempt = StallTimeout(response_times, 30.0, FINAL)
    second_attempt.sent(20.0, SAMPLE_RATE)
    assert second_attempt.due == 22.0


def finals(response_times: ResponseTimes, *seconds: float) -> None:
    """Let finals come so long after the end of the audio, with quick unsettled text before."""
    for spent in seconds:
        stall = StallTimeout(response_times, 5.0, FINAL)
        for second in range(10, 14):
            stall.sent(second, SAMPLE_RATE // 2)
            stall.responded(second + 0.1)
        stall.finished(20.0)
        stall.responded(20.0 + spent, is_final=True)


def final_due(response_times: ResponseTimes) -> float | None:
    """When the stall with the next final ends, after the end of the audio."""
    stall = StallTimeout(response_times, 5.0, FINAL)
    stall.finished(0.0)
    return stall.due


def test_quick_partials_say_nothing_of_how_long_a_final_takes() -> None:
    stall = StallTimeout(response_times := ResponseTimes(), 5.0, FINAL)
    for second in range(10, 14):
        stall.sent(second, SAMPLE_RATE // 2)
        stall.responded(second + 0.1)
    stall.finished(20.0)
    assert stall.due == 25.0
    assert response_times.timeout_seconds(5.0) == 2.0


def test_a_recognizer_whose_finals_are_known_is_waited_for_as_long_as_they_take() -> None:
    finals(response_times := ResponseTimes(), 0.5)
    assert final_due(response_times) == 3.0
    finals(response_times, 4.5)
    assert final_due(response_times) == 27.0
    assert response_times.timeout_seconds(5.0) == 2.0
    finals(response_times, 30.0)
    assert final_due(response_times) == FINAL


def test_one_that_was_awaited_in_vain_is_waited_for_to_the_limit_until_a_final_comes() -> None:
    finals(response_times := ResponseTimes(), 0.5)
    response_times.waited_in_vain()
    assert final_due(response_times) == FINAL
    finals(response_times, 0.5)
    assert final_due(response_times) == 3.0


def test_one_that_never_settles_is_not_waited_for_so_long() -> None:
    response_times = ResponseTimes()
    for _ in range(3):
        response_times.waited_in_vain()
    assert final_due(response_times) == 5.0


def test_a_slow_answer_is_forgotten_slowly() -> None:
    response_times = ResponseTimes()
    response_times.took(4.0)
    for _ in range(200):
        response_times.took(0.1)
    assert response_times.timeout_seconds(30.0) < 6.0


def test_no_pace_makes_the_patience_longer_than_its_limit() -> None:
    stall = StallTimeout(ResponseTimes(), 5.0, FINAL)
    for second in range(10, 50, 10):
        stall.sent(second, SAMPLE_RATE)
        stall.responded(second + 4)
    stall.sent(60.0, SAMPLE_RATE)
    assert stall.due == 65.0


@pytest.mark.parametrize(("stalls", "seconds"), [(0, 5), (1, 10), (2, 20), (3, 40), (4, FINAL), (9_999, FINAL)])
def test_with_each_stall_in_a_row_the_patience_is_doubled(stalls: int, seconds: float) -> None:
    stall = StallTimeout(ResponseTimes(), 5.0, FINAL, stalls=stalls)
    stall.sent(10.0, SAMPLE_RATE)
    assert stall.due == 10.0 + seconds


def test_a_recognizer_that_ends_without_a_final_again_and_again_never_settles() -> None:
    response_times = ResponseTimes()
    for _ in range(2):
        response_times.ended_without_final()
    assert not response_times.never_settles
    response_times.ended_without_final()
    assert response_times.never_settles


def test_one_that_settled_once_is_expected_to_settle() -> None:
    response_times = ResponseTimes()
    response_times.settled()
    for _ in range(10):
        response_times.ended_without_final()
    assert not response_times.never_settles
