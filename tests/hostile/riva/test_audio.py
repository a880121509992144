import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile.riva.audio import (
    LEAST_READ_SAMPLES,
    MARK_SAMPLES,
    MARK_START,
    MOST_NUMBERS,
    WORD_SAMPLES,
    NumberedClassifier,
    NumberedWord,
    WordReader,
    numbered_speech,
    read_words,
    silence,
    spoken_numbers,
)
from tests.support.tiers import tiered
from vad import FRAME_BYTES, Segmenter, SegmenterOptions, WebRtcClassifier, segment

GROUPS = st.lists(st.integers(0, 4), min_size=1, max_size=4)
FIRST = st.integers(0, MOST_NUMBERS - 16)
SPEECH = st.builds(numbered_speech, GROUPS, FIRST, pause_ms=st.integers(0, 900))


def numbers(pcm: bytes) -> list[int]:
    return [word.number for word in read_words(pcm)]


def frames(pcm: bytes) -> list[bytes]:
    return [pcm[start : start + FRAME_BYTES] for start in range(0, len(pcm) - FRAME_BYTES + 1, FRAME_BYTES)]


def test_a_word_takes_a_quarter_of_a_second_with_silence_around_it() -> None:
    pcm = numbered_speech([1], 7)
    samples = np.frombuffer(pcm, "<i2")
    assert len(samples) == WORD_SAMPLES
    assert read_words(pcm) == [NumberedWord(7, MARK_START, MARK_START + MARK_SAMPLES)]
    marked = np.flatnonzero(samples)
    assert (marked[0], marked[-1]) == (MARK_START, MARK_START + MARK_SAMPLES - 1)


def test_groups_are_apart_by_a_pause_and_numbered_on() -> None:
    pcm = numbered_speech([2, 1], 5, pause_ms=100)
    starts = [word.start for word in read_words(pcm)]
    assert numbers(pcm) == [5, 6, 7]
    assert np.diff(starts).tolist() == [WORD_SAMPLES, WORD_SAMPLES + 1_600]


@given(GROUPS, FIRST)
def test_everything_that_is_said_is_heard(groups: list[int], first: int) -> None:
    assert numbers(numbered_speech(groups, first)) == list(range(first, first + sum(groups)))


def test_every_number_can_be_told_from_the_next() -> None:
    first = [*range(0, MOST_NUMBERS - 2, tiered(499, 2)), MOST_NUMBERS - 2]
    for number in first:
        assert numbers(numbered_speech([2], number)) == [number, number + 1]


@pytest.mark.parametrize(("first", "count"), [(-1, 1), (MOST_NUMBERS, 1), (0, MOST_NUMBERS + 1)])
def test_a_number_that_does_not_fit_is_refused(first: int, count: int) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        numbered_speech([count], first)


@given(SPEECH, st.floats(0, 1))
def test_a_cut_in_two_gives_each_word_to_exactly_one_side(pcm: bytes, where: float) -> None:
    cut = int(len(pcm) // 2 * where) * 2
    assert numbers(pcm[:cut]) + numbers(pcm[cut:]) == numbers(pcm)


@pytest.mark.parametrize("heard", [LEAST_READ_SAMPLES - 1, LEAST_READ_SAMPLES])
def test_a_cut_in_the_very_middle_gives_the_word_to_one_side(heard: int) -> None:
    pcm, cut = numbered_speech([1], 3), (MARK_START + heard) * 2
    assert sorted([numbers(pcm[:cut]), numbers(pcm[cut:])]) == [[], [3]]


@given(SPEECH, st.lists(st.integers(1, 9_000), max_size=30))
def test_an_ear_hears_the_same_in_any_pieces(pcm: bytes, sizes: list[int]) -> None:
    reader, rest = WordReader(), pcm
    for size in sizes:
        reader.push(rest[: size * 2])
        rest = rest[size * 2 :]
    reader.push(rest)
    assert reader.words == read_words(pcm)
    assert reader.position == len(pcm) // 2


def test_a_word_with_a_small_hole_is_heard_once_and_with_a_large_one_not() -> None:
    pcm = numbered_speech([1], 3)
    hole = (MARK_START + 600) * 2
    assert numbers(pcm[:hole] + bytes(2_000) + pcm[hole + 2_000 :]) == [3]
    assert numbers(pcm[:hole] + bytes(2_500) + pcm[hole + 2_500 :]) == []


@pytest.mark.parametrize("between", [b"", silence(800)])
def test_a_word_that_is_said_twice_is_heard_twice(between: bytes) -> None:
    pcm = numbered_speech([1], 3)
    marks = pcm[MARK_START * 2 : (MARK_START + MARK_SAMPLES) * 2]
    assert numbers(pcm + between + pcm) == [3, 3]
    assert numbers(marks + between + marks) == [3, 3]


def test_half_a_sample_at_the_end_and_the_loudest_sample_are_no_words() -> None:
    assert read_words(b"") == []
    assert read_words(b"\x00\x00\x01") == []
    assert read_words(b"\x00\x80") == []


def test_the_classifier_takes_marked_frames_for_speech() -> None:
    classifier = NumberedClassifier("webrtc", 3)
    pcm = numbered_speech([1, 1], MOST_NUMBERS - 2, pause_ms=10)
    judged = [bool(flag) for flag in classifier.classify(pcm)]
    word = [False] * 5 + [True] * 15 + [False] * 5
    assert judged == [*word, False, *word]
    assert classifier.classify(b"") == b""


@pytest.mark.parametrize("aggressiveness", [0, 3])
@pytest.mark.parametrize("first", [0, 30_000])
def test_webrtc_hears_each_group_as_one_segment(aggressiveness: int, first: int) -> None:
    pcm = silence(500) + numbered_speech([8, 5], first) + silence(900)
    segmenter, classifier = Segmenter(SegmenterOptions(hangover_frames=60)), WebRtcClassifier(aggressiveness)
    events = segment(segmenter, classifier, pcm)
    names = [type(event).__name__ for event in events]
    assert (names.count("SegmentStarted"), names.count("SegmentEnded")) == (2, 2)
    classifier, numbered = WebRtcClassifier(aggressiveness), NumberedClassifier()
    judged = zip(numbered.classify(pcm), classifier.classify(pcm), strict=True)
    marked = [is_speech for is_marked, is_speech in judged if is_marked]
    assert sum(marked) > 0.95 * len(marked)


def test_numbers_are_read_from_a_transcript() -> None:
    assert spoken_numbers("  W12, w0. and w7x ") == [12, 0]
