"""Measure the texts of the embedded engine: word errors, words without speech, confidences and times.

    python -m bench.engine.quality [--clips DIRECTORY]

Word times are held against the edges of the clips, and against flite's times of its own speech if it is installed.
"""

import argparse
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jiwer import process_words
from rich.console import Console
from rich.table import Table

from bench.common.clips import Clip, in_noise, load_clips
from bench.common.figures import error_rate
from bench.gateway.words import utterances
from stream.engine.model.features import Samples, samples_of
from stream.engine.model.hypotheses import DecodedWord
from stream.engine.model.whisper import Whisper
from stream.engine.text.speech_check import is_speech
from tests.support.nonspeech import NONSPEECH, nonspeech, pcm_of
from vad import SAMPLE_RATE

_NOISES_DB = (None, 15, 10, 5)  # of white noise below the clip; None is none
_SEED = 7
_NONSPEECH_SECONDS = 60.0
_PIECE_SECONDS = (1.3, 5.0, 24.0)  # beside the utterances that the detector cuts
_BINS = 10
_VOICES = ("slt", "rms", "awb")
_SENTENCES = (
    "The weather is nice, and we walk home along the river.",
    "Please call the station before seven, because the last train leaves early.",
    "Turn left at the bridge, go straight for a mile, and stop at the church.",
)


@dataclass(frozen=True, slots=True)
class DecodedClip:
    """One decode of a clip; `words` are empty if no speech was found."""

    reference: str
    words: tuple[DecodedWord, ...]

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)

    def judged(self) -> Iterator[tuple[float, bool]]:
        """The confidence of each word and whether it is right."""
        words = [(spoken, word.confidence) for word in self.words if (spoken := _spoken(word.text))]
        right = [False] * len(words)
        reference = " ".join(filter(None, map(_spoken, self.reference.split())))
        for chunk in process_words(reference, " ".join(word for word, _ in words)).alignments[0]:
            if chunk.type == "equal":
                right[chunk.hyp_start_idx : chunk.hyp_end_idx] = [True] * (chunk.hyp_end_idx - chunk.hyp_start_idx)
        return zip((confidence for _, confidence in words), right, strict=True)


def decode_clip(whisper: Whisper, clip: Clip, noise_db: int | None) -> DecodedClip:
    """Decode a clip as a final, in white noise so far below it."""
    samples = samples_of(clip.pcm)
    if noise_db is not None:
        samples = in_noise(samples, noise_db, _SEED)
    return DecodedClip(clip.reference, _words(whisper, samples))


def words_in_nothing(whisper: Whisper, name: str) -> int:
    """Count the words in a minute of a sound without speech: of its utterances, and of pieces of it."""
    sound = nonspeech(name, _NONSPEECH_SECONDS)
    pieces = [samples_of(pcm) for pcm in utterances(pcm_of(sound))]
    pieces += [sound[: int(seconds * SAMPLE_RATE)] for seconds in _PIECE_SECONDS]
    return sum(len(_words(whisper, piece)) for piece in pieces)


def ranking(judged: Sequence[tuple[float, bool]]) -> float:
    """Area under the ROC curve: how often a right word is surer than a wrong one, 0.5 is chance."""
    right = np.array([confidence for confidence, is_right in judged if is_right])
    wrong = np.array([confidence for confidence, is_right in judged if not is_right])
    if not len(right) or not len(wrong):
        return float("nan")
    return float(((right[:, None] > wrong).mean() + (right[:, None] >= wrong).mean()) / 2)


def calibration_error(judged: Sequence[tuple[float, bool]]) -> float:
    """Mean distance between what ten bins of confidence promise and how many of their words are right."""
    confidences, rights = np.array(judged, dtype=np.float64).T
    bins = np.minimum((confidences * _BINS).astype(int), _BINS - 1)
    gaps = [abs((confidences - rights)[bins == number].sum()) for number in range(_BINS)]
    return float(sum(gaps) / len(judged))


def synthetic_time_errors(whisper: Whisper) -> list[tuple[float, float]]:
    """Seconds by which words begin and end late, for sentences whose times flite reports."""
    with tempfile.TemporaryDirectory() as directory:
        wave = Path(directory) / "output.wav"
        errors: list[tuple[float, float]] = []
        for voice in _VOICES:
            for sentence in _SENTENCES:
                spans = _spans(voice, sentence, wave)
                pcm = wave.read_bytes()[44:]
                words = _words(whisper, samples_of(pcm))
                if [_spoken(word.text) for word in words] == [_spoken(word) for word in sentence.split()]:
                    errors += _late(words, spans)
    return errors


def edge_time_errors(whisper: Whisper, clips: Sequence[Clip]) -> list[tuple[float, float]]:
    """Seconds by which the first word of each clip begins late and the last ends late; silence was put around it."""
    errors = []
    for clip in clips:
        words = _words(whisper, samples_of(bytes(2 * SAMPLE_RATE) + clip.pcm + bytes(2 * SAMPLE_RATE)))
        start, end = clip.speech_span()
        errors += (
            [(words[0].start_samples / SAMPLE_RATE - 1 - start, words[-1].end_samples / SAMPLE_RATE - 1 - end)]
            if words
            else []
        )
    return errors


def measure(whisper: Whisper, clips: Sequence[Clip]) -> Table:
    """Run everything and put it into a table."""
    table = Table(title=f"{len(clips)} clips, {sum(clip.seconds for clip in clips):.0f} s of speech")
    for column in ("figure", "measured", "goal"):
        table.add_column(column)
    judged: list[tuple[float, bool]] = []
    for noise_db, goal in zip(_NOISES_DB, ("at most 5 %", "at most 8 %", "", ""), strict=True):
        decoded = [decode_clip(whisper, clip, noise_db) for clip in clips]
        judged += [pair for one in decoded for pair in one.judged()]
        where = "clean" if noise_db is None else f"white noise {noise_db} dB below"
        table.add_row(
            f"word error rate, {where}", f"{error_rate([(h.reference, h.text) for h in decoded]):.2f} %", goal
        )
    table.add_row("word confidence, area under the ROC curve", f"{ranking(judged):.3f}", "at least 0.8")
    table.add_row("word confidence, expected calibration error", f"{calibration_error(judged):.3f}", "at most 0.1")
    edges = edge_time_errors(whisper, clips)
    _add_times(table, "edges of the clips", edges)
    if shutil.which("flite"):
        _add_times(table, "flite", synthetic_time_errors(whisper))
    table.add_section()
    for name in NONSPEECH:
        table.add_row(f"words in {_NONSPEECH_SECONDS:.0f} s of {name}", str(words_in_nothing(whisper, name)), "0")
    return table


def _words(whisper: Whisper, samples: Samples) -> tuple[DecodedWord, ...]:
    decoding = whisper.decode(samples, align=True)
    return decoding.best.words if is_speech(samples, decoding) else ()


def _spoken(word: str) -> str:
    return "".join(letter for letter in word.casefold() if letter.isalnum())


def _late(words: Sequence[DecodedWord], spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    times = [(word.start_samples / SAMPLE_RATE, word.end_samples / SAMPLE_RATE) for word in words]
    return [(time[0] - span[0], time[1] - span[1]) for time, span in zip(times, spans, strict=True)]


def _spans(voice: str, sentence: str, wave: Path) -> list[tuple[float, float]]:
    """Synthesize a sentence and return the seconds at which its words begin and end."""
    phones, start = [], 0.0
    for name, end in _phones(voice, sentence, wave):
        phones += [(start, end)] if name != "pau" else []
        start = end
    spans, first = [], 0
    for word in sentence.split():
        last = first + sum(name != "pau" for name, _ in _phones(voice, word, wave.with_name("word.wav")))
        spans.append((phones[first][0], phones[last - 1][1]))
        first = last
    if first != len(phones):
        raise SystemExit(f"flite says {sentence!r} with other phones than its words")
    return spans


def _phones(voice: str, text: str, wave: Path) -> list[tuple[str, float]]:
    """Synthesize a text and return its phones with the second at which each ends."""
    command = ["flite", "-voice", voice, "-psdur", "-t", text, "-o", str(wave)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return [(name, float(end)) for name, _, end in (phone.rpartition(":") for phone in output)]


def _add_times(table: Table, source: str, errors: list[tuple[float, float]]) -> None:
    for what, late in zip(("begins", "ends"), np.array(errors).T, strict=True):
        figure = f"{1000 * np.mean(late):+.0f} ms, {1000 * np.mean(np.abs(late)):.0f} ms without sign"
        table.add_row(f"a word {what} late, mean, {source}", figure, "within 80 ms")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine.quality", description=__doc__)
    parser.add_argument("--clips", type=Path, default=Path("tests/clips"), help="a directory with a manifest.tsv")
    clips = load_clips(parser.parse_args().clips)
    Console(width=110).print(measure(Whisper(None, workers=1), clips))


if __name__ == "__main__":
    main()
