from vad import SAMPLE_RATE
from web.cli.caption.pace import LATE_SECONDS, LEAD_SECONDS, Pace


def test_sound_that_comes_at_the_pace_of_speech_never_waits() -> None:
    pace = Pace(100.0)
    for second in range(10):
        assert pace.wait_seconds(100.0 + second) == 0
        pace.take(SAMPLE_RATE)


def test_sound_that_comes_faster_waits() -> None:
    pace = Pace(100.0)
    pace.take(10 * SAMPLE_RATE)
    assert pace.wait_seconds(102.0) == 8 - LEAD_SECONDS
    assert pace.missing_samples(102.0) == 0


def test_silence_takes_the_place_of_what_is_late() -> None:
    pace = Pace(100.0)
    pace.take(SAMPLE_RATE)
    assert pace.patience_seconds(101.5) == LATE_SECONDS - 0.5
    assert pace.missing_samples(101.5) == 0
    assert pace.missing_samples(105.0) == 3 * SAMPLE_RATE
    pace.take(3 * SAMPLE_RATE)
    assert (pace.missing_samples(105.0), pace.patience_seconds(105.0)) == (0, 0)
