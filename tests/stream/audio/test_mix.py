"""Whatever is on the channels, their mix has it, at its level and without jumps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream.audio.mix import Mixer
from tests.support.sounds import clip_pcm
from tests.support.tiers import examples

Wave = NDArray[np.float64]
RATE = 16_000
BLOCK = RATE // 100
STEREO = ("FL", "FR")
SURROUND = ("FL", "FR", "FC", "LFE", "BL", "BR")


def talk(name: str) -> Wave:
    """Three seconds of a clip, all of one level."""
    wave = np.frombuffer(clip_pcm(name), "<i2").astype(np.float64)[: 3 * RATE]
    return np.asarray(np.rint(wave * 2500 / np.sqrt(np.mean(wave**2))))


VOICE, OTHER = talk("weather.wav"), talk("library.wav")
SILENCE = np.zeros(len(VOICE))


def noise(level: float, seed: int = 1) -> Wave:
    return np.rint(np.random.default_rng(seed).standard_normal(len(VOICE)) * level)


def mixed(*channels: Wave, places: tuple[str, ...] = STEREO, cuts: tuple[int, ...] = (BLOCK,)) -> Wave:
    """Mix in pieces of so many frames in turn."""
    mixer = Mixer(places, BLOCK, RATE)
    frames = np.stack(channels, axis=1).astype(np.float32)
    parts, start, number = [], 0, 0
    while start < len(frames):
        size = cuts[number % len(cuts)]
        parts.append(mixer.mix(frames[start : start + size])[:, 0])
        start, number = start + size, number + 1
    return np.concatenate(parts).astype(np.float64)


def level_db(wave: Wave) -> float:
    return float(10 * np.log10(np.mean(wave**2) + 1e-12))


def voice_in(wave: Wave, voice: Wave = VOICE) -> float:
    """How much of a wave is the voice: 1.0 for all of it, whatever its sign."""
    return abs(float(np.corrcoef(wave, voice)[0, 1]))


@pytest.mark.parametrize(
    "channels",
    [(VOICE, VOICE), (VOICE, SILENCE), (SILENCE, VOICE), (VOICE, -VOICE), (-VOICE, SILENCE)],
    ids=["the same", "left", "right", "opposed", "inverted left"],
)
def test_one_voice_comes_out_as_it_is(channels: tuple[Wave, Wave]) -> None:
    out = mixed(*channels)
    assert np.array_equal(np.abs(out), np.abs(VOICE))
    assert voice_in(out) == pytest.approx(1.0)


def test_a_weak_opposed_copy_takes_nothing_away() -> None:
    out = mixed(VOICE, np.rint(-0.5 * VOICE))
    assert level_db(out) == pytest.approx(level_db(VOICE), abs=0.5)


def test_sound_that_turns_from_equal_to_opposed_is_lost_for_an_instant_only() -> None:
    turned = VOICE.copy()
    turned[RATE:] *= -1
    out = mixed(VOICE, turned)
    lost = [n for n in range(0, len(out), BLOCK) if level_db(out[n : n + BLOCK]) < level_db(VOICE[n : n + BLOCK]) - 6]
    assert len(lost) * BLOCK < 0.5 * RATE


def test_noise_on_the_other_channel_leaves_the_voice_at_its_level() -> None:
    out = mixed(VOICE, noise(60))
    assert voice_in(out) > 0.98
    assert level_db(out) == pytest.approx(level_db(VOICE), abs=0.5)


def test_two_voices_at_once_are_both_there() -> None:
    out = mixed(VOICE, OTHER)
    assert min(voice_in(out), voice_in(out, OTHER)) > 0.5


def test_a_quiet_talker_is_heard_at_once_after_a_loud_one() -> None:
    loud = np.concatenate([VOICE, SILENCE])
    quiet = np.concatenate([SILENCE, np.rint(0.1 * OTHER)])
    out = mixed(loud, quiet)[len(VOICE) :]
    for start in range(0, len(out), RATE // 5):
        piece = slice(start, start + RATE // 5)
        assert level_db(out[piece]) >= level_db(quiet[len(VOICE) :][piece]) - 3


def test_hum_in_opposite_phase_does_not_turn_the_voice_against_itself() -> None:
    hum = np.rint(6000 * np.sin(2 * np.pi * 50 * np.arange(len(VOICE)) / RATE))
    assert voice_in(mixed(VOICE + hum, VOICE - hum)) > 0.8


def test_a_constant_offset_does_not_hide_a_channel() -> None:
    out = mixed(SILENCE + 9000, VOICE)
    assert level_db(np.diff(out)) == pytest.approx(level_db(np.diff(VOICE)), abs=0.5)


def test_dialogue_in_the_centre_is_not_buried_under_music() -> None:
    music = [noise(800, seed) for seed in range(5)]
    out = mixed(music[0], music[1], VOICE, music[2], music[3], music[4], places=SURROUND)
    assert level_db(out) == pytest.approx(level_db(VOICE), abs=1)
    assert voice_in(out) > 0.97


@pytest.mark.parametrize("place", [place for place in SURROUND if place != "LFE"])
def test_a_voice_in_any_place_has_its_level(place: str) -> None:
    out = mixed(*[VOICE if name == place else SILENCE for name in SURROUND], places=SURROUND)
    assert np.array_equal(out, VOICE)


def test_a_voice_from_the_side_is_heard_beside_a_murmuring_centre() -> None:
    channels = {"FL": VOICE, "FC": noise(20)}
    out = mixed(*[channels.get(name, SILENCE) for name in SURROUND], places=SURROUND)
    assert level_db(out) > level_db(VOICE) - 6


def test_low_effects_are_left_out() -> None:
    channels = {"LFE": noise(9000), "FC": VOICE}
    assert np.array_equal(mixed(*[channels.get(n, SILENCE) for n in SURROUND], places=SURROUND), VOICE)


def test_only_low_effects_are_mixed_all_the_same() -> None:
    assert np.array_equal(mixed(VOICE, places=("LFE",)), VOICE)


@pytest.mark.parametrize("count", [2, 3, 8, 64])
def test_full_scale_is_never_exceeded(count: int) -> None:
    loud = [np.clip(noise(30_000, seed), -32768, 32767) for seed in range(count)]
    assert np.abs(mixed(*loud, places=("",) * count)).max() < 33000


def test_the_coefficients_glide() -> None:
    constant = np.full(len(VOICE), 1000.0)
    # The other channel begins and ends; what is heard of a steady one must not click.
    burst = np.where((np.arange(len(VOICE)) // RATE) == 1, noise(3000), 0)
    out = mixed(constant, burst)
    steady = out[burst == 0]
    assert np.abs(np.diff(steady)).max() < 20


@examples(15)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=5))
def test_the_mix_is_the_same_however_many_blocks_come_at_once(blocks: list[int]) -> None:
    channels = VOICE[: RATE + 7], np.rint(OTHER[: RATE + 7] - 0.3 * VOICE[: RATE + 7])
    cuts = tuple(BLOCK * count for count in blocks)
    assert np.array_equal(mixed(*channels, cuts=cuts), mixed(*channels))


@examples(30)
@given(st.integers(1, 9), st.integers(0, 400), st.integers(0, 1 << 32))
def test_any_sound_gives_finite_samples_of_the_same_length(count: int, length: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    sound = random.integers(-32768, 32768, (length, count)) * random.integers(0, 2, count)
    places = tuple(random.choice(["FL", "FR", "FC", "LFE", "BC", ""], count))
    out = Mixer(places, BLOCK, RATE).mix(sound.astype(np.float32))
    assert out.shape == (length, 1)
    assert np.isfinite(out).all()
