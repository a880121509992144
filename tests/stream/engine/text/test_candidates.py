import wave
from functools import cache

import numpy as np
import pytest

from stream.engine.model.features import Samples, samples_of
from stream.engine.model.hypotheses import Decoding
from stream.engine.model.whisper import Whisper
from stream.engine.text.candidates import Candidates
from stream.vocabulary.vocabularies import vocabulary
from tests.support.nonspeech import nonspeech
from tests.support.places import CLIPS
from tests.support.sounds import clip_pcm

_SURE = 0.3


@cache
def clip(number: int, noise_db: float | None = None) -> Samples:
    with wave.open(str(CLIPS / "closed" / f"{number:02}.wav")) as recording:
        samples = samples_of(recording.readframes(recording.getnframes()))
    if noise_db is None:
        return samples
    level = float(np.sqrt(np.mean(samples**2))) * 10 ** (-noise_db / 20)
    return (samples + level * np.random.default_rng(number).standard_normal(len(samples))).astype(np.float32)


def recognize(whisper: Whisper, name: str, samples: Samples, alternatives: int = 1) -> Decoding:
    return Candidates(whisper, vocabulary(name, "en-US")).recognize(samples, alternatives=alternatives)


def test_a_noisy_yes_is_yes(whisper: Whisper) -> None:
    best = recognize(whisper, "yesno", clip(10, 20)).best  # "yep, yes"
    assert best.text in ("yes", "yep")
    assert best.confidence >= _SURE


def test_numbers_come_in_a_row(whisper: Whisper) -> None:
    best = recognize(whisper, "numbers", clip(14, 20)).best
    assert best.text == "twenty five thousand"
    assert best.confidence >= _SURE


def test_a_short_list_of_number_words_is_a_menu(whisper: Whisper) -> None:
    decoding = Candidates(whisper, ["five", "nine", "two"]).recognize(clip(21))  # "five five nine two"
    assert {hypothesis.text for hypothesis in decoding.hypotheses} <= {"five", "nine", "two"}


def test_a_country_that_the_model_cannot_write_is_found(whisper: Whisper) -> None:
    result = whisper.decode(clip(37)).best.text
    best = recognize(whisper, "country", clip(37)).best
    assert "Eritrea" not in result
    assert best.text == "Eritrea"
    assert best.confidence >= _SURE


def test_an_entry_within_a_sentence_is_found(whisper: Whisper) -> None:
    assert recognize(whisper, "career", clip(65)).best.text == "plumber"  # "I work as a plumber"


@pytest.mark.parametrize(("name", "number"), [("yesno", 26), ("country", 13), ("career", 14), ("numbers", 35)])
def test_nobody_is_sure_of_what_is_not_in_the_list(whisper: Whisper, name: str, number: int) -> None:
    decoding = recognize(whisper, name, clip(number))
    assert all(hypothesis.confidence < _SURE for hypothesis in decoding.hypotheses)


@pytest.mark.parametrize("sound", ["white noise", "silence"])
def test_no_entry_is_found_without_speech(whisper: Whisper, sound: str) -> None:
    samples = np.zeros(32000, np.float32) if sound == "silence" else nonspeech(sound, 2.0)
    assert not recognize(whisper, "yesno", samples).hypotheses


def test_text_is_written_as_in_the_list_and_words_lie_in_the_sound(whisper: Whisper) -> None:
    samples = clip(33)
    best = recognize(whisper, "country", samples).best
    assert best.text == "São Tomé and Príncipe"
    assert all(0 <= word.start_samples < word.end_samples <= len(samples) for word in best.words)


def test_alternatives_are_other_entries_and_less_sure(whisper: Whisper) -> None:
    hypotheses = recognize(whisper, "country", clip(37), alternatives=3).hypotheses
    assert len({hypothesis.text for hypothesis in hypotheses}) == 3
    confidences = [hypothesis.confidence for hypothesis in hypotheses]
    assert confidences == sorted(confidences, reverse=True)
    assert sum(confidences) <= 1.0


def test_a_list_without_phrases_hears_nothing(whisper: Whisper) -> None:
    assert not Candidates(whisper, ["", "?"]).recognize(clip(1)).hypotheses


def test_phrases_are_found_one_after_the_other(whisper: Whisper) -> None:
    best = (
        Candidates(whisper, ["the quick brown fox", "jumps over", "The Lazy Dog", "stop"])
        .recognize(samples_of(clip_pcm("quick.wav")))
        .best
    )
    assert best.text == "the quick brown fox jumps over The Lazy Dog"
    assert best.confidence >= 0.5


def test_alternatives_and_spellings_are_those_of_the_phrase(whisper: Whisper) -> None:
    best = (
        Candidates(whisper, ["the {slow,Quick} brownfox jumps over the lazy {cat,dog}"])
        .recognize(samples_of(clip_pcm("quick.wav")))
        .best
    )
    assert best.text == "the Quick brownfox jumps over the lazy dog"
    assert best.confidence >= 0.5


def test_a_slot_takes_as_many_digits_as_it_has_places(whisper: Whisper) -> None:
    spoken = clip(21)  # "five five nine two"
    best = Candidates(whisper, ["{digits:4}", "stop"]).recognize(spoken).best
    assert best.text == "5592"
    assert best.confidence >= 0.5
    others = Candidates(whisper, ["{digits:5}"]).recognize(spoken).hypotheses
    assert all(hypothesis.confidence < _SURE for hypothesis in others)
