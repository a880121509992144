from itertools import pairwise

import numpy as np
import pytest

from stream.engine.model.alignment import Pause, find_pauses, word_spans
from stream.engine.model.features import Samples, samples_of
from stream.engine.model.whisper import Whisper
from tests.support.sounds import clip_pcm
from vad import SAMPLE_RATE

_SEED = 3


def sound(*pieces: tuple[float, float]) -> Samples:
    """Noise of so many seconds at such levels, one piece after the other."""
    random = np.random.default_rng(_SEED)
    parts = [level * random.standard_normal(int(seconds * SAMPLE_RATE)) for seconds, level in pieces]
    return np.concatenate(parts).astype(np.float32)


def seconds_of(spans: list[tuple[int, int]]) -> list[tuple[float, float]]:
    return [(round(start / SAMPLE_RATE, 2), round(end / SAMPLE_RATE, 2)) for start, end in spans]


def test_pauses_are_found_to_the_frame_or_two() -> None:
    pauses = find_pauses(sound((0.5, 0.0001), (1.0, 0.1), (0.3, 0.0001), (1.0, 0.1), (0.2, 0.0001)))
    expected = [Pause(0, 50), Pause(150, 180), Pause(280, 300)]
    assert len(pauses) == 3
    for found, pause in zip(pauses, expected, strict=True):
        assert abs(found.start_frames - pause.start_frames) <= 2
        assert abs(found.end_frames - pause.end_frames) <= 2


def test_a_stop_in_a_word_is_no_pause() -> None:
    samples = sound((1.0, 0.1), (0.06, 0.0001), (1.0, 0.1), (0.4, 0.0001))
    assert [pause.end_frames for pause in find_pauses(samples)] == [246]


def test_the_room_before_the_first_word_is_a_pause_after_no_sound_at_all() -> None:
    first, *_ = find_pauses(sound((0.3, 0.0), (0.5, 0.0025), (1.5, 0.1), (0.3, 0.0)))
    assert (first.start_frames, first.end_frames) == (0, pytest.approx(72, abs=3))


def test_a_word_may_begin_faint() -> None:
    first, *_ = find_pauses(sound((0.3, 0.0), (0.1, 0.0025), (1.5, 0.1), (0.3, 0.0)))
    assert (first.start_frames, first.end_frames) == (0, pytest.approx(30, abs=3))


@pytest.mark.parametrize("pieces", [[(2.0, 0.1)], [(0.001, 0.1)], [(2.0, 0.0)]])
def test_steady_sound_has_no_pause(pieces: list[tuple[float, float]]) -> None:
    assert find_pauses(sound(*pieces)) == []


def test_attention_is_known_to_be_late() -> None:
    assert seconds_of(word_spans(sound((2.0, 0.1)), ["one", "two"], [4_800, 16_000])) == [(0.2, 0.9), (0.9, 2.0)]


def test_a_long_pause_belongs_to_no_word() -> None:
    samples = sound((1.0, 0.1), (1.0, 0.0001), (1.0, 0.1))
    for turned in (0.8, 1.1, 1.6, 2.1, 2.4):
        attended = [0, int(turned * SAMPLE_RATE)]
        (_, first_end), (second_start, _) = seconds_of(word_spans(samples, ["one,", "two"], attended))
        assert first_end == pytest.approx(1.0, abs=0.03)
        assert second_start == pytest.approx(2.0, abs=0.03)


def test_a_pause_parts_the_words_at_the_punctuation() -> None:
    samples = sound((1.0, 0.1), (0.3, 0.0001), (1.0, 0.1))
    attended = [0, int(1.05 * SAMPLE_RATE), int(1.45 * SAMPLE_RATE)]
    spans = seconds_of(word_spans(samples, ["one", "two,", "three"], attended))
    assert spans[1][1] == pytest.approx(1.0, abs=0.03)
    assert spans[2][0] == pytest.approx(1.3, abs=0.03)


@pytest.mark.parametrize("n_samples", [16_000, 900, 3])
def test_words_at_one_place_are_set_apart(n_samples: int) -> None:
    spans = word_spans(np.zeros(n_samples, dtype=np.float32), ["a", "b", "c"], [n_samples, 0, n_samples])
    assert all(0 <= start < end <= n_samples for start, end in spans)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


# What `flite -psdur` tells of quick.wav: seconds at which its words begin, and the end of the last.
_SPOKEN_AT = (0.18, 0.26, 0.56, 0.92, 1.29, 1.73, 1.96, 2.06, 2.50, 2.80)


def test_words_of_a_clip_stand_where_they_were_spoken(whisper: Whisper) -> None:
    clip = samples_of(clip_pcm("quick.wav"))
    pause = np.zeros(SAMPLE_RATE, dtype=np.float32)
    words = whisper.decode(np.concatenate([clip, pause, clip]), align=True).best.words
    begin = (len(clip) + len(pause)) / SAMPLE_RATE
    assert len(words) == 18
    starts = [*_SPOKEN_AT[:-1], *(begin + start for start in _SPOKEN_AT[:-1])]
    ends = [*_SPOKEN_AT[1:], *(begin + end for end in _SPOKEN_AT[1:])]
    errors = np.array(
        [
            (word.start_samples / SAMPLE_RATE - start, word.end_samples / SAMPLE_RATE - end)
            for word, start, end in zip(words, starts, ends, strict=True)
        ]
    )
    assert np.abs(errors).max() < 0.2
    assert np.abs(errors.mean(axis=0)).max() < 0.05
