from stream.session.deadlines import Deadline, Deadlines, RunnerLimits

LIMITS = RunnerLimits(pause_seconds=3.0, idle_seconds=30.0, stream_seconds=1000.0, notice_seconds=60.0)


def test_silence_ends_an_utterance_first_and_then_the_session() -> None:
    deadlines = Deadlines(LIMITS, 100.0)
    assert deadlines.next(in_utterance=True) == 103.0
    assert deadlines.passed(102.9, in_utterance=True) is None
    assert deadlines.passed(103.0, in_utterance=True) is Deadline.PAUSE
    assert deadlines.next(in_utterance=False) == 130.0
    assert deadlines.passed(130.0, in_utterance=False) is Deadline.IDLE


def test_only_audio_keeps_an_utterance_open_and_anything_keeps_the_session() -> None:
    deadlines = Deadlines(LIMITS, 0.0)
    deadlines.received(2.0, is_audio=False)
    assert deadlines.passed(3.0, in_utterance=True) is Deadline.PAUSE
    assert deadlines.next(in_utterance=False) == 32.0
    deadlines.received(10.0, is_audio=True)
    assert deadlines.next(in_utterance=True) == 13.0


def test_notice_is_given_once_before_the_longest_session_ends() -> None:
    deadlines = Deadlines(LIMITS, 0.0)
    deadlines.received(935.0, is_audio=True)
    assert deadlines.passed(940.0, in_utterance=False) is Deadline.NOTICE
    deadlines.received(990.0, is_audio=True)
    assert deadlines.passed(999.0, in_utterance=False) is None
    assert deadlines.passed(1000.0, in_utterance=False) is Deadline.STREAM


def test_a_session_shorter_than_the_notice_has_none() -> None:
    deadlines = Deadlines(RunnerLimits(stream_seconds=10.0), 0.0)
    assert deadlines.passed(9.0, in_utterance=False) is None
    assert deadlines.passed(10.0, in_utterance=False) is Deadline.STREAM
