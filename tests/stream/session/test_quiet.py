from stream.session.quiet import QuietWatch
from vad import FRAME_BYTES, SAMPLE_RATE

SILENCE, SOUND = bytes(FRAME_BYTES), b"\1\0" * (FRAME_BYTES // 2)
LIMIT = 10 * SAMPLE_RATE


def test_nothing_is_told_before_ten_seconds_are_decided() -> None:
    watch = QuietWatch()
    assert watch.receive([SOUND], LIMIT - 1) is None
    assert watch.receive([SOUND], LIMIT) is not None


def test_a_stretch_is_told_once() -> None:
    watch = QuietWatch()
    assert watch.receive([SOUND], LIMIT) is not None
    assert watch.receive([SOUND], 5 * LIMIT) is None


def test_words_begin_a_new_stretch() -> None:
    watch = QuietWatch()
    watch.receive([SOUND], LIMIT)
    watch.find(3 * LIMIT)
    assert watch.receive([SOUND], 4 * LIMIT - 1) is None
    assert watch.receive([SOUND], 4 * LIMIT) is not None


def test_one_sample_of_sound_on_one_channel_is_sound() -> None:
    watch = QuietWatch()
    watch.receive([SILENCE, SOUND], 0)
    assert "microphone may be too quiet" in (watch.receive([SILENCE, SILENCE], LIMIT) or "")


def test_silence_on_every_channel_is_told_as_such() -> None:
    assert "may be muted" in (QuietWatch().receive([SILENCE, SILENCE], LIMIT) or "")


def test_sound_before_the_words_does_not_count_for_the_stretch_after_them() -> None:
    watch = QuietWatch()
    watch.receive([SOUND], 0)
    watch.find(LIMIT)
    assert "may be muted" in (watch.receive([SILENCE], 2 * LIMIT) or "")
