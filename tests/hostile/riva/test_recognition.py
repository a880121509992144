from hypothesis import given
from hypothesis import strategies as st

from tests.hostile.riva.audio import numbered_speech, read_words, silence
from tests.hostile.riva.recognition import Recognition, Transcript

MS = 16
STOP = 500 * MS
INTERIM = 250 * MS


def numbers(transcript: Transcript) -> list[int]:
    return [word.number for word in transcript.words]


def test_interims_grow_with_the_audio_and_the_end_settles_them() -> None:
    recognition = Recognition(interim_samples=INTERIM)
    transcript = recognition.push(numbered_speech([3]))
    assert [(numbers(one), one.position, one.is_final) for one in transcript] == [
        ([0], 4_000, False),
        ([0, 1], 8_000, False),
        ([0, 1, 2], 12_000, False),
    ]
    assert recognition.finish() == [Transcript(transcript[-1].words, 12_000, is_final=True)]


def test_a_pause_settles_as_soon_as_it_is_long_enough() -> None:
    recognition = Recognition(STOP)
    transcript = recognition.push(numbered_speech([2, 1]) + silence(400)) + recognition.finish()
    first, second = transcript
    assert (numbers(first), first.position) == ([0, 1], first.words[-1].end + STOP)
    assert (numbers(second), second.position) == ([2], 12_000 + 800 * MS + 400 * MS)


def test_a_pause_that_is_too_short_settles_nothing() -> None:
    assert Recognition(STOP).push(numbered_speech([2, 1], pause_ms=390)) == []


def test_settling_by_hand_gives_each_word_once() -> None:
    pcm = numbered_speech([4])
    recognition = Recognition()
    transcript = []
    for start in range(0, len(pcm), 1_000):
        transcript += recognition.push(pcm[start : start + 1_000])
        transcript += recognition.settle()
    assert [number for one in transcript for number in numbers(one)] == [0, 1, 2, 3]
    assert recognition.finish() == []


def test_silence_gets_an_empty_final_and_no_audio_none() -> None:
    recognition = Recognition(STOP)
    assert recognition.finish() == []
    assert recognition.push(silence(900)) == []
    assert recognition.finish() == [Transcript((), 900 * MS, is_final=True)]


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=4),
    st.integers(10, 900),
    st.lists(st.integers(1, 20_000), max_size=40),
)
def test_what_is_told_does_not_depend_on_the_messages(groups: list[int], stop_ms: int, sizes: list[int]) -> None:
    pcm = silence(130) + numbered_speech(groups, 40) + silence(470)
    whole, cut = (Recognition(stop_ms * MS, INTERIM) for _ in range(2))
    transcript, rest = [], pcm
    for size in sizes:
        transcript += cut.push(rest[:size])
        rest = rest[size:]
    transcript += cut.push(rest) + cut.finish()
    assert transcript == whole.push(pcm) + whole.finish()
    assert [word for one in transcript if one.is_final for word in one.words] == read_words(pcm)
