from typing import Any

import pytest
from riva.client.proto import riva_asr_pb2 as asr

from stream.engine.audio_options import audio_options
from stream.engine.options import CallOptions, RequestError, read_config
from vad import SegmenterOptions

ENDPOINTS_AFTER_800_MS = SegmenterOptions(hangover_frames=80, longest_frames=2400)


def call_options(**changed: Any) -> CallOptions:
    """The options of an empty config, with changes."""
    plain: dict[str, Any] = {
        "language_code": "",
        "audio": audio_options(asr.RecognitionConfig()),
        "alternatives": 1,
        "word_times": False,
        "segmenter": ENDPOINTS_AFTER_800_MS,
    }
    return CallOptions(**plain | changed)


def config(stop_history: int = 0, **fields: Any) -> asr.RecognitionConfig:
    return asr.RecognitionConfig(endpointing_config=asr.EndpointingConfig(stop_history=stop_history), **fields)


def test_an_empty_config_is_served() -> None:
    assert read_config(asr.RecognitionConfig()) == call_options()


def test_everything_is_taken_from_the_config() -> None:
    audio = {"encoding": 1, "sample_rate_hertz": 8000, "audio_channel_count": 1}
    options = read_config(config(**audio, language_code="en-US", max_alternatives=3, enable_word_time_offsets=True))
    assert options == call_options(
        language_code="en-US",
        audio=audio_options(asr.RecognitionConfig(**audio)),
        alternatives=3,
        word_times=True,
    )


@pytest.mark.parametrize(("asked", "given"), [(0, 1), (1, 1), (5, 5), (30, 5)])
def test_one_to_five_alternatives_are_given(asked: int, given: int) -> None:
    assert read_config(config(max_alternatives=asked)).alternatives == given


@pytest.mark.parametrize(("asked", "punctuation", "decoded"), [(1, False, 1), (3, True, 3), (3, False, 5)])
def test_without_punctuation_all_hypotheses_are_decoded_for_several(
    asked: int, punctuation: bool, decoded: int
) -> None:
    options = read_config(config(max_alternatives=asked, enable_automatic_punctuation=punctuation))
    assert (options.alternatives, options.decoded_alternatives) == (asked, decoded)


def contexts(*phrases: str, boost: float = 20.0) -> asr.SpeechContext:
    return asr.SpeechContext(phrases=phrases, boost=boost)


def test_phrases_of_all_contexts_come_once_each_without_empty_ones() -> None:
    options = read_config(
        config(speech_contexts=[contexts("Niyosha", " Riva  ", ""), contexts("  ", "Riva", "Persian text", boost=40)])
    )
    assert options.phrases == ("Niyosha", "Riva", "Persian text")
    assert options.boost == 40


def test_five_hundred_phrases_of_a_hundred_characters_are_taken() -> None:
    phrases = [f"{number:0100}" for number in range(500)]
    assert read_config(config(speech_contexts=[contexts(*phrases, "")])).phrases == tuple(phrases)


@pytest.mark.parametrize(("text", "is_closed"), [("true", True), ("True", True), ("false", False), ("", False)])
def test_a_closed_vocabulary_is_asked_for_by_custom_configuration(text: str, is_closed: bool) -> None:
    options = read_config(config(custom_configuration={"closed_vocabulary": text, "other": "anything"}))
    assert options.closed_vocabulary is is_closed


@pytest.mark.parametrize(("text", "separates"), [("true", True), ("TRUE", True), ("false", False)])
def test_stable_words_are_separated_on_request(text: str, separates: bool) -> None:
    assert read_config(config(custom_configuration={"stable_words": text})).separates_stable_words is separates
    assert not read_config(config()).separates_stable_words


def test_what_shapes_the_text_is_carried() -> None:
    asked = {"profanity_filter": True, "enable_automatic_punctuation": True, "verbatim_transcripts": True}
    options = read_config(config(**asked, model="base"))
    assert (options.profanity_filter, options.punctuation, options.is_verbatim) == (True, True, True)
    assert options.model == "base"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"encoding": 77}, "encoding is 77; LINEAR_PCM, FLAC, MULAW, OGGOPUS and ALAW are served"),
        ({"max_alternatives": -1}, "max_alternatives is -1; it must be 0 or more, and 5 are sent"),
        ({"stop_history": -5}, "endpointing_config: stop_history is -5; it must be 0 milliseconds or more"),
        (
            {"speech_contexts": [contexts(*map(str, range(300))), contexts(*map(str, range(299, 501)))]},
            "speech_contexts has 501 phrases; at most 500 are taken",
        ),
        (
            {"speech_contexts": [contexts("fine", "a" * 101)]},
            "a phrase of speech_contexts has 101 characters, 'aaaaaaaaaaaaaaaaaaaa'...; at most 100 are taken",
        ),
        (
            {"speech_contexts": [contexts("a", boost=float("inf"))]},
            "the boost of a speech_context is inf; it must be a finite number",
        ),
        (
            {"custom_configuration": {"stable_words": "yes"}},
            "custom_configuration: stable_words is 'yes'; it must be true or false",
        ),
        (
            {"custom_configuration": {"closed_vocabulary": "1"}},
            "custom_configuration: closed_vocabulary is '1'; it must be true or false",
        ),
        (
            {
                "custom_configuration": {"closed_vocabulary": "true"},
                "speech_contexts": [contexts("lamp {on")],
            },
            "speech_contexts: the braces of 'lamp {on' do not match; they must be in pairs, and not nested",
        ),
    ],
)
def test_what_is_not_served_is_refused_with_a_sentence(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_config(config(**fields))
    assert str(caught.value) == sentence
