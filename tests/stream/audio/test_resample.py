import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.audio.resample import Resampler
from tests.support.tiers import examples

RATES = (8000, 11025, 16000, 22050, 44100, 48000)


def tone(rate: int, seconds: float = 0.5, hertz: float = 440.0, channels: int = 1) -> bytes:
    times = np.arange(int(rate * seconds)) / rate
    wave = np.rint(10000 * np.sin(2 * np.pi * hertz * times)).astype("<i2")
    return np.repeat(wave, channels).tobytes()


def resampled(rate: int, data: bytes, cuts: list[int], channels: int = 1) -> bytes:
    resampler = Resampler(rate, channels)
    parts = []
    start = 0
    for cut in cuts:
        parts.append(resampler.push(data[start : start + cut]))
        start += cut
    parts += [resampler.push(data[start:]), resampler.flush()]
    return b"".join(part for (part,) in parts)


@examples(15)
@given(st.sampled_from(RATES), st.lists(st.integers(0, 3000), max_size=12))
def test_the_output_is_the_same_bit_by_bit_however_the_input_was_cut(rate: int, cuts: list[int]) -> None:
    assert resampled(rate, tone(rate), cuts) == resampled(rate, tone(rate), [])


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_keeps_its_pitch_its_level_and_its_length(rate: int) -> None:
    out = np.frombuffer(resampled(rate, tone(rate, 1.0), []), dtype="<i2").astype(float)
    assert len(out) == pytest.approx(16000, abs=1)
    reference = np.frombuffer(tone(16000, 1.0), dtype="<i2").astype(float)
    inner = slice(1000, 15000)
    assert np.abs(out[inner] - reference[inner]).max() < 60


@pytest.mark.parametrize("rate", [16000, 48000])
def test_stereo_is_mixed_down(rate: int) -> None:
    assert resampled(rate, tone(rate, channels=2), [7, 1001], channels=2) == resampled(rate, tone(rate), [])


@pytest.mark.parametrize("rate", [16000, 48000])
@pytest.mark.parametrize("other", [0, -1])
def test_a_silent_or_an_opposed_side_takes_nothing_away(rate: int, other: int) -> None:
    left = np.frombuffer(tone(rate), dtype="<i2")
    stereo = np.stack([left, left * other], axis=1).astype("<i2").tobytes()
    assert resampled(rate, stereo, [7, 1001], channels=2) == resampled(rate, tone(rate), [])


@examples(15)
@given(st.sampled_from(RATES), st.lists(st.integers(0, 3000), max_size=12))
def test_the_mix_is_the_same_bit_by_bit_however_the_input_was_cut(rate: int, cuts: list[int]) -> None:
    stereo = np.random.default_rng(rate).integers(-9000, 9000, rate // 2 * 2).astype("<i2").tobytes()
    assert resampled(rate, stereo, cuts, channels=2) == resampled(rate, stereo, [], channels=2)


def test_the_names_of_the_places_reach_the_mixer() -> None:
    silence = np.zeros(1600, np.int16)
    effects = np.random.default_rng(1).integers(-9000, 9000, 1600).astype(np.int16)
    voice = np.frombuffer(tone(16000, 0.1), "<i2")
    film = np.stack([silence, silence, voice, effects], axis=1).astype("<i2").tobytes()
    resampler = Resampler(16000, 4, places=("FL", "FR", "FC", "LFE"))
    assert resampler.push(film)[0] + resampler.flush()[0] == voice.tobytes()


def test_full_scale_is_clipped_and_never_wraps() -> None:
    square = np.where(np.arange(4800) // 40 % 2, 32767, -32768).astype("<i2").tobytes()
    out = np.frombuffer(resampled(48000, square, []), dtype="<i2")
    assert out.max() == 32767
    assert out.min() == -32768
    assert np.abs(np.diff(np.sign(out[np.abs(out) > 16000]))).sum() == pytest.approx(2 * (4800 / 40 - 1), abs=4)


@pytest.mark.fault(17)
@pytest.mark.parametrize("rate", [16000, 44100])
def test_half_a_sample_at_the_end_is_dropped(rate: int) -> None:
    assert resampled(rate, b"\x01", []) == b""
