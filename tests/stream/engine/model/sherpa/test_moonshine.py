"""The real Moonshine tiny.en."""

from typing import Any

import numpy as np
import pytest

from stream.engine.decoder import PlainDecoder
from stream.engine.model.features import samples_of
from stream.engine.model.models import load_models
from stream.engine.model.whisper import Whisper
from stream.engine.scheduling.work import Work
from tests.stream.engine.support.calls import noise, silence, tone, words_of
from tests.stream.engine.test_decoder import options, request
from tests.support.models.moonshine import moonshine_directory
from tests.support.sounds import clip_pcm, clip_texts
from vad import SAMPLE_RATE


@pytest.fixture(scope="module")
def moonshine() -> Any:
    (model,) = load_models([str(moonshine_directory())], 1)
    return model


def test_a_directory_of_its_wheel_is_a_model_for_english(moonshine: Any) -> None:
    assert (moonshine.name, moonshine.languages, moonshine.is_generative) == ("tiny-en", ("en",), True)


def test_a_sentence_has_its_words_at_times_like_those_of_whisper(moonshine: Any, whisper: Whisper) -> None:
    samples = samples_of(clip_pcm("quick.wav"))
    found = moonshine.decode(samples, "en", align=True).best
    assert words_of(found.text) == words_of(clip_texts()["quick.wav"])
    whispers = whisper.decode(samples, align=True).best.words
    errors = [abs(word.start_samples - other.start_samples) for word, other in zip(found.words, whispers, strict=True)]
    # It has no times: they are shared out by the letters between the pauses.
    assert np.mean(errors) < 0.15 * SAMPLE_RATE


@pytest.mark.parametrize("sound", [silence(2), noise(2), tone(2), b""])
def test_sound_without_speech_has_no_words(moonshine: Any, sound: bytes) -> None:
    # On its own it writes "You" for noise and tones.
    decoder = PlainDecoder(moonshine, options(), "en")
    assert not decoder.decode(request(sound)).best.words


def test_text_that_was_sent_is_not_taken_back(moonshine: Any) -> None:
    decoder = PlainDecoder(moonshine, options(), "en")
    assert decoder.decode(request(noise(2), Work.FINAL, sent_tokens=(1,))).best.words
