import pytest
from riva.client.proto import riva_asr_pb2 as pb
from riva.client.proto.riva_audio_pb2 import AudioEncoding

from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.protocols.riva import configuration


def configured(**fields: object) -> SessionConfig:
    return configuration.configured(SessionConfig(), pb.RecognitionConfig(**fields))


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        (AudioEncoding.LINEAR_PCM, "LINEAR16"),
        (AudioEncoding.FLAC, "FLAC"),
        (AudioEncoding.MULAW, "MULAW"),
        (AudioEncoding.ALAW, "ALAW"),
        (AudioEncoding.OGGOPUS, "OGG_OPUS"),
    ],
)
def test_every_encoding_of_riva_is_taken(encoding: int, name: str) -> None:
    config = configured(encoding=encoding, sample_rate_hertz=8000)
    assert config.audio_encoding == name
    # Files have a rate of their own.
    assert ("sampleRateHertz" in config.explicit) == (name in ("LINEAR16", "MULAW", "ALAW"))


def test_what_is_not_set_is_as_in_riva() -> None:
    config = configured()
    assert (config.punctuation, config.profanity_filter, config.max_alternatives) == (False, False, 1)
    assert (config.language_code, config.hangover_ms) == ("en", SessionConfig().hangover_ms)


def test_phrases_of_all_contexts_are_joined_and_the_largest_boost_holds() -> None:
    contexts = [pb.SpeechContext(phrases=["ahoy"], boost=5), pb.SpeechContext(phrases=["avast", "ahoy"], boost=30)]
    config = configured(speech_contexts=contexts)
    assert (config.phrases, config.boost) == (("ahoy", "avast"), 30)


@pytest.mark.parametrize(("asked_ms", "hangover_ms"), [(700, 700), (30_000, 5000), (20, 100), (0, 600)])
def test_the_pause_that_ends_an_utterance_is_the_nearest_possible(asked_ms: int, hangover_ms: int) -> None:
    assert configured(endpointing_config=pb.EndpointingConfig(stop_history=asked_ms)).hangover_ms == hangover_ms


def test_more_alternatives_than_there_are_give_the_most_that_there_are() -> None:
    assert configured(max_alternatives=30).max_alternatives == 5


def test_of_several_channels_the_first_is_recognized() -> None:
    audio = configured(encoding=AudioEncoding.LINEAR_PCM, audio_channel_count=4).audio_format
    assert (audio.channels, audio.interleaved_channels, audio.first_channel_only) == (1, 4, True)


def test_two_channels_are_separated_on_request() -> None:
    audio = configured(audio_channel_count=2, enable_separate_recognition_per_channel=True).audio_format
    assert (audio.channels, audio.interleaved_channels, audio.first_channel_only) == (2, 2, False)


def test_samples_are_never_taken_for_text() -> None:
    assert configured().audio_transfer == "raw"


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"encoding": 77}, "encoding is 77; it must be one of LINEAR_PCM, FLAC, MULAW, OGGOPUS, ALAW"),
        ({"audio_channel_count": 99}, "audio_channel_count is 99; it must be at most 64"),
        (
            {"audio_channel_count": 3, "enable_separate_recognition_per_channel": True},
            "audio_channel_count is 3 and recognized separately; it must be at most 2",
        ),
        ({"sample_rate_hertz": 4000}, "sampleRateHertz is 4000; it must be between 8000 and 48000"),
    ],
)
def test_what_cannot_be_recognized_is_refused(fields: dict[str, object], detail: str) -> None:
    with pytest.raises(ClientError) as refused:
        configured(**fields)
    assert (refused.value.problem, refused.value.detail) == (Problem.INVALID_CONFIG, detail)
