from dataclasses import replace

import pytest

from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.recognition.options import no_models, recognition_options
from tests.support.recognizers import ScriptedRecognizer

TRAINED = "8ac4b75e-d3f8-48f2-80f2-d910fbeb02f4"


def configured(**values: object) -> SessionConfig:
    return SessionConfig().with_message(values, audio_began=False)


async def test_where_there_are_no_trained_models_none_is_found() -> None:
    assert await no_models(configured(languageModel="city")) == configured(languageModel="city")
    with pytest.raises(ClientError) as refused:
        await no_models(configured(languageModel=TRAINED))
    assert refused.value.problem is Problem.NOT_FOUND
    assert refused.value.detail.startswith(f"there is no language model {TRAINED}; it may be one of general, numbers")


def test_phrases_of_every_origin_are_asked_for_once() -> None:
    config = configured(languageModel="yesno", phrases=["axolotl", "yes"])
    options = recognition_options(config, ScriptedRecognizer())
    assert options.phrases[:2] == ("axolotl", "yes")
    assert len(options.phrases) == len(set(options.phrases)) > 10
    assert options.closed_vocabulary


def test_more_phrases_than_the_recognizer_takes_are_refused_and_never_cut() -> None:
    config = configured(phrases=["one", "two", "three"])
    with pytest.raises(ClientError) as refused:
        recognition_options(config, ScriptedRecognizer(most_phrases=2))
    assert refused.value.problem is Problem.INVALID_CONFIG
    assert refused.value.detail == "phrases and languageModel make 3 phrases; the recognizer takes at most 2"


def test_a_vocabulary_that_there_is_not_in_the_language_is_refused() -> None:
    recognizer = ScriptedRecognizer(languages=("tlh",))
    with pytest.raises(ClientError, match="languageModel is yesno: the vocabulary yesno has no tlh; it has ar, de, en"):
        recognition_options(configured(languageCode="tlh", languageModel="yesno"), recognizer)


def test_speakers_are_refused_where_the_recognizer_does_not_tell_them() -> None:
    config = replace(configured(), wants_speakers=True)
    assert recognition_options(config, ScriptedRecognizer(tells_speakers=True)).language_code == "en-US"
    with pytest.raises(ClientError, match="which the recognizer of this server does not do"):
        recognition_options(config, ScriptedRecognizer())


def test_adaptive_endpoints_ask_for_an_early_text_whatever_the_client_is_sent() -> None:
    config = replace(SessionConfig(), endpointing="adaptive", interim_results=False)
    options = recognition_options(config, ScriptedRecognizer())
    assert (options.first_pass_ms, options.interim_results) == (150, True)
    fixed = recognition_options(replace(config, endpointing="fixed"), ScriptedRecognizer())
    assert (fixed.first_pass_ms, fixed.interim_results) == (None, False)


def test_a_closed_vocabulary_has_the_phrases_of_the_client() -> None:
    options = recognition_options(
        configured(vocabulary="closed", phrases=["lamp {on,off}", "pin {digits:4}"]), ScriptedRecognizer()
    )
    assert options.closed_vocabulary
    assert options.phrases == ("lamp {on,off}", "pin {digits:4}")


@pytest.mark.parametrize(
    ("phrases", "detail"),
    [
        ([], "vocabulary is closed without phrases; set phrases or a languageModel that has some"),
        (["a {b"], "phrases: the braces of 'a {b' do not match; they must be in pairs, and not nested"),
    ],
)
def test_a_closed_vocabulary_without_usable_phrases_is_refused(phrases: list[str], detail: str) -> None:
    with pytest.raises(ClientError) as refused:
        recognition_options(configured(vocabulary="closed", phrases=phrases), ScriptedRecognizer())
    assert (refused.value.problem, refused.value.detail) == (Problem.INVALID_CONFIG, detail)
