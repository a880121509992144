from typing import Any

import pytest
from riva.client.proto import riva_asr_pb2 as asr

from stream.engine.options import CallOptions, RequestError, read_config
from vad import SegmenterOptions

ENDPOINTS_AFTER_800_MS = SegmenterOptions(hangover=80, longest=2400)
ONE_UTTERANCE = SegmenterOptions(onset=0, onset_window=0, preroll=0, hangover=2401, longest=2400)


def config(stop_history: int = 0, **fields: Any) -> asr.RecognitionConfig:
    return asr.RecognitionConfig(endpointing_config=asr.EndpointingConfig(stop_history=stop_history), **fields)


def test_an_empty_config_is_served() -> None:
    assert read_config(asr.RecognitionConfig()) == CallOptions("", 0, 1, False, ENDPOINTS_AFTER_800_MS)


def test_everything_is_taken_from_the_config() -> None:
    options = read_config(
        config(
            encoding=1,
            sample_rate_hertz=8000,
            language_code="en-US",
            max_alternatives=3,
            audio_channel_count=1,
            enable_word_time_offsets=True,
        )
    )
    assert options == CallOptions("en-US", 8000, 3, True, ENDPOINTS_AFTER_800_MS)


@pytest.mark.parametrize(("asked", "given"), [(-1, 1), (0, 1), (1, 1), (5, 5), (30, 5)])
def test_one_to_five_alternatives_are_given(asked: int, given: int) -> None:
    assert read_config(config(max_alternatives=asked)).alternatives == given


@pytest.mark.parametrize(("stop_history", "hangover"), [(-5, 80), (0, 80), (240, 24), (801, 81), (19_999, 2000)])
def test_stop_history_is_the_hangover(stop_history: int, hangover: int) -> None:
    assert read_config(config(stop_history)).segmenter == SegmenterOptions(hangover=hangover, longest=2400)


def test_a_caller_with_its_own_endpoints_gets_one_utterance_from_the_first_sample() -> None:
    assert read_config(config(20_000)).segmenter == ONE_UTTERANCE


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"encoding": 2}, "encoding is FLAC; only LINEAR_PCM is served"),
        ({"encoding": 77}, "encoding is 77; only LINEAR_PCM is served"),
        ({"audio_channel_count": 2}, "audio_channel_count is 2; only one channel is served"),
        ({"sample_rate_hertz": -1}, "sample_rate_hertz is -1; 16000 is served"),
    ],
)
def test_what_is_not_served_is_refused_with_a_sentence(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_config(config(**fields))
    assert str(caught.value) == sentence
