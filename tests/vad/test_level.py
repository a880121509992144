import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.support.places import CLIPS
from tests.support.sounds import clip_pcm
from tests.support.tiers import examples
from vad import (
    FRAME_BYTES,
    FRAME_SAMPLES,
    SAMPLE_RATE,
    Framer,
    SegmentEnded,
    Segmenter,
    SegmenterOptions,
    segment,
    split_frames,
)
from vad.classification import FrameClassifier
from vad.level import LevelAdjuster
from vad.silero import SileroClassifier
from vad.webrtc import WebRtcClassifier

Wave = NDArray[np.float64]
CLIP_NAMES = sorted(path.name for path in CLIPS.glob("*.wav"))
FULL_SCALE = 32768.0
MOST_GAIN = 10 ** (30 / 20)


def wave_of(name: str) -> Wave:
    return np.frombuffer(clip_pcm(name), "<i2").astype(np.float64)


def as_pcm(wave: Wave, gain_db: float = 0.0) -> bytes:
    pcm: bytes = np.clip(np.rint(wave * 10 ** (gain_db / 20)), -32768, 32767).astype("<i2").tobytes()
    return pcm


def noise(seconds: float, level_db: float, *, pink: bool = False) -> Wave:
    """Noise of that RMS in dB of full scale."""
    count = int(seconds * SAMPLE_RATE)
    wave = np.random.default_rng(4).standard_normal(count)
    if pink:
        spectrum = np.fft.rfft(wave) / np.sqrt(np.maximum(np.fft.rfftfreq(count, 1 / SAMPLE_RATE), 20))
        wave = np.fft.irfft(spectrum, count)
    return np.asarray(wave * FULL_SCALE * 10 ** (level_db / 20) / np.sqrt(np.mean(wave**2)))


def adjusted(pcm: bytes) -> list[bytes]:
    adjuster = LevelAdjuster()
    return [adjuster.adjust(frame)[0] for frame in split_frames(Framer().push(pcm))]


def level_db(pcm: bytes) -> float:
    return float(10 * np.log10(np.mean(np.frombuffer(pcm, "<i2").astype(np.float64) ** 2) / FULL_SCALE**2))


def judged(pcm: bytes, classifier: FrameClassifier | None = None) -> list[bool]:
    return [bool(flag) for flag in (classifier or WebRtcClassifier(3)).classify(Framer().push(pcm))]


def segment_seconds(pcm: bytes) -> float:
    """How much of a sound would be sent to the recognizer."""
    segmenter, classifier, silent = Segmenter(SegmenterOptions(hangover_frames=60)), WebRtcClassifier(3), 0
    total = 0
    for frame in split_frames(Framer().push(pcm)):
        for event in segment(segmenter, classifier, frame):
            silent += isinstance(event, SegmentEnded)
        total += segmenter.is_open
    return total / 100


@pytest.mark.parametrize("name", CLIP_NAMES)
@pytest.mark.parametrize("gain_db", [-20, -30])
def test_quiet_speech_is_found_as_loud_speech_is(name: str, gain_db: float) -> None:
    loud = wave_of(name) * (0.03 * FULL_SCALE / np.sqrt(np.mean(wave_of(name) ** 2)))
    expected = judged(as_pcm(loud))
    found = judged(as_pcm(loud, gain_db))
    missed = sum(was and not is_ for was, is_ in zip(expected, found, strict=True))
    assert missed < 0.3 * sum(expected)


@pytest.mark.parametrize("gain_db", [-20, -30])
def test_quiet_speech_is_found_by_the_neural_detector(gain_db: float) -> None:
    loud = wave_of("library.wav")
    expected = judged(as_pcm(loud), SileroClassifier(3))
    assert sum(judged(as_pcm(loud, gain_db), SileroClassifier(3))) > 0.9 * sum(expected)


def test_speech_is_raised_from_its_first_frames() -> None:
    pcm = as_pcm(noise(0.5, -50))
    before, after = pcm[:FRAME_BYTES], adjusted(as_pcm(noise(0.5, -78)) + pcm)
    assert level_db(after[50]) > level_db(before) + 15


@pytest.mark.parametrize("name", CLIP_NAMES)
def test_loud_speech_is_left_as_it_is(name: str) -> None:
    wave = wave_of(name)
    loud = as_pcm(wave * (0.25 * FULL_SCALE / np.abs(wave).max()) * 3)
    pairs = zip(split_frames(Framer().push(loud)), adjusted(loud), strict=True)
    changed = [before != after for before, after in pairs if level_db(before + b"\1\0") > -25]
    assert len(changed) > 20
    # The first frames of it may still be raised, until they have lasted.
    assert sum(changed) <= 15


@pytest.mark.parametrize("level", [-80.0, -70.0, -60.0, -50.0, -45.0])
@pytest.mark.parametrize("pink", [False, True])
def test_room_noise_alone_is_no_speech(level: float, pink: bool) -> None:
    assert segment_seconds(as_pcm(noise(20, level, pink=pink))) == 0


@pytest.mark.parametrize("level", [-65.0, -55.0, -45.0])
def test_noise_that_begins_is_taken_for_speech_for_an_instant_at_most(level: float) -> None:
    sound = np.concatenate([noise(5, -85), noise(15, level)])
    assert segment_seconds(as_pcm(sound)) < 4


@pytest.mark.parametrize("level", [-75.0, -60.0, -45.0])
@pytest.mark.parametrize("seconds", [0.3, 1.0])
def test_noise_that_a_gate_lets_through_is_no_speech(level: float, seconds: float) -> None:
    sound = noise(12, level, pink=True)
    is_shut = np.arange(len(sound)) // int(seconds * SAMPLE_RATE) % 2 == 1
    assert segment_seconds(as_pcm(np.where(is_shut, 0, sound))) == 0


def test_a_steady_tone_is_not_raised() -> None:
    tone = 30 * np.sin(2 * np.pi * 440 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)
    raised = adjusted(as_pcm(tone))[-1]
    assert level_db(raised) < -44


def test_a_quiet_talker_after_a_loud_one_is_found() -> None:
    loud = wave_of("train.wav")
    quiet = wave_of("library.wav") * 0.05
    pause = noise(0.8, -80)
    found = judged(as_pcm(np.concatenate([loud * 2, pause, quiet])))[(len(loud) + len(pause)) // FRAME_SAMPLES :]
    alone = judged(as_pcm(quiet * 20))
    assert sum(found) > 0.7 * sum(alone)


def test_a_click_does_not_lower_the_gain() -> None:
    quiet = noise(2, -75)
    quiet[SAMPLE_RATE : SAMPLE_RATE + 2 * FRAME_SAMPLES] = noise(0.02, -15)
    before, after = adjusted(as_pcm(quiet))[99], adjusted(as_pcm(quiet))[110]
    assert level_db(after) == pytest.approx(level_db(before), abs=1)


def test_the_gain_is_bounded_and_never_wraps() -> None:
    sound = np.concatenate([noise(1, -80), noise(1, -1)])
    raw = list(split_frames(as_pcm(sound)))
    for before, after in zip(raw, adjusted(as_pcm(sound)), strict=True):
        samples, raised = (np.frombuffer(some, "<i2").astype(np.float64) for some in (before, after))
        assert (np.sign(samples) * raised >= np.minimum(np.abs(samples), 32767) - 1).all()
        assert (np.abs(raised) <= MOST_GAIN * np.abs(samples) + 1).all()


def test_digital_silence_stays_silence_and_tells_nothing_of_the_room() -> None:
    silence = bytes(FRAME_BYTES * 300)
    assert b"".join(adjusted(silence)) == silence
    # A codec's silence, then a room: had the silence counted as the noise of it, the room would be raised by 30 dB.
    room = as_pcm(noise(1, -50))
    assert level_db(adjusted(silence + room)[301]) < -43


@examples(30)
@given(st.binary(max_size=40 * FRAME_BYTES))
def test_any_frames_have_the_same_length_and_decide_alone(data: bytes) -> None:
    frames = adjusted(data)
    assert all(len(frame) == FRAME_BYTES for frame in frames)
    assert frames == adjusted(data)


@given(st.lists(st.integers(1, 12), min_size=1, max_size=40))
def test_frames_adjusted_together_are_adjusted_as_one_by_one(sizes: list[int]) -> None:
    pcm = as_pcm(np.concatenate([noise(1, -60), noise(1, -1), noise(1, -35)]))
    frames, adjuster, together, paused = split_frames(pcm), LevelAdjuster(), b"", list[bool]()
    for size in itertools.cycle(sizes):
        if not frames:
            break
        more, more_paused = adjuster.adjust(b"".join(frames[:size]))
        together += more
        paused += more_paused
        del frames[:size]
    assert together == b"".join(adjusted(pcm))
    assert len(paused) == len(split_frames(pcm))
