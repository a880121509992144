from dataclasses import replace

import pytest

from stream.audio import AudioTransfer
from stream.configuration.config import KEYS, SessionConfig
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
        (
            "audioEncoding",
            "AAC",
            'audioEncoding is "AAC"; it must be one of LINEAR16, FLAC, MP3, MULAW, ALAW, OGG_OPUS, WEBM_OPUS',
        ),
        ("boost", "many", 'boost is "many"; it must be between 0 and 100'),
        ("boost", "nan", "boost is nan; it must be between 0 and 100"),
        ("channels", "3", "channels is 3; it must be between 1 and 2"),
        ("asrModel", "best", 'asrModel is "best"; it must be one of default, video, command_and_search, phone_call'),
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
    ("value", "shown"), [(True, "True"), (16000.5, "16000.5"), ("16000", '"16000"'), (None, "None"), ([], "[]")]
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


def test_a_detector_and_manual_can_be_switched_at_any_time() -> None:
    config = SessionConfig().with_message({"vad": "manual"}, audio_began=True)
    assert config.is_manual
    assert not config.with_message({"vad": "webrtc"}, audio_began=True).is_manual


@pytest.mark.parametrize(("before", "after"), [("manual", "off"), ("off", "manual"), ("webrtc", "silero")])
def test_no_other_detector_can_follow_once_audio_was_received(before: str, after: str) -> None:
    config = SessionConfig().with_query([("vad", before)])
    assert refusal(lambda: config.with_message({"vad": after}, audio_began=True)) == (
        f"vad is {after} after the first audio was received with {before}; it must be set before"
    )


def test_manual_takes_the_keys_of_a_detector() -> None:
    query = [("vad", "manual"), ("prerollMs", "0"), ("maxUtteranceMs", "4000"), ("vadAggressiveness", "1")]
    options = SessionConfig().with_query(query).segmenter_options
    assert (options.onset_frames, options.longest_frames, options.longest_search_frames) == (0, 400, 100)


def test_spans_become_frames() -> None:
    config = SessionConfig().with_query([("prerollMs", "105"), ("hangoverMs", "500"), ("maxUtteranceMs", "4000")])
    options = config.segmenter_options
    assert (options.preroll_frames, options.hangover_frames) == (11, 50)
    assert (options.longest_frames, options.longest_search_frames) == (400, 100)


@pytest.mark.parametrize("longest", [2000, 30000])
@pytest.mark.parametrize("preroll", [0, 1000])
def test_every_allowed_span_makes_valid_segmenter_options(longest: int, preroll: int) -> None:
    query = [("maxUtteranceMs", str(longest)), ("prerollMs", str(preroll))]
    assert SessionConfig().with_query(query).segmenter_options.longest_frames == longest // 10


def test_a_value_of_control_characters_is_quoted_on_one_line() -> None:
    detail = refusal(lambda: SessionConfig().with_query([("vad", "\r\nx" * 100)]))
    assert "\n" not in detail
    assert len(detail) < 200


def test_a_preset_holds_where_the_client_sets_nothing() -> None:
    config = SessionConfig().with_query([("asrModel", "command_and_search")])
    assert (config.hangover_ms, config.vad_aggressiveness) == (300, 3)
    assert config.with_message({"asrModel": "phone_call"}, audio_began=True).vad_aggressiveness == 2


def test_an_explicit_value_beats_the_preset_in_any_order() -> None:
    config = SessionConfig().with_query([("hangoverMs", "450"), ("asrModel", "video")])
    assert config.hangover_ms == 450
    assert config.with_message({"asrModel": "command_and_search"}, audio_began=True).hangover_ms == 450


def test_phrases_repeat_in_a_query_and_are_kept_once() -> None:
    config = SessionConfig().with_query([("phrases", "Riva"), ("phrases", " Niyosha "), ("phrases", "Riva")])
    assert config.phrases == ("Riva", "Niyosha")


@pytest.mark.parametrize("phrases", [["x"] * 501, ["x" * 101], [""], "Riva", [1]])
def test_too_many_too_long_or_other_phrases_are_refused(phrases: object) -> None:
    detail = refusal(lambda: SessionConfig().with_message({"phrases": phrases}, audio_began=False))
    assert detail.endswith("it must be at most 500 phrases of 1 to 100 characters")


def test_two_channels_need_extended_mode() -> None:
    assert refusal(lambda: SessionConfig().with_query([("channels", "2")])) == (
        "channels is 2, which needs extended to be true"
    )
    assert SessionConfig().with_query([("channels", "2"), ("extended", "true")]).audio_format.channels == 2


@pytest.mark.parametrize(("name", "text"), [("prerollMs", "0"), ("maxUtteranceMs", "3000"), ("vadAggressiveness", "1")])
def test_keys_of_the_detector_are_refused_without_one(name: str, text: str) -> None:
    detail = refusal(lambda: SessionConfig().with_query([("vad", "off"), (name, text)]))
    assert detail == f"{name} is set although vad is off; set it with webrtc or silero only"


def test_without_a_detector_all_audio_is_one_segment() -> None:
    options = SessionConfig().with_query([("vad", "off")]).segmenter_options
    assert options.onset_frames == 0
    assert options.longest_frames > 24 * 3600 * 100


def test_every_key_is_on_the_wire_with_its_value_in_force() -> None:
    on_wire = SessionConfig().with_query([("asrModel", "video")]).on_wire()
    assert list(on_wire) == [key.name for key in KEYS]
    assert on_wire["hangoverMs"] == 800


def test_a_whole_number_is_an_integer_however_json_writes_it() -> None:
    config = SessionConfig().with_message({"sampleRateHertz": 16000.0}, audio_began=False)
    assert config.sample_rate_hertz == 16000
    assert isinstance(config.sample_rate_hertz, int)


def test_a_language_model_is_a_vocabulary_or_an_id() -> None:
    trained = "8ac4b75e-d3f8-48f2-80f2-d910fbeb02f4"
    assert SessionConfig().with_message({"languageModel": trained}, audio_began=False).names_trained_model
    assert not SessionConfig().with_message({"languageModel": "city"}, audio_began=False).names_trained_model
    detail = refusal(lambda: SessionConfig().with_message({"languageModel": "klingon"}, audio_began=False))
    assert detail.startswith('languageModel is "klingon"; it must be one of general, numbers')
    assert detail.endswith("or the id of a trained language model")


def test_what_was_set_makes_the_same_configuration_again() -> None:
    config = SessionConfig().with_message({"asrModel": "video", "phrases": ["one"], "boost": 7}, audio_began=False)
    assert SessionConfig().with_message(config.set_values, audio_began=False) == config


def test_adaptive_endpoints_need_a_detector_and_live_speech() -> None:
    adaptive = SessionConfig().with_query([("endpointing", "adaptive")])
    assert adaptive.is_adaptive
    assert not adaptive.with_message({"vad": "manual"}, audio_began=True).is_adaptive
    assert not replace(adaptive, is_file=True).is_adaptive
    assert not SessionConfig().is_adaptive
    detail = refusal(lambda: adaptive.with_message({"vad": "off"}, audio_began=False))
    assert detail == "endpointing is adaptive although vad is off; set it with webrtc or silero only"
