from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from stream.engine.model.features import samples_of
from stream.engine.model.sherpa.files import Kind
from tests.support.models.kinds import OFFLINE, PCM, SPANS, TEXT
from vad import SAMPLE_RATE

SAMPLES = samples_of(PCM)
Loaded = Callable[[Kind], Any]


@pytest.mark.parametrize("kind", OFFLINE)
def test_words_come_out_where_they_sound(loaded: Loaded, kind: Kind) -> None:
    best = loaded(kind).decode(SAMPLES, "en", align=True).best
    assert best.text == TEXT
    spans = [(word.start_samples / SAMPLE_RATE, word.end_samples / SAMPLE_RATE) for word in best.words]
    assert np.allclose(spans, SPANS, atol=0.02)


@pytest.mark.parametrize("kind", OFFLINE)
def test_without_alignment_words_have_no_times(loaded: Loaded, kind: Kind) -> None:
    assert {word.end_samples for word in loaded(kind).decode(SAMPLES).best.words} == {0}


@pytest.mark.parametrize("kind", OFFLINE)
@pytest.mark.parametrize("n_samples", [0, 1, 159, 400, 1_600, 32_000])
def test_silence_of_any_length_has_no_words(loaded: Loaded, kind: Kind, n_samples: int) -> None:
    assert not loaded(kind).decode(np.zeros(n_samples, np.float32), align=True).best.words


@pytest.mark.parametrize("kind", OFFLINE)
def test_decodes_at_once_do_not_disturb_each_other(loaded: Loaded, kind: Kind) -> None:
    ends = [24_800, 32_000, len(SAMPLES)] * 4
    with ThreadPoolExecutor(4) as pool:
        texts = list(pool.map(lambda end: loaded(kind).decode(SAMPLES[:end]).best.text, ends))
    assert texts == ["alpha bra", "alpha bravo", TEXT] * 4


def test_a_transducer_has_confidences_and_a_ctc_model_has_none(loaded: Loaded) -> None:
    transducer = loaded(Kind.NEMO_TRANSDUCER).decode(SAMPLES).best
    assert all(0.5 < word.confidence <= 1 for word in transducer.words)
    assert 0.5 < transducer.confidence <= 1
    ctc = loaded(Kind.NEMO_CTC).decode(SAMPLES).best
    assert [word.confidence for word in ctc.words] + [ctc.confidence] == [0.0] * 4


@pytest.mark.parametrize(("asked", "language"), [("", "ko"), ("en", "en"), ("zh", "zh"), ("yue", "yue")])
def test_sense_voice_is_told_the_language_or_detects_it(loaded: Loaded, asked: str, language: str) -> None:
    decoding = loaded(Kind.SENSE_VOICE).decode(SAMPLES, asked)
    assert (decoding.best.text, decoding.language) == (TEXT, language)


@pytest.mark.parametrize(
    ("kind", "requested", "language"),
    [
        (Kind.NEMO_CTC, "", "en"),
        (Kind.NEMO_CTC, "en-US", "en"),
        (Kind.NEMO_CTC, "fa", None),
        (Kind.SENSE_VOICE, "", ""),
        (Kind.SENSE_VOICE, "ja_JP", "ja"),
        (Kind.SENSE_VOICE, "fa", None),
    ],
)
def test_a_language_is_matched_as_by_all_models(
    loaded: Loaded, kind: Kind, requested: str, language: str | None
) -> None:
    # Its own languages count more than what the name of the directory says.
    assert loaded(kind).match_language(requested) == language
