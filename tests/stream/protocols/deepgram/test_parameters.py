from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.audio.format import AudioTransfer, Encoding
from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.protocols.deepgram.parameters import ListenRequest, listen_request
from tests.support.tiers import examples

LINEAR = "encoding=linear16&sample_rate=16000"


def asked(query: str) -> ListenRequest:
    return listen_request(parse_qsl(query, keep_blank_values=True))


def configured(query: str, **server: object) -> SessionConfig:
    return asked(query).configured(SessionConfig().with_message(server, audio_began=False))


def refusal(query: str) -> str:
    with pytest.raises(ClientError) as caught:
        configured(query)
    assert caught.value.problem is Problem.INVALID_CONFIG
    return caught.value.detail


def test_a_bare_query_has_the_defaults_of_deepgram() -> None:
    config, request = configured(""), asked("")
    assert (config.interim_results, config.punctuation, config.profanity_filter) == (False, False, False)
    assert (config.language_code, config.hangover_ms) == (SessionConfig().language_code, SessionConfig().hangover_ms)
    assert (request.is_formatted, request.vad_events, request.finds_endpoints) == (False, False, True)
    assert config.audio_format.needs_header


@pytest.mark.parametrize(
    ("encoding", "rate", "expected"),
    [
        ("linear16", "&sample_rate=8000", (Encoding.LINEAR16, 8000)),
        ("LINEAR16", "&sample_rate=48000", (Encoding.LINEAR16, 48_000)),
        ("mulaw", "", (Encoding.MULAW, 8000)),
        ("alaw", "&sample_rate=16000", (Encoding.ALAW, 16_000)),
        ("flac", "&sample_rate=1", (Encoding.FLAC, 16_000)),
        ("opus", "", (Encoding.OGG_OPUS, 16_000)),
        ("ogg-opus", "&sample_rate=48000", (Encoding.OGG_OPUS, 16_000)),
        ("mp3", "", (Encoding.MP3, 16_000)),
    ],
)
def test_an_encoding_declares_the_audio(encoding: str, rate: str, expected: tuple[Encoding, int]) -> None:
    audio = configured(f"encoding={encoding}{rate}").audio_format
    assert (audio.encoding, audio.sample_rate_hertz) == expected
    assert (audio.encoding_is_explicit, audio.needs_header, audio.transfer) == (True, False, AudioTransfer.RAW)


def test_without_an_encoding_the_server_declares_none_either() -> None:
    audio = configured("sample_rate=8000", audioEncoding="MULAW", sampleRateHertz=8000).audio_format
    assert (audio.encoding, audio.encoding_is_explicit, audio.rate_is_explicit) == (Encoding.LINEAR16, False, False)


@pytest.mark.parametrize(
    ("query", "recognized", "interleaved"),
    [
        (LINEAR, 1, 1),
        (f"{LINEAR}&channels=2", 1, 2),
        (f"{LINEAR}&channels=6", 1, 6),
        (f"{LINEAR}&channels=2&multichannel=true", 2, 2),
        (f"{LINEAR}&multichannel=true", 1, 1),
        ("multichannel=true", 2, 1),
        ("multichannel=true&channels=1", 1, 1),
    ],
)
def test_channels_are_mixed_unless_they_are_many(query: str, recognized: int, interleaved: int) -> None:
    audio = configured(query, extended=True, channels=2).audio_format
    assert (audio.channels, audio.interleaved_channels) == (recognized, interleaved)


@pytest.mark.parametrize(
    ("endpointing", "hangover_ms", "finds_endpoints"),
    [
        ("", 800, True),
        ("true", 800, True),
        ("10", 300, True),
        ("300", 300, True),
        ("450", 450, True),
        ("90000", 5000, True),
        ("false", 800, False),
        ("False", 800, False),
        ("0", 800, False),
    ],
)
def test_endpointing_is_the_hangover_within_its_bounds(
    endpointing: str, hangover_ms: int, finds_endpoints: bool
) -> None:
    query = f"{LINEAR}&endpointing={endpointing}"
    assert configured(query, hangoverMs=800).hangover_ms == hangover_ms
    assert asked(query).finds_endpoints is finds_endpoints


@pytest.mark.parametrize(
    ("query", "phrases", "boost"),
    [
        ("keyterm=customer+service&keyterm=Niyosha", ("customer service", "Niyosha"), 20),
        ("keyterm=term:3", ("term:3",), 20),
        ("keywords=Pune:2&keywords=dog", ("dog", "Pune"), 40),
        ("keywords=a:0.5&keywords=b:1.5", ("a", "b"), 30),
        ("keywords=a:99", ("a",), 100),
        ("keywords=a:-2&keywords=b", ("b",), 20),
        ("keywords=at+3:16:1", ("at 3:16",), 20),
        ("keywords=a:b", ("a:b",), 20),
        ("keywords=a:nan", ("a:nan",), 20),
        ("keyterm=&keywords=", (), 20),
    ],
)
def test_key_terms_and_keywords_are_phrases(query: str, phrases: tuple[str, ...], boost: float) -> None:
    config = configured(query)
    assert set(config.phrases) == set(phrases)
    assert config.boost == boost


@pytest.mark.parametrize(
    ("query", "language"),
    [("language=en-US", "en-US"), ("language=multi", "fa"), ("language=", "fa"), ("", "fa"), ("language=de", "de")],
)
def test_a_language_is_its_tag_and_any_language_is_the_servers(query: str, language: str) -> None:
    assert configured(query, languageCode="fa").language_code == language


@pytest.mark.parametrize(
    ("query", "is_formatted"),
    [("smart_format=true", True), ("punctuate=True", True), ("punctuate=1", True), ("punctuate=false", False)],
)
def test_smart_format_and_punctuate_ask_for_punctuation(query: str, is_formatted: bool) -> None:
    assert asked(query).is_formatted is configured(query).punctuation is is_formatted


@pytest.mark.parametrize(
    ("query", "numbers"), [("", "recognized"), ("numerals=true", "digits"), ("numerals=false", "recognized")]
)
def test_numerals_ask_for_numbers_in_digits(query: str, numbers: str) -> None:
    assert configured(query).numbers == numbers
    assert configured("numerals=false", numbers="digits").numbers == "digits"


def test_what_the_token_or_the_server_sets_about_profanity_holds_unless_the_client_sets_it() -> None:
    assert configured("", profanityFilter=True).profanity_filter
    assert not configured("profanity_filter=false", profanityFilter=True).profanity_filter
    assert configured("profanity_filter=true").profanity_filter


@pytest.mark.parametrize(
    ("model", "preset"),
    [("nova-3", "default"), ("nova-2-phonecall", "phone_call"), ("video", "video"), ("whisper-large", "default")],
)
def test_any_model_is_accepted_and_some_are_presets(model: str, preset: str) -> None:
    assert configured(f"model={model}").asr_model == preset


def test_pauses_end_utterances_even_where_the_server_leaves_that_to_commands() -> None:
    assert configured("", vad="manual").vad == "webrtc"
    assert configured("", vad="silero").vad == "silero"


def test_pauses_events_alternatives_and_tags_are_taken() -> None:
    query = "utterance_end_ms=1000&vad_events=true&alternatives=3&tag=a&tag=b&utterances=true&paragraphs=true"
    config, request = configured(query), asked(query)
    assert (config.pause_ms, config.max_alternatives) == (1000, 3)
    assert (request.vad_events, request.tags, request.utterances, request.paragraphs) == (True, ("a", "b"), True, True)


@pytest.mark.parametrize(
    "name", ["redact", "replace", "search", "summarize", "detect_language", "callback", "dictation"]
)
def test_what_the_result_would_lack_is_refused_unless_it_is_off(name: str) -> None:
    assert refusal(f"{name}=true") == f'{name} is "true", which this server does not do; leave {name} out'
    assert configured(f"{name}=false&{name}=") == configured("")


def test_redaction_of_a_kind_is_refused_naming_it() -> None:
    assert refusal("redact=pci&redact=ssn").startswith('redact is "pci", which ')


@pytest.mark.parametrize("query", ["diarize=true", "diarize_model=latest", "diarize=true&diarize_version=2021"])
def test_diarization_is_left_to_the_recognizer(query: str) -> None:
    assert configured(query).wants_speakers
    assert not configured("diarize=false").wants_speakers


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("encoding=linear16", "sample_rate is missing; encoding linear16 needs it"),
        ("encoding=linear16&sample_rate=16k", 'sample_rate is "16k"; it must be between 8000 and 48000'),
        ("encoding=mulaw&sample_rate=4000", "sample_rate is 4000; it must be between 8000 and 48000"),
        (
            "encoding=g729",
            'encoding is "g729"; it must be one of linear16, mulaw, alaw, flac, opus, ogg-opus, mp3, '
            "or left out for a file",
        ),
        ("channels=0", 'channels is "0"; it must be between 1 and 64'),
        ("channels=3&multichannel=true", "channels is 3 with multichannel; at most 2 are recognized each on its own"),
        ("endpointing=soon", 'endpointing is "soon"; it must be milliseconds, true or false'),
        ("endpointing=-1", 'endpointing is "-1"; it must be milliseconds, true or false'),
        ("utterance_end_ms=0", 'utterance_end_ms is "0"; it must be between 1 and 60000'),
        ("interim_results=yes", 'interim_results is "yes"; it must be true or false'),
        ("language=x", 'language is "x"; it must be a language tag such as en or en-US'),
        ("alternatives=9", "alternatives is 9; it must be between 0 and 5"),
        ("model=a&model=b", "model is given 2 times; it may be given once"),
        (
            f"keyterm={'x' * 101}",
            f"keyterm or keywords is ['{'x' * 78}...; it must be at most 500 phrases of 1 to 100 characters",
        ),
    ],
)
def test_a_wrong_value_is_refused_naming_it_and_what_is_allowed(query: str, detail: str) -> None:
    assert refusal(query) == detail


# --- what clients send where nobody sets anything ---

PIPECAT = (
    "detect_entities=false&diarize=false&dictation=false&interim_results=true&numerals=false&profanity_filter=true"
    "&punctuate=true&smart_format=false&model=nova-3-general&language=en&encoding=linear16&channels=1"
    "&multichannel=false&sample_rate=16000"
)
LIVEKIT = (
    "model=nova-3&punctuate=true&smart_format=false&no_delay=true&interim_results=true&encoding=linear16"
    "&vad_events=true&sample_rate=16000&channels=1&endpointing=25&filler_words=true&profanity_filter=false"
    "&numerals=false&mip_opt_out=false&language=en-US&diarize=false"
)
JAMBONZ = (
    "model=nova-2-phonecall&language=en-US&interim_results=true&smart_format=true&endpointing=500&utterance_end_ms=1000"
    "&vad_events=true&encoding=linear16&sample_rate=8000&channels=1&keywords=jambonz:2&tag=call&no_delay=true"
)
OMI = (
    "punctuate=true&no_delay=true&endpointing=300&language=multi&interim_results=false&smart_format=true"
    "&profanity_filter=false&diarize=true&filler_words=false&channels=1&multichannel=false&model=nova-3"
    "&sample_rate=8000&encoding=linear16"
)


@pytest.mark.parametrize(
    ("query", "interim_results", "hertz", "hangover_ms", "vad_events"),
    [
        (PIPECAT, True, 16_000, 600, False),
        (LIVEKIT, True, 16_000, 300, True),
        (JAMBONZ, True, 8000, 500, True),
        (OMI, False, 8000, 300, False),
    ],
    ids=["pipecat", "livekit", "jambonz", "omi"],
)
def test_the_defaults_of_frameworks_are_understood(
    query: str, interim_results: bool, hertz: int, hangover_ms: int, vad_events: bool
) -> None:
    config, request = configured(query), asked(query)
    assert (config.interim_results, config.sample_rate_hertz) == (interim_results, hertz)
    assert (config.hangover_ms, request.vad_events) == (hangover_ms, vad_events)
    assert request.is_formatted
    assert config.wants_speakers is (query is OMI)


NAMES = [name for name, _ in parse_qsl("&".join([PIPECAT, LIVEKIT, JAMBONZ, OMI]))]
VALUES = st.one_of(st.text(max_size=20), st.sampled_from(["true", "false", "linear16", "opus", "-1", "1e9", "9" * 30]))


@pytest.mark.fault(18)
@examples(200)
@given(st.lists(st.tuples(st.sampled_from([*NAMES, "keyterm", "redact", "x"]), VALUES), max_size=8))
def test_any_query_is_a_configuration_or_refused(query: list[tuple[str, str]]) -> None:
    try:
        config = listen_request(query).configured(SessionConfig())
    except ClientError as error:
        assert error.problem is Problem.INVALID_CONFIG
        assert error.detail
    else:
        assert 100 <= config.hangover_ms <= 5000
        assert 8000 <= config.sample_rate_hertz <= 48_000
