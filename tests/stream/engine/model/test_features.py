import numpy as np
import pytest

from stream.engine.model.features import Features, Samples, at_full_level, log_mel, samples_of
from tests.support.sounds import clip_pcm


def reference_log_mel(samples: Samples, length_samples: int) -> Features:
    """Whisper's spectrogram the long way: everything padded, everything transformed, one frame at a time."""
    padded = np.pad(np.pad(samples.astype(np.float64), (0, length_samples - len(samples))), 200, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    spectrum = np.array([np.fft.rfft(padded[k : k + 400] * window) for k in range(0, length_samples, 160)])
    mel = np.maximum(reference_filters() @ (np.abs(spectrum) ** 2).T, 1e-10)
    log = np.log10(mel)
    return np.asarray((np.maximum(log, log.max() - 8) + 4) / 4, dtype=np.float32)


def reference_filters() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Slaney's triangles, one bin at a time."""

    def hertz(mel: float) -> float:
        return mel * 200 / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)

    top_mel = 15 + 27 * np.log(8) / np.log(6.4)
    corners = [hertz(top_mel * k / 81) for k in range(82)]
    filters = np.zeros((80, 201))
    for band, (low, centre, high) in enumerate(zip(corners, corners[1:], corners[2:], strict=False)):
        for index in range(201):
            bin_hertz = index * 40
            height = min((bin_hertz - low) / (centre - low), (high - bin_hertz) / (high - centre))
            filters[band, index] = max(0.0, height) * 2 / (high - low)
    return filters


@pytest.mark.parametrize("n_samples", [0, 100, 1600, 23_999, 50_000])
def test_it_is_the_spectrogram_of_the_padded_sound(n_samples: int) -> None:
    samples = samples_of(clip_pcm("library.wav"))[:n_samples]
    length_samples = n_samples + 96_000
    expected = reference_log_mel(samples, length_samples)[:, : length_samples // 160]
    np.testing.assert_allclose(log_mel(samples, length_samples), expected, atol=2e-4)


def test_a_tone_is_loudest_in_the_band_of_its_pitch() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000).astype(np.float32)
    # 1 kHz is 15 mel, and the 80 bands lie 0.558 mel apart.
    assert log_mel(tone, 16_000)[:, 50].argmax() == 26


def test_nothing_lies_more_than_eight_decades_below_the_loudest() -> None:
    mel = log_mel(samples_of(clip_pcm("quick.wav")), 400_000)
    assert mel.max() - mel.min() == pytest.approx(2.0)


def test_samples_lie_between_minus_one_and_one() -> None:
    assert samples_of(b"\x00\x80\xff\x7f").tolist() == [-1.0, 32767 / 32768]


def test_sound_longer_than_the_spectrogram_is_refused() -> None:
    with pytest.raises(ValueError, match="the sound has 1600 samples; at most 160 fit"):
        log_mel(np.zeros(1600, dtype=np.float32), 160)


@pytest.mark.parametrize("gain", [1.0, 0.1, 0.03])
def test_sound_of_any_level_is_brought_to_one(gain: float) -> None:
    sound = np.random.default_rng(2).uniform(-0.5, 0.5, 400).astype(np.float32)
    full = at_full_level(sound * np.float32(gain))
    assert np.abs(full).max() == pytest.approx(0.708, abs=0.001)
    assert np.allclose(full, at_full_level(sound), atol=1e-5)


@pytest.mark.parametrize("count", [0, 400])
def test_silence_has_no_level(count: int) -> None:
    assert not at_full_level(np.zeros(count, np.float32)).any()
