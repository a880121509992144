import itertools

import numpy as np
import pytest

from stream.engine.model.features import samples_of
from stream.engine.text.tones import is_clear_tone, is_tone
from tests.support.nonspeech import Sound, nonspeech, signal_tone
from tests.support.sounds import clip_pcm, clip_texts
from vad import SAMPLE_RATE

_FREQUENCIES = ((350,), (400,), (425,), (450,), (500,), (620,), (350, 440), (400, 450), (440, 480), (480, 620))
_CADENCES = ((1.0, 4.0), (0.4, 0.2), (0.5, 0.5), (0.25, 0.25), (0.1, 0.1), (9.0, 0.0))


@pytest.mark.parametrize("hertz", _FREQUENCIES)
@pytest.mark.parametrize("modulation_hertz", [0.0, 17.0, 25.0])
def test_telephone_tones_of_every_cadence_are_tones(hertz: tuple[float, ...], modulation_hertz: float) -> None:
    for on, off in _CADENCES:
        tone = signal_tone(*hertz, on_seconds=on, off_seconds=off, seconds=2.0, modulation_hertz=modulation_hertz)
        assert is_tone(tone), (on, off)
        assert is_tone(in_noise(tone, level_db=20)), (on, off)
        assert is_tone(narrow(tone)), (on, off)


@pytest.mark.parametrize("hertz", [*_FREQUENCIES, (400, 425, 450)])
def test_clear_tones_of_every_cadence_need_no_decoder(hertz: tuple[float, ...]) -> None:
    for on, off in _CADENCES:
        tone = signal_tone(*hertz, on_seconds=on, off_seconds=off, seconds=2.0)
        assert is_clear_tone(tone), (on, off)
        assert is_clear_tone(narrow(tone)), (on, off)


def test_a_single_beep_is_a_clear_tone() -> None:
    beep = signal_tone(400, on_seconds=0.1, off_seconds=1.0, seconds=0.8)
    assert is_clear_tone(beep)


@pytest.mark.parametrize("gap_seconds", [0.0, 0.3])
def test_speech_after_a_tone_is_no_tone(gap_seconds: float) -> None:
    tone, speech = signal_tone(440, 480, on_seconds=2, off_seconds=0, seconds=2), samples_of(clip_pcm("yes.wav"))
    for level_db in (0, -10):
        level = np.abs(tone).max() / np.abs(speech).max() * 10 ** (level_db / 20)
        pause = np.zeros(int(gap_seconds * SAMPLE_RATE))
        assert not is_clear_tone(np.concatenate([tone, pause, speech * level]).astype(np.float32))


def test_speech_and_silence_are_no_clear_tones() -> None:
    assert not any(is_clear_tone(samples_of(clip_pcm(name))) for name in clip_texts())
    assert not is_clear_tone(np.zeros(0, dtype=np.float32))
    assert not is_clear_tone(nonspeech("silence", 2.0))


@pytest.mark.parametrize("name", sorted(clip_texts()))
def test_no_piece_of_speech_is_a_tone(name: str) -> None:
    speech = samples_of(clip_pcm(name))
    for start, length in itertools.product(range(0, len(speech), SAMPLE_RATE // 4), (0.6, 0.8, 1.3, 3.0)):
        piece = speech[start : start + int(length * SAMPLE_RATE)]
        if loudness(piece) > loudness(speech) / 4:
            assert not is_tone(piece), start / SAMPLE_RATE


@pytest.mark.parametrize("name", ["silence", "white noise", "pink noise"])
def test_noise_and_silence_are_no_tones(name: str) -> None:
    assert not is_tone(nonspeech(name, 2.0))


def test_too_little_sound_is_judged_too() -> None:
    assert not is_tone(np.zeros(0, dtype=np.float32))
    assert not is_tone(np.zeros(10, dtype=np.float32))


def loudness(sound: Sound) -> float:
    return float(np.sqrt(np.mean(np.square(sound))))


def in_noise(sound: Sound, *, level_db: float) -> Sound:
    noise = np.random.default_rng(3).standard_normal(len(sound))
    return (sound + loudness(sound) * 10 ** (-level_db / 20) * noise).astype(np.float32)


def narrow(sound: Sound) -> Sound:
    """As sent over a telephone: 8 kHz, eight bits a sample."""
    coarse = np.round(sound[::2] * 128) / 128
    return np.interp(np.arange(len(sound)) / 2, np.arange(len(coarse)), coarse).astype(np.float32)
