import hashlib
import subprocess
import sys

import numpy as np
import pytest

from tests.support.places import CLIPS
from tests.support.sounds import SILENT_FRAME, clip_pcm
from vad import SAMPLE_RATE, FrameClassifier, Framer, SegmentEnded, Segmenter, SegmenterOptions, segment, split_frames
from vad.silero import THRESHOLDS, WINDOW_SAMPLES, SileroClassifier, model_bytes

# silero_vad/data/silero_vad_16k_op15.onnx in the wheel of silero-vad 6.2.3, which is where the model comes from.
UPSTREAM_SHA256 = "7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49"
CLIP_NAMES = sorted(path.name for path in CLIPS.glob("*.wav"))


def verdicts(pcm: bytes, classifier: FrameClassifier | None = None) -> list[bool]:
    classifier = classifier or SileroClassifier(3)
    return [bool(flag) for flag in classifier.classify(Framer().push(pcm))]


def as_pcm(samples: np.ndarray) -> bytes:
    pcm: bytes = np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes()
    return pcm


def white_noise(samples: int, level: float) -> np.ndarray:
    return np.random.default_rng(seed=1).standard_normal(samples) * level


def noisy(pcm: bytes, decibels: float) -> bytes:
    """The clip after 1 s and before 1 s of white noise, and under it, so many decibels louder than it."""
    clip = np.frombuffer(pcm, "<i2").astype(np.float64)
    level = np.sqrt(np.mean(clip**2)) / 10 ** (decibels / 20)
    silence = np.zeros(SAMPLE_RATE)
    samples = np.concatenate((silence, clip, silence))
    return as_pcm(samples + white_noise(len(samples), level))


@pytest.mark.parametrize("name", CLIP_NAMES)
def test_speech_is_found(name: str) -> None:
    pcm = clip_pcm(name)
    found = verdicts(pcm)
    longest_run = max(map(len, "".join("x" if speech else "." for speech in found).split(".")))
    assert longest_run >= 20
    assert sum(found) * 320 > len(pcm) * 0.5


@pytest.mark.parametrize("aggressiveness", range(4))
def test_what_is_not_speech_is_rejected(aggressiveness: int) -> None:
    seconds = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    hum = sum(3000 * np.sin(2 * np.pi * 50 * harmonic * seconds) / harmonic for harmonic in range(1, 9))
    sounds = {
        "silence": np.zeros(len(seconds)),
        "faint noise": white_noise(len(seconds), 30),
        "loud noise": white_noise(len(seconds), 6000),
        "mains hum": np.asarray(hum),
        "tone": 8000 * np.sin(2 * np.pi * 440 * seconds),
    }
    share = {name: np.mean(verdicts(as_pcm(sound), SileroClassifier(aggressiveness))) for name, sound in sounds.items()}
    assert {name: value for name, value in share.items() if value > 0.05} == {}


def segment_ends(pcm: bytes) -> list[SegmentEnded]:
    segmenter = Segmenter(SegmenterOptions(hangover_frames=60))
    return [event for event in segment(segmenter, SileroClassifier(3), pcm) if isinstance(event, SegmentEnded)]


@pytest.mark.parametrize("name", CLIP_NAMES)
def test_under_noise_a_sentence_is_one_utterance(name: str) -> None:
    clip = clip_pcm(name)
    (end,) = segment_ends(noisy(clip, decibels=10))
    # The clips end with up to 0.3 s of silence; the last window may reach 30 ms past the speech.
    clip_end = SAMPLE_RATE + len(clip) // 2
    assert clip_end - 0.5 * SAMPLE_RATE <= end.speech_end <= clip_end + 0.03 * SAMPLE_RATE


@pytest.mark.parametrize("name", CLIP_NAMES)
def test_noise_as_loud_as_the_speech_hides_it_not_nor_is_taken_for_it(name: str) -> None:
    clip = clip_pcm(name)
    ends = segment_ends(noisy(clip, decibels=0))
    assert ends
    clip_end = SAMPLE_RATE + len(clip) // 2
    assert all(SAMPLE_RATE < end.speech_end <= clip_end + 0.1 * SAMPLE_RATE for end in ends)


def test_the_same_bytes_get_the_same_verdicts() -> None:
    pcm = noisy(clip_pcm("train.wav"), decibels=5)
    first, second = SileroClassifier(3), SileroClassifier(3)
    assert verdicts(pcm, first) == verdicts(pcm, second)
    assert first.probability == second.probability


def test_two_classifiers_do_not_disturb_each_other() -> None:
    one, other = clip_pcm("quick.wav"), clip_pcm("harbour.wav")
    first, second = SileroClassifier(3), SileroClassifier(3)
    pairs = [
        (bool(first.classify(left)[0]), bool(second.classify(right)[0]))
        for left, right in zip(split_frames(Framer().push(one)), split_frames(Framer().push(other)), strict=False)
    ]
    assert [left for left, _ in pairs] == verdicts(one)[: len(pairs)]
    assert [right for _, right in pairs] == verdicts(other)[: len(pairs)]


def test_a_frame_is_judged_by_the_latest_complete_window() -> None:
    pcm = clip_pcm("quick.wav")[SAMPLE_RATE:]
    classifier = SileroClassifier(3)
    probabilities = []
    for frame in split_frames(Framer().push(pcm)):
        classifier.classify(frame)
        probabilities.append(classifier.probability)
    assert probabilities[:3] == [0.0, 0.0, 0.0]
    changes = {i for i in range(1, len(probabilities)) if probabilities[i] != probabilities[i - 1]}
    windows = {-(-WINDOW_SAMPLES * number // 160) - 1 for number in range(1, len(pcm) // 2 // WINDOW_SAMPLES + 1)}
    assert changes <= windows  # two neighbours may be judged alike to the last bit
    assert len(changes) > len(windows) * 0.9


def test_a_higher_aggressiveness_takes_less_for_speech() -> None:
    pcm = noisy(clip_pcm("library.wav"), decibels=-5)
    found = [sum(verdicts(pcm, SileroClassifier(aggressiveness))) for aggressiveness in range(len(THRESHOLDS))]
    assert found == sorted(found, reverse=True)
    assert found[0] > found[-1] > 0


@pytest.mark.parametrize("aggressiveness", [-1, 4])
def test_an_unknown_aggressiveness_is_refused_with_the_allowed_ones(aggressiveness: int) -> None:
    with pytest.raises(ValueError, match=f"^aggressiveness is {aggressiveness}; it must be between 0 and 3$"):
        SileroClassifier(aggressiveness)


def test_the_model_is_the_one_that_silero_published() -> None:
    assert hashlib.sha256(model_bytes()).hexdigest() == UPSTREAM_SHA256


def test_the_runtime_is_loaded_by_the_first_classifier_and_not_by_the_import() -> None:
    script = (
        "import sys, vad.silero; before = 'onnxruntime' in sys.modules;"
        "vad.silero.SileroClassifier(3).classify(bytes(320));"
        "print(before, 'onnxruntime' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("False True False\n", "")


def test_silence_alone_stays_silence() -> None:
    classifier = SileroClassifier(0)
    assert not any(classifier.classify(SILENT_FRAME * 500))
