from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from stream.engine.model.features import samples_of
from stream.engine.model.sherpa.files import Kind
from tests.support.models.kinds import GROWTH, ONSETS, PCM, SPANS, STREAMING, TEXT
from vad import SAMPLE_RATE

SAMPLES = samples_of(PCM)
Loaded = Callable[[Kind], Any]


def texts(model: Any, piece_samples: int) -> list[tuple[int, str]]:
    """Feed the audio in pieces; return each new text, with how many samples had been fed."""
    stream = model.open("en")
    found = [(0, "")]
    for start in range(0, len(SAMPLES), piece_samples):
        text = stream.feed(SAMPLES[start : start + piece_samples]).text
        if text != found[-1][1]:
            found.append((start + piece_samples, text))
    return found[1:]


@pytest.mark.parametrize("kind", STREAMING)
def test_the_text_grows_with_the_sound(loaded: Loaded, kind: Kind) -> None:
    grown = texts(loaded(kind), 160)
    assert [text for _, text in grown] == [*GROWTH]
    delays = [fed / SAMPLE_RATE - onset for (fed, _), onset in zip(grown, ONSETS, strict=True)]
    assert max(delays) <= 0.25


@pytest.mark.parametrize("kind", STREAMING)
def test_how_the_audio_is_cut_changes_nothing(loaded: Loaded, kind: Kind) -> None:
    for piece_samples in (1_001, 4_800, len(SAMPLES)):
        assert texts(loaded(kind), piece_samples)[-1][1] == TEXT


@pytest.mark.parametrize("kind", STREAMING)
def test_the_end_has_the_times_of_all_words(loaded: Loaded, kind: Kind) -> None:
    stream = loaded(kind).open("en")
    stream.feed(SAMPLES)
    words = stream.finish(SAMPLES).words
    spans = [(word.start_samples / SAMPLE_RATE, word.end_samples / SAMPLE_RATE) for word in words]
    assert [word.text for word in words] == TEXT.split()
    assert np.allclose(spans, SPANS, atol=0.02)


@pytest.mark.parametrize("kind", STREAMING)
def test_a_word_that_ends_with_the_audio_is_complete(loaded: Loaded, kind: Kind) -> None:
    cut = SAMPLES[: round(1.82 * SAMPLE_RATE)]
    stream = loaded(kind).open("en")
    stream.feed(cut)
    assert stream.finish(cut).text == "alpha bravo"


@pytest.mark.parametrize("kind", STREAMING)
def test_a_step_is_due_exactly_when_the_model_takes_one(loaded: Loaded, kind: Kind) -> None:
    model = loaded(kind)
    decoded: list[int] = []
    fed = 0
    stream = model.open("en")
    for start in range(0, SAMPLE_RATE, 40):
        due = stream.due_samples
        stream.feed(SAMPLES[start : start + 40])
        fed += 40
        assert (stream.due_samples > due) == (fed >= due), (fed, due)
        decoded += [fed] * (stream.due_samples > due)
    assert len(decoded) > 5


@pytest.mark.parametrize("kind", STREAMING)
def test_streams_do_not_disturb_each_other(loaded: Loaded, kind: Kind) -> None:
    model = loaded(kind)
    streams = [model.open("en") for _ in range(3)]
    # Each is a piece behind the one before it.
    pieces = [SAMPLES[start : start + 1_600] for start in range(0, len(SAMPLES), 1_600)]
    for turn in range(len(pieces) + 2):
        for index, stream in enumerate(streams):
            if 0 <= turn - index < len(pieces):
                stream.feed(pieces[turn - index])
    assert [stream.finish(SAMPLES).text for stream in streams] == [TEXT] * 3


@pytest.mark.parametrize("kind", STREAMING)
def test_nothing_at_all_has_no_words(loaded: Loaded, kind: Kind) -> None:
    assert not loaded(kind).open("en").finish(np.zeros(0, np.float32)).words
