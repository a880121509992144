from typing import Any

import pytest
from riva.client.proto import riva_asr_pb2 as asr

from stream.audio import AudioFormat, AudioTransfer, Encoding
from stream.engine.audio_options import AudioOptions, audio_options


def options(**fields: Any) -> AudioOptions:
    return audio_options(asr.RecognitionConfig(**fields))


def test_what_is_left_out_is_mono_at_16_khz_of_an_encoding_that_is_detected() -> None:
    expected = AudioFormat(
        transfer=AudioTransfer.RAW,
        interleaved_channels=1,
        first_channel_only=True,
        detected_encodings=frozenset({Encoding.FLAC, Encoding.OGG_OPUS}),
    )
    assert options() == AudioOptions(expected, "")


@pytest.mark.parametrize(
    ("name", "encoding", "is_explicit"),
    [
        ("LINEAR_PCM", Encoding.LINEAR16, False),
        ("FLAC", Encoding.FLAC, True),
        ("MULAW", Encoding.MULAW, True),
        ("OGGOPUS", Encoding.OGG_OPUS, True),
        ("ALAW", Encoding.ALAW, True),
    ],
)
def test_every_encoding_of_riva_is_served(name: str, encoding: Encoding, is_explicit: bool) -> None:
    found = options(encoding=name)
    assert (found.encoding_name, found.audio_format.detected_encodings) == (name, frozenset())
    assert (found.audio_format.encoding, found.audio_format.encoding_is_explicit) == (encoding, is_explicit)


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 48_000])
def test_rates_from_8_to_48_khz_are_served(rate: int) -> None:
    assert options(sample_rate_hertz=rate).audio_format.sample_rate_hertz == rate


@pytest.mark.parametrize("count", [1, 2, 64])
def test_several_channels_are_served(count: int) -> None:
    assert options(audio_channel_count=count).audio_format.interleaved_channels == count
    assert options(audio_channel_count=count).audio_format.channels == 1


def test_one_channel_may_be_recognized_separately() -> None:
    assert options(audio_channel_count=1, enable_separate_recognition_per_channel=True) == options()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"encoding": 77}, "encoding is 77; LINEAR_PCM, FLAC, MULAW, OGGOPUS and ALAW are served"),
        *(
            ({"sample_rate_hertz": rate}, f"sample_rate_hertz is {rate}; it must be from 8000 to 48000, or 0 for 16000")
            for rate in (-1, 1, 7999, 48_001, 2**31 - 1)
        ),
        *(
            ({"audio_channel_count": count}, f"audio_channel_count is {count}; it must be from 1 to 64, or 0 for 1")
            for count in (-1, 65)
        ),
        (
            {"audio_channel_count": 2, "enable_separate_recognition_per_channel": True},
            "enable_separate_recognition_per_channel is true; it must be false, and the first channel is recognized",
        ),
    ],
)
def test_what_is_not_served_is_refused_with_a_sentence(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=r"served|must be") as caught:
        options(**fields)
    assert str(caught.value) == sentence
