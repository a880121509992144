"""Measure how the level of speech and the noise around it change what is recognized.

    python -m bench.engine.levels [--clips DIRECTORY] [--unadjusted]

Each clip is cut as the gateway cuts it, and its utterances are decoded. `--unadjusted` gives the detector the sound as
it is, for comparison.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import webrtcvad
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from bench.common.clips import Clip, load_clips
from bench.common.figures import error_rate
from stream.configuration.config import SessionConfig
from stream.engine.model.features import samples_of
from stream.engine.model.whisper import Whisper
from stream.engine.text.speech_check import is_speech
from tests.support.nonspeech import NONSPEECH, nonspeech
from vad import SAMPLE_RATE, FrameClassifier, SegmentAudio, SegmentEnded, Segmenter, segment, split_frames
from vad import make_classifier as adjusted

_LEVELS_DB = (0, -10, -20, -30)
_NOISES = (("clean", 0), ("white", 20), ("white", 10), ("pink", 20), ("pink", 10), ("babble", 20), ("babble", 10))
_NONSPEECH_LEVELS_DB = (0, 20)
_NONSPEECH_SECONDS = 30.0
_TALKERS = 8
_FULL_SCALE = 32768.0

Wave = NDArray[np.float64]


class Unadjusted:
    """WebRTC's detector on the sound as it comes."""

    def __init__(self, aggressiveness: int) -> None:
        self._detector = webrtcvad.Vad(aggressiveness)

    def classify(self, frames: bytes) -> bytes:
        return bytes(self._detector.is_speech(frame, SAMPLE_RATE) for frame in split_frames(frames))


def utterances(pcm: bytes, classifier: FrameClassifier) -> Iterator[bytes]:
    """Cut as the gateway does."""
    segmenter, audio = Segmenter(SessionConfig().segmenter_options), b""
    for event in (*segment(segmenter, classifier, pcm), *segmenter.cut()):
        match event:
            case SegmentAudio(pcm=part):
                audio += part
            case SegmentEnded():
                yield audio
                audio = b""


def noise(kind: str, clips: Sequence[Clip], number: int) -> Wave:
    """Return noise of RMS 1 for a clip; babble is made of the others."""
    random = np.random.default_rng(100 + number)
    count = len(clips[number].pcm) // 2
    if kind == "babble":
        others = [samples_of(clip.pcm) for index, clip in enumerate(clips) if index != number]
        wave = np.zeros(count)
        for _ in range(_TALKERS):
            order = random.permutation(len(others))
            voices = np.concatenate([others[n] / np.sqrt(np.mean(others[n] ** 2)) for n in order])
            wave += np.roll(np.resize(voices, max(count, len(voices))), random.integers(0, len(voices)))[:count]
    else:
        wave = random.standard_normal(count)
        if kind == "pink":
            spectrum = np.fft.rfft(wave) / np.sqrt(np.maximum(np.fft.rfftfreq(count, 1 / SAMPLE_RATE), 20))
            wave = np.fft.irfft(spectrum, count)
    return np.asarray(wave / np.sqrt(np.mean(wave**2)))


def at_level(wave: Wave, level_db: float) -> bytes:
    """Write a wave so many dB louder as `int16[n_samples]`, cut off at full scale."""
    samples = np.rint(wave * _FULL_SCALE * 10 ** (level_db / 20))
    pcm: bytes = np.clip(samples, -_FULL_SCALE, _FULL_SCALE - 1).astype("<i2").tobytes()
    return pcm


def recognized(whisper: Whisper, pcm: bytes, classifier: FrameClassifier) -> str:
    texts = []
    for utterance in utterances(pcm, classifier):
        decoding = whisper.decode(samples_of(utterance), align=True)
        texts += [decoding.best.text] if is_speech(samples_of(utterance), decoding) else []
    return " ".join(texts)


def make_detector(*, is_adjusted: bool) -> FrameClassifier:
    config = SessionConfig()
    aggressiveness = config.vad_aggressiveness
    return adjusted(config.vad, aggressiveness) if is_adjusted else Unadjusted(aggressiveness)


def measure(whisper: Whisper, clips: Sequence[Clip], *, is_adjusted: bool) -> Iterator[Table]:
    """Yield the table of word error rates, and that of words in sounds without speech."""
    table = Table(title=f"word error rate in percent, {len(clips)} clips")
    for column in ("noise", *(f"{level} dB" for level in _LEVELS_DB)):
        table.add_column(column)
    for kind, below_db in _NOISES:
        row = []
        for level in _LEVELS_DB:
            pairs = []
            for number, clip in enumerate(clips):
                wave = samples_of(clip.pcm).astype(np.float64)
                if kind != "clean":
                    wave += noise(kind, clips, number) * np.sqrt(np.mean(wave**2)) * 10 ** (-below_db / 20)
                detector = make_detector(is_adjusted=is_adjusted)
                pairs.append((clip.reference, recognized(whisper, at_level(wave, level), detector)))
            row.append(f"{error_rate(pairs):.2f}")
        table.add_row(kind if kind == "clean" else f"{kind} {below_db} dB below", *row)
    yield table
    table = Table(title=f"words in {_NONSPEECH_SECONDS:.0f} s without speech")
    for column in ("sound", *(f"{level} dB" for level in _NONSPEECH_LEVELS_DB)):
        table.add_column(column)
    for name in NONSPEECH:
        wave = nonspeech(name, _NONSPEECH_SECONDS).astype(np.float64)
        texts = [
            recognized(whisper, at_level(wave, level), make_detector(is_adjusted=is_adjusted))
            for level in _NONSPEECH_LEVELS_DB
        ]
        table.add_row(name, *(str(len(text.split())) for text in texts))
    yield table


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine.levels", description=__doc__)
    parser.add_argument("--clips", type=Path, default=Path("tests/clips"), help="a directory with a manifest.tsv")
    parser.add_argument("--unadjusted", action="store_true", help="give the detector the sound as it is")
    options = parser.parse_args()
    for table in measure(Whisper(None, workers=1), load_clips(options.clips), is_adjusted=not options.unadjusted):
        Console(width=110).print(table)


if __name__ == "__main__":
    main()
