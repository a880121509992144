from typing import Any

import pytest
from riva.client.proto import riva_asr_pb2 as asr

from stream.engine.endpointing import first_pass_samples, segmenter_options
from vad import SegmenterOptions

ONE_UTTERANCE = SegmenterOptions(
    onset_frames=0, onset_window_frames=0, preroll_frames=0, hangover_frames=2401, longest_frames=2400
)


def options(**fields: Any) -> SegmenterOptions:
    return segmenter_options(asr.EndpointingConfig(**fields))


@pytest.mark.parametrize(("stop_history", "hangover"), [(0, 80), (240, 24), (801, 81), (19_999, 2000)])
def test_stop_history_is_the_hangover(stop_history: int, hangover: int) -> None:
    assert options(stop_history=stop_history) == SegmenterOptions(hangover_frames=hangover, longest_frames=2400)


@pytest.mark.parametrize(("stop_history", "hangover"), [(0, 80), (10, 1), (300, 30), (700, 70), (1000, 100)])
@pytest.mark.parametrize("stop_threshold", [0.01, 0.3, 0.5, 0.98, 1.0])
def test_no_stop_threshold_shortens_the_pause(stop_history: int, stop_threshold: float, hangover: int) -> None:
    assert options(stop_history=stop_history, stop_threshold=stop_threshold).hangover_frames == hangover


@pytest.mark.parametrize(
    ("start_history", "start_threshold", "onset", "onset_window"),
    [
        (0, 0.0, 8, 12),
        (300, 0.0, 20, 30),
        (0, 0.5, 6, 12),
        (200, 0.1, 2, 20),
        (200, 1.0, 20, 20),
        (1, 0.01, 1, 1),
        (5000, 1.0, 500, 500),
    ],
)
def test_a_share_of_start_history_has_to_be_speech(
    start_history: int, start_threshold: float, onset: int, onset_window: int
) -> None:
    found = options(start_history=start_history, start_threshold=start_threshold)
    assert (found.onset_frames, found.onset_window_frames) == (onset, onset_window)


@pytest.mark.parametrize("stop_history", [20_000, 30_000, 2**31 - 1])
def test_a_caller_with_its_own_endpoints_gets_one_utterance_from_the_first_sample(stop_history: int) -> None:
    assert options(stop_history=stop_history, start_history=300, stop_threshold=0.5) == ONE_UTTERANCE


def test_a_first_pass_does_not_change_the_endpoints() -> None:
    assert options(stop_history_eou=240, stop_threshold_eou=0.9) == options()


@pytest.mark.parametrize(("stop_history_eou", "samples"), [(0, None), (240, 3840), (1, 16), (2**31 - 1, 34359738352)])
def test_stop_history_eou_is_the_silence_before_a_first_pass(stop_history_eou: int, samples: int | None) -> None:
    assert first_pass_samples(asr.EndpointingConfig(stop_history_eou=stop_history_eou)) == samples


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"start_history": -1}, "start_history is -1; it must be 0 milliseconds or more"),
        ({"start_history": 5001}, "start_history is 5001; it must be at most 5000 milliseconds"),
        ({"stop_history": -1}, "stop_history is -1; it must be 0 milliseconds or more"),
        ({"stop_history_eou": -1}, "stop_history_eou is -1; it must be 0 milliseconds or more"),
        ({"start_threshold": 1.01}, "start_threshold is 1.01; it must be from 0 to 1"),
        ({"stop_threshold": -0.5}, "stop_threshold is -0.5; it must be from 0 to 1"),
        ({"stop_threshold_eou": float("nan")}, "stop_threshold_eou is nan; it must be from 0 to 1"),
    ],
)
def test_invalid_values_are_reported(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match="must be") as caught:
        options(**fields)
    assert str(caught.value) == sentence
