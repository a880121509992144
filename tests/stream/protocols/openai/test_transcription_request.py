"""The fields of OpenAI's form: what they ask for, and what is refused."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stream.errors import Problem
from stream.protocols.openai.errors import FieldError, error_codes
from stream.protocols.openai.transcription_request import (
    STREAMED_FORMATS,
    Granularity,
    ResponseFormat,
    TranscriptionRequest,
    transcription_request,
)

MODEL = ("model", "whisper-1")
NAMES = st.sampled_from(
    [
        *("model", "language", "languages[]", "prompt", "keywords[]", "response_format", "temperature", "stream"),
        *("include", "timestamp_granularities[]", "timestamp_granularities[0]", "chunking_strategy[type]"),
        *("known_speaker_names[]", "", "[]", "[", "a[b", "user"),
    ]
)
TEXTS = st.sampled_from(
    ["", " ", "true", "1", "json", "text", "srt", "verbose_json", "word", "segment", "logprobs", "en", "0.5", "nan"]
) | st.text(max_size=20)


def asked(*fields: tuple[str, str]) -> TranscriptionRequest:
    return transcription_request([MODEL, *fields])


def test_a_model_alone_asks_for_the_defaults() -> None:
    request = asked()
    assert request == TranscriptionRequest(model="whisper-1")
    assert request.response_format is ResponseFormat.JSON
    assert request.granularities == {Granularity.SEGMENT}
    assert not request.is_streamed
    assert not request.with_logprobs


def test_empty_texts_are_as_none() -> None:
    names = ("language", "prompt", "response_format", "temperature", "stream", "include[]", "chunking_strategy")
    assert asked(*((name, " ") for name in names)) == asked()


@pytest.mark.parametrize("written", list(ResponseFormat))
def test_every_format_is_taken(written: ResponseFormat) -> None:
    assert asked(("response_format", written.value)).response_format is written


@pytest.mark.parametrize("names", [("[]", "[]"), ("[0]", "[1]"), ("", "")])
def test_lists_come_in_every_notation(names: tuple[str, str]) -> None:
    fields = [(f"timestamp_granularities{end}", text) for end, text in zip(names, ("word", "segment"), strict=True)]
    request = asked(("response_format", "verbose_json"), *fields)
    assert request.granularities == {Granularity.WORD, Granularity.SEGMENT}


@pytest.mark.parametrize(("text", "is_streamed"), [("true", True), ("True", True), ("1", True), ("false", False)])
def test_stream_is_a_truth_in_every_notation(text: str, is_streamed: bool) -> None:
    assert asked(("stream", text)).is_streamed is is_streamed


def test_prompt_and_keywords_are_phrases() -> None:
    request = asked(("prompt", "lazy dog, brown fox"), ("keywords[]", "Mahalanobis"), ("keywords[]", "lazy dog"))
    assert request.phrases == ("Mahalanobis", "lazy dog", "brown fox")


def test_a_language_goes_before_several() -> None:
    several = (("languages[]", "fr"), ("languages[]", "en"), ("languages[]", "fr"))
    assert asked(*several).languages == ("fr", "en")
    assert asked(*several, ("language", "de")).languages == ("de",)


@pytest.mark.parametrize(
    "fields",
    [
        (("temperature", "0.4"),),
        (("chunking_strategy", "auto"),),
        (("chunking_strategy[type]", "server_vad"), ("chunking_strategy[threshold]", "0.5")),
        (("user", "ann"), ("vad_filter", "true"), ("", "nameless")),
    ],
)
def test_what_has_no_effect_is_taken(fields: tuple[tuple[str, str], ...]) -> None:
    assert asked(*fields) == asked()


@pytest.mark.parametrize(
    ("fields", "param", "sentence"),
    [
        ((("model", "a"),), "model", "model is given 2 times; it may be given once"),
        (
            (("response_format", "diarized_json"),),
            "response_format",
            'response_format is "diarized_json"; it must be one of json, text, srt, verbose_json, vtt',
        ),
        ((("temperature", "hot"),), "temperature", 'temperature is "hot"; it must be between 0 and 1'),
        ((("temperature", "1.1"),), "temperature", 'temperature is "1.1"; it must be between 0 and 1'),
        ((("temperature", "nan"),), "temperature", 'temperature is "nan"; it must be between 0 and 1'),
        ((("stream", "maybe"),), "stream", 'stream is "maybe"; it must be true or false'),
        ((("include[]", "tokens"),), "include", 'include is "tokens"; it must be logprobs'),
        (
            (("timestamp_granularities[]", "char"),),
            "timestamp_granularities",
            'timestamp_granularities is "char"; it must be one of word, segment',
        ),
        (
            (("timestamp_granularities[]", "word"),),
            "response_format",
            "response_format is json; with timestamp_granularities it must be verbose_json",
        ),
        (
            (("stream", "true"), ("response_format", "srt")),
            "response_format",
            "response_format is srt; with stream it must be one of json, text, verbose_json",
        ),
        ((("language", "e n"),), "language", 'language is "e n"; it must be a language such as en or en-US'),
        ((("languages[]", "x" * 36),), "languages", f'languages is "{"x" * 36}"; it must be a language such as'),
        (
            (("known_speaker_names[]", "ann"),),
            "known_speaker_names",
            "known_speaker_names is given, but speakers are not told apart; leave it out",
        ),
    ],
)
def test_wrong_fields_are_named_with_what_is_allowed(
    fields: tuple[tuple[str, str], ...], param: str, sentence: str
) -> None:
    with pytest.raises(FieldError) as refused:
        asked(*fields)
    assert refused.value.param == param
    assert refused.value.detail.startswith(sentence)


def test_a_missing_model_is_refused() -> None:
    with pytest.raises(FieldError, match="model is missing") as refused:
        transcription_request([("model", "")])
    assert refused.value.code == "missing_required_parameter"


@given(st.lists(st.tuples(NAMES, TEXTS), max_size=12))
@example([MODEL, ("language", "\0")])
def test_whatever_a_form_holds_it_is_taken_or_refused_with_a_field(fields: Any) -> None:
    try:
        request = transcription_request(fields)
    except FieldError as error:
        assert error.problem is Problem.INVALID_CONFIG
        assert error.param in error.detail
        assert error.code in error_codes(error.problem)
    else:
        assert request.model.strip()
        assert request.granularities
        assert not request.is_streamed or request.response_format in STREAMED_FORMATS
