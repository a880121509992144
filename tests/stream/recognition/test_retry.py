import pytest

from stream.recognition.retry import Retry


def delays(count: int, *, was_taken: bool = False, jitter: float = 1.0) -> list[float | None]:
    retry = Retry(0.0, lambda: jitter)
    return [retry.delay(0.0, was_taken=was_taken) for _ in range(count)]


def test_each_delay_is_twice_the_one_before_up_to_two_seconds() -> None:
    assert delays(8) == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]


def test_jitter_takes_up_to_half_of_a_delay_away() -> None:
    assert delays(1, jitter=0.0) == [0.025]


def test_a_recognizer_that_fails_of_the_same_audio_is_given_up() -> None:
    assert delays(7, was_taken=True)[4:] == [0.8, None, None]


def test_one_that_cannot_be_reached_is_asked_for_half_a_minute() -> None:
    retry = Retry(100.0, lambda: 1.0)
    assert all(retry.delay(100.0 + second, was_taken=False) is not None for second in range(30))
    assert retry.delay(130.0, was_taken=False) is None


def test_progress_makes_all_tries_new() -> None:
    retry = Retry(0.0, lambda: 1.0)
    for _ in range(5):
        retry.delay(0.0, was_taken=True)
    retry.progressed(100.0)
    assert retry.delay(100.0, was_taken=True) == pytest.approx(0.05)


def test_the_recognizers_own_wish_is_waited_for() -> None:
    retry = Retry(0.0, lambda: 1.0)
    assert retry.delay(0.0, was_taken=False, hint_seconds=3.0) == 3.0
    assert retry.delay(0.0, was_taken=False, hint_seconds=0.0) == pytest.approx(0.1)
