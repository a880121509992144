"""Compare models and pairs of models: word errors, when the first word is shown, what changes, and what it costs.

    python -m bench.engine.models bundled DIRECTORY bundled+DIRECTORY [--clips DIRECTORY]

Each clip is one utterance that comes at the speed of speech, on the clock of the audio: a decode takes its processor
time on one core, and the next one waits for it. `--clips` may be given several times.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from riva.client.proto import riva_asr_pb2 as asr

from bench.common.clips import Clip, in_noise, load_clips
from bench.common.figures import Flicker, error_rate, percentile
from stream.engine.audio_options import audio_options
from stream.engine.calls import CallModel
from stream.engine.model.features import samples_of
from stream.engine.model.hypotheses import Decoding
from stream.engine.model.models import Models, load_models
from stream.engine.model.protocols import AnyModel
from stream.engine.options import CallOptions
from stream.engine.scheduling.load_control import LoadControl
from stream.engine.scheduling.work import DecodeRequest, Work
from vad import FRAME_BYTES, FRAME_SAMPLES, SAMPLE_RATE, STRICTEST, SegmenterOptions, WebRtcClassifier

_NOISE_DB, _SEED = 10, 7
_LANGUAGE = "en"
# The pre-roll and the pause that the gateway sends along.
_BEFORE_SECONDS, _AFTER_SECONDS = 0.3, 0.6


@dataclass(kw_only=True)
class Figures:
    """What was measured of one model with one kind of clips."""

    texts: list[tuple[str, str]] = field(default_factory=list)
    first_word_seconds: list[float] = field(default_factory=list)
    final_seconds: list[float] = field(default_factory=list)
    decode_seconds: float = 0.0
    audio_seconds: float = 0.0
    flicker: Flicker = field(default_factory=Flicker)


def call_of(model: AnyModel) -> CallModel:
    """Return a plain call that finds its endpoints itself."""
    language = model.match_language(_LANGUAGE)
    if language is None:
        raise SystemExit(f"{model.name} serves no English, which the clips are in")
    options = CallOptions(
        language_code=_LANGUAGE,
        audio=audio_options(asr.RecognitionConfig()),
        alternatives=1,
        word_times=True,
        segmenter=SegmenterOptions(hangover_frames=10_000),
    )
    return CallModel(model, language, options)


class Follower:
    """One clip that comes at the speed of speech, and what is decoded of it."""

    def __init__(self, model: AnyModel, clip: Clip, number: int, figures: Figures) -> None:
        self._call = call_of(model)
        self._utterance = self._call.open_utterance(0)
        self._clip = clip
        self._number = number
        self._figures = figures
        self._onset = _BEFORE_SECONDS + clip.speech_span()[0]
        self._early: Decoding | None = None
        self._has_text = False

    def run(self) -> None:
        """Add the clip frame by frame, decode when a decode is due and the core is free, and settle it."""
        pcm = surrounded(self._clip.pcm)
        intervals = LoadControl(1).intervals(1)
        is_free_at = 0.0
        for index, is_speech in enumerate(WebRtcClassifier(STRICTEST).classify(pcm)):
            frame = pcm[index * FRAME_BYTES : (index + 1) * FRAME_BYTES]
            self._utterance.append(frame, bytes([is_speech]))
            now = (index + 1) * FRAME_SAMPLES / SAMPLE_RATE
            work = self._utterance.wants(intervals)
            if work is not None and now >= is_free_at:
                is_free_at = self._show(work, now)
        self._settle()

    def _show(self, work: Work, now: float) -> float:
        request = self._utterance.begin(work)
        decoding, seconds = self._decode(request)
        self._early = decoding if work is Work.EARLY_FINAL else self._early
        partial = self._utterance.update(request, decoding)
        text = partial.stable + partial.tail
        self._figures.flicker.show(self._number, text.split())
        self._utterance.note_sent()
        if text and not self._has_text:
            self._figures.first_word_seconds.append(now + seconds - self._onset)
            self._has_text = True
        return now + seconds

    def _settle(self) -> None:
        self._utterance.complete()
        decoding, seconds = self._early, 0.0
        holds = self._utterance.early_final_holds
        if decoding is None or not (holds and self._utterance.keeps_settled_words(decoding)):
            decoding, seconds = self._decode(self._utterance.begin(Work.FINAL))
        figures, text = self._figures, decoding.best.text
        figures.final_seconds.append(seconds)
        figures.audio_seconds += self._clip.seconds
        figures.flicker.show(self._number, text.split())
        figures.texts.append((self._clip.reference, text))

    def _decode(self, request: DecodeRequest) -> tuple[Decoding, float]:
        began = time.process_time()
        decoding = self._call.decoder.decode(request)
        seconds = time.process_time() - began
        self._figures.decode_seconds += seconds
        return decoding, seconds


def surrounded(pcm: bytes) -> bytes:
    """Return a clip between the silence that the gateway sends along, in whole frames."""
    before, after = (bytes(2 * round(seconds * SAMPLE_RATE)) for seconds in (_BEFORE_SECONDS, _AFTER_SECONDS))
    sound = before + pcm + after
    return sound[: len(sound) // FRAME_BYTES * FRAME_BYTES]


def noisy(clip: Clip) -> Clip:
    """Return a clip in white noise."""
    samples = in_noise(samples_of(clip.pcm), _NOISE_DB, _SEED)
    return replace(clip, pcm=(np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes())


def measure(models: Models, collections: Sequence[tuple[str, Sequence[Clip]]]) -> Table:
    """Measure every model with every collection of clips."""
    table = Table(title="one talker, one core")
    for column in ("model", "clips", "WER %", "first word s", "final s, p50 p95", "CPU s a second", "changed %"):
        table.add_column(column)
    for model in models:
        for name, clips in collections:
            figures = Figures()
            for number, clip in enumerate(clips):
                Follower(model, clip, number, figures).run()
            finals = figures.final_seconds
            table.add_row(
                model.name,
                f"{name}, {figures.audio_seconds:.0f} s",
                f"{error_rate(figures.texts):.2f}",
                f"{percentile(figures.first_word_seconds, 50):.2f}",
                f"{percentile(finals, 50):.3f} {percentile(finals, 95):.3f}",
                f"{figures.decode_seconds / figures.audio_seconds:.3f}",
                f"{100 * figures.flicker.changed / max(1, figures.flicker.words):.1f}",
            )
    return table


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine.models", description=__doc__)
    parser.add_argument("models", nargs="+", metavar="MODEL", help="as NIYOSHA_MODEL names it")
    parser.add_argument("--clips", type=Path, action="append", help="a directory with a manifest.tsv")
    options = parser.parse_args()
    collections: list[tuple[str, Sequence[Clip]]] = []
    for directory in options.clips or [Path("tests/clips")]:
        clips = load_clips(directory)
        collections += [
            (directory.name, clips),
            (f"{directory.name}, noise {_NOISE_DB} dB below", [*map(noisy, clips)]),
        ]
    Console(width=120).print(measure(load_models(options.models, 1), collections))


if __name__ == "__main__":
    main()
