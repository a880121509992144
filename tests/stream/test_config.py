import pytest

from stream.audio import AudioTransfer
from stream.config import KEYS, SessionConfig
from stream.errors import ClientError, Problem


def refusal(act: object) -> str:
    assert callable(act)
    with pytest.raises(ClientError) as caught:
        act()
    assert caught.value.problem is Problem.INVALID_CONFIG
    return caught.value.detail


def test_every_key_has_an_attribute_whose_default_it_accepts() -> None:
    for key in KEYS:
        assert key.check(getattr(SessionConfig(), key.attribute)) == getattr(SessionConfig(), key.attribute)


def test_a_query_is_read_by_type() -> None:
    config = SessionConfig().with_query(
        [("sampleRateHertz", "8000"), ("interimResults", "0"), ("languageCode", "en-GB"), ("audioTransfer", "raw")]
    )
    assert (config.sample_rate_hertz, config.interim_results, config.language_code) == (8000, False, "en-GB")
    assert config.audio_format.transfer is AudioTransfer.RAW
    assert config.audio_format.rate_is_explicit


@pytest.mark.parametrize(
    ("name", "text", "detail"),
    [
        ("sampleRateHertz", "4000", "sampleRateHertz is 4000; it must be between 8000 and 48000"),
        ("sampleRateHertz", "16k", 'sampleRateHertz is "16k"; it must be between 8000 and 48000'),
        ("sampleRateHertz", "", 'sampleRateHertz is ""; it must be between 8000 and 48000'),
        ("hangoverMs", "-1", "hangoverMs is -1; it must be between 100 and 5000"),
        ("interimResults", "yes", 'interimResults is "yes"; it must be true or false'),
        ("audioEncoding", "FLAC", 'audioEncoding is "FLAC"; it must be LINEAR16'),
        ("audioTransfer", "hex", 'audioTransfer is "hex"; it must be one of auto, raw, base64'),
        ("languageCode", "e", 'languageCode is "e"; it must be a language tag such as en or en-US'),
        ("languageCode", "en us", 'languageCode is "en us"; it must be a language tag such as en or en-US'),
    ],
)
def test_a_wrong_value_is_refused_with_the_key_the_value_and_what_is_allowed(name: str, text: str, detail: str) -> None:
    assert refusal(lambda: SessionConfig().with_query([(name, text)])) == detail


def test_an_unknown_key_is_refused_with_the_known_ones() -> None:
    detail = refusal(lambda: SessionConfig().with_query([("samplerate", "16000")]))
    assert detail.startswith('"samplerate" is not a key; known are audioEncoding, sampleRateHertz, ')


def test_a_key_twice_in_the_query_is_refused() -> None:
    twice = [("hangoverMs", "300"), ("hangoverMs", "400")]
    assert refusal(lambda: SessionConfig().with_query(twice)) == '"hangoverMs" is given more than once'


@pytest.mark.parametrize(
    ("value", "shown"), [(True, "True"), (16000.0, "16000.0"), ("16000", '"16000"'), (None, "None"), ([], "[]")]
)
def test_a_message_takes_no_other_type_for_an_integer(value: object, shown: str) -> None:
    detail = refusal(lambda: SessionConfig().with_message({"sampleRateHertz": value}, audio_began=False))
    assert detail == f"sampleRateHertz is {shown}; it must be between 8000 and 48000"


def test_what_the_first_audio_froze_cannot_change_but_may_be_repeated() -> None:
    config = SessionConfig().with_message({"hangoverMs": 300, "sampleRateHertz": 16000}, audio_began=True)
    assert config.hangover_ms == 300
    assert refusal(lambda: config.with_message({"sampleRateHertz": 8000}, audio_began=True)) == (
        "sampleRateHertz is 8000 after the first audio was received with 16000; it must be set before"
    )


def test_spans_become_frames() -> None:
    config = SessionConfig().with_query([("prerollMs", "105"), ("hangoverMs", "500"), ("maxUtteranceMs", "4000")])
    options = config.segmenter_options
    assert (options.preroll, options.hangover, options.longest, options.longest_search) == (11, 50, 400, 100)


@pytest.mark.parametrize("longest", [2000, 30000])
@pytest.mark.parametrize("preroll", [0, 1000])
def test_every_allowed_span_makes_valid_segmenter_options(longest: int, preroll: int) -> None:
    query = [("maxUtteranceMs", str(longest)), ("prerollMs", str(preroll))]
    assert SessionConfig().with_query(query).segmenter_options.longest == longest // 10


def test_a_value_of_control_characters_is_quoted_on_one_line() -> None:
    detail = refusal(lambda: SessionConfig().with_query([("vad", "\r\nx" * 100)]))
    assert "\n" not in detail
    assert len(detail) < 200
