from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from stream.engine.model.features import Samples, samples_of
from stream.engine.model.hypotheses import DecodedWord, Hypothesis, Search
from stream.engine.model.protocols import ModelError
from stream.engine.model.whisper import LONGEST_SAMPLES, Encoded, Whisper
from tests.stream.engine.support.calls import words_of
from tests.support.sounds import clip_pcm, clip_texts
from vad import SAMPLE_RATE


@pytest.mark.parametrize(("clip", "text"), clip_texts().items())
def test_clips_are_read_word_for_word(whisper: Whisper, clip: str, text: str) -> None:
    decoding = whisper.decode(samples_of(clip_pcm(clip)))
    assert words_of(decoding.best.text) == words_of(text)
    assert decoding.language == "en-US"
    assert decoding.no_speech_prob < 0.1


def test_word_times_rise_and_lie_inside_the_sound(whisper: Whisper) -> None:
    samples = samples_of(clip_pcm("weather.wav"))
    words = whisper.decode(samples, align=True).best.words
    assert all(word.start_samples < word.end_samples for word in words)
    assert all(word.end_samples <= following.start_samples for word, following in pairwise(words))
    assert words[-1].end_samples <= len(samples)
    # The speech itself goes from 0.1 s to 3.5 s.
    assert words[0].start_samples < 4_800
    assert words[-1].end_samples > 51_200
    assert all(0.3 < word.confidence <= 1.0 for word in words)


def test_without_alignment_words_have_no_times(whisper: Whisper) -> None:
    words = whisper.decode(samples_of(clip_pcm("quick.wav"))).best.words
    assert {(word.start_samples, word.end_samples, word.confidence) for word in words} == {(0, 0, 0.0)}


def test_every_reading_begins_with_the_prefix(whisper: Whisper) -> None:
    samples = samples_of(clip_pcm("quick.wav"))
    prefix = whisper.decode(samples).best.tokens[:4]
    misheard = (*whisper.decode(samples_of(clip_pcm("train.wav"))).best.tokens[:2], *prefix[2:])
    decoding = whisper.decode(samples, search=Search(prefix=misheard, alternatives=3))
    assert [hypothesis.tokens[:4] for hypothesis in decoding.hypotheses] == [misheard] * 3
    assert words_of(decoding.best.text)[-4:] == ["over", "the", "lazy", "dog"]


def test_alternatives_differ_and_the_best_is_first(whisper: Whisper) -> None:
    hypotheses = whisper.decode(samples_of(clip_pcm("library.wav")), search=Search(alternatives=5)).hypotheses
    assert len({hypothesis.text for hypothesis in hypotheses}) == 5
    scores = [hypothesis.logprob * len(hypothesis.tokens) ** 0.5 for hypothesis in hypotheses]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < hypothesis.confidence <= 1 for hypothesis in hypotheses)


def test_a_single_word_is_decoded_once_and_not_repeated(whisper: Whisper, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths_samples: list[int | None] = []
    encode = whisper.encode

    def counted(samples: Samples, language: str = "", length_samples: int | None = None) -> Encoded:
        lengths_samples.append(length_samples)
        return encode(samples, language, length_samples)

    monkeypatch.setattr(whisper, "encode", counted)
    _, decoding = Whisper.encode_and_generate(whisper, samples_of(clip_pcm("yes.wav")))  # not from the cache
    assert decoding.best.text == "Yes."
    assert lengths_samples == [10 * SAMPLE_RATE]


def test_no_sound_at_all_is_no_speech(whisper: Whisper) -> None:
    decoding = whisper.decode(np.zeros(0, dtype=np.float32), align=True)
    assert decoding.no_speech_prob > 0.9


def test_confidence_is_the_mean_over_the_tokens_not_the_words() -> None:
    words = (
        DecodedWord(text="a", tokens=(1,), confidence=1.0),
        DecodedWord(text="b", tokens=(2, 3, 4), confidence=0.6),
    )
    assert Hypothesis(words, -1.0).confidence == pytest.approx(0.7)


def test_sound_that_the_encoder_cannot_hold_is_refused(whisper: Whisper) -> None:
    with pytest.raises(ValueError, match="the sound has 384001 samples; at most 384000 can be decoded"):
        whisper.decode(np.zeros(LONGEST_SAMPLES + 1, dtype=np.float32))


@pytest.mark.parametrize("requested", ["", "en-US", "en", "en-us", "en-GB", "en_US"])
def test_english_of_any_kind_is_served(whisper: Whisper, requested: str) -> None:
    assert whisper.match_language(requested) == "en-US"


@pytest.mark.parametrize("requested", ["fa", "ru-RU", "enx", "x"])
def test_another_language_is_not_served(whisper: Whisper, requested: str) -> None:
    assert whisper.match_language(requested) is None


def test_a_directory_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"{tmp_path} is no CTranslate2 Whisper directory: it has no model.bin"):
        Whisper(tmp_path, 1)


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"nothing")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="is no CTranslate2 Whisper directory"):
        Whisper(tmp_path, 1)
