from hypothesis import given
from hypothesis import strategies as st

from tests.hostile.riva.audio import heard_words, numbered_speech, silence
from tests.hostile.riva.recognition import Recognition, Told

MS = 16
STOP = 500 * MS
INTERIM = 250 * MS


def numbers(told: Told) -> list[int]:
    return [word.number for word in told.words]


def test_interims_grow_with_the_audio_and_the_end_settles_them() -> None:
    recognition = Recognition(interim_samples=INTERIM)
    told = recognition.hear(numbered_speech([3]))
    assert [(numbers(one), one.position, one.is_final) for one in told] == [
        ([0], 4_000, False),
        ([0, 1], 8_000, False),
        ([0, 1, 2], 12_000, False),
    ]
    assert recognition.finish() == [Told(told[-1].words, 12_000, is_final=True)]


def test_a_pause_settles_as_soon_as_it_is_long_enough() -> None:
    recognition = Recognition(STOP)
    told = recognition.hear(numbered_speech([2, 1]) + silence(400)) + recognition.finish()
    first, second = told
    assert (numbers(first), first.position) == ([0, 1], first.words[-1].end + STOP)
    assert (numbers(second), second.position) == ([2], 12_000 + 800 * MS + 400 * MS)


def test_a_pause_that_is_too_short_settles_nothing() -> None:
    assert Recognition(STOP).hear(numbered_speech([2, 1], pause_ms=390)) == []


def test_settling_by_hand_gives_each_word_once() -> None:
    pcm = numbered_speech([4])
    recognition = Recognition()
    told = []
    for start in range(0, len(pcm), 1_000):
        told += recognition.hear(pcm[start : start + 1_000])
        told += recognition.settle()
    assert [number for one in told for number in numbers(one)] == [0, 1, 2, 3]
    assert recognition.finish() == []


def test_silence_gets_an_empty_final_and_no_audio_none() -> None:
    recognition = Recognition(STOP)
    assert recognition.finish() == []
    assert recognition.hear(silence(900)) == []
    assert recognition.finish() == [Told((), 900 * MS, is_final=True)]


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=4),
    st.integers(10, 900),
    st.lists(st.integers(1, 20_000), max_size=40),
)
def test_what_is_told_does_not_depend_on_the_messages(groups: list[int], stop_ms: int, sizes: list[int]) -> None:
    pcm = silence(130) + numbered_speech(groups, 40) + silence(470)
    whole, cut = (Recognition(stop_ms * MS, INTERIM) for _ in range(2))
    told, rest = [], pcm
    for size in sizes:
        told += cut.hear(rest[:size])
        rest = rest[size:]
    told += cut.hear(rest) + cut.finish()
    assert told == whole.hear(pcm) + whole.finish()
    assert [word for one in told if one.is_final for word in one.words] == heard_words(pcm)
