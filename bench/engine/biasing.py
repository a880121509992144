"""Measure what a bias towards phrases corrects and breaks in the embedded engine, and what it costs.

    python -m bench.engine.biasing [--clips DIRECTORY]

Rare words are the phrases of tests/clips/hard that its sentences hold. The clips of DIRECTORY, by default tests/clips,
have nothing to do with most phrases: a bias must not change their words.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jiwer import process_words
from rich.console import Console
from rich.table import Table

from bench.common.clips import Clip, load_clips
from bench.common.figures import error_rate
from stream.engine.model.features import Samples, samples_of
from stream.engine.model.hypotheses import Decoding
from stream.engine.model.whisper import Whisper
from stream.engine.text.bias import BiasedWhisper
from stream.words import spoken_form
from vad import SAMPLE_RATE

_HARD = Path("tests/clips/hard")
_MANY = 500  # phrases: as many as a call may have
_PARTIAL_STEP_SAMPLES = SAMPLE_RATE * 8 // 10
_MOST_CPU_RATIO = 1.6

Decode = Callable[[Samples], Decoding]


@dataclass(frozen=True, slots=True)
class Run:
    """Clips decoded in one way: their references and texts, and the CPU time of that."""

    references: tuple[str, ...]
    texts: tuple[str, ...]
    cpu_seconds: float

    @property
    def word_error_rate(self) -> float:
        """In percent."""
        return error_rate(list(zip(self.references, self.texts, strict=True)))

    def rare_word_errors(self, phrases: Sequence[str]) -> int:
        """Count the phrases of the references that are not in the texts."""
        return sum(
            _has(reference, phrase) and not _has(text, phrase)
            for reference, text in zip(self.references, self.texts, strict=True)
            for phrase in phrases
        )

    def other_word_errors(self, phrases: Sequence[str]) -> int:
        """Count the words of the references that are in no phrase and were not read; words put in are not counted."""
        return sum(
            _n_missed(reference, text, {word for p in phrases if _has(reference, p) for word in spoken_form(p).split()})
            for reference, text in zip(self.references, self.texts, strict=True)
        )


def run(decode: Decode, clips: Sequence[Clip]) -> Run:
    """Decode clips one after the other."""
    sounds = [samples_of(clip.pcm) for clip in clips]
    began = time.process_time()
    texts = tuple(decode(sound).best.text for sound in sounds)
    return Run(tuple(clip.reference for clip in clips), texts, time.process_time() - began)


def partials_cpu_seconds(decode: Decode, clips: Sequence[Clip]) -> float:
    """Return the CPU time of the partials of clips in real time."""
    sounds = [samples_of(clip.pcm) for clip in clips]
    began = time.process_time()
    for sound in sounds:
        for end in range(_PARTIAL_STEP_SAMPLES, len(sound), _PARTIAL_STEP_SAMPLES):
            decode(sound[:end])
    return time.process_time() - began


def many(phrases: Sequence[str]) -> list[str]:
    """Return the phrases and pairs of them, so many that no call may have more."""
    pairs = [
        f"{first} {second}" for step in range(1, 10) for first, second in zip(phrases, phrases[step:], strict=False)
    ]
    return [*phrases, *pairs][:_MANY]


def measure(whisper: Whisper, phrases: Sequence[str], unrelated: Sequence[Clip]) -> Table:
    """Run everything and put it into a table."""
    hard = load_clips(_HARD)
    biased, broad = BiasedWhisper(whisper, phrases), BiasedWhisper(whisper, many(phrases))
    whisper.decode(samples_of(hard[0].pcm))  # what is done only once is not measured

    def plain_final(samples: Samples) -> Decoding:
        return whisper.decode(samples, align=True)

    def biased_final(samples: Samples) -> Decoding:
        return biased.decode(samples, align=True)

    plain, mended = run(plain_final, hard), run(biased_final, hard)
    unbiased, unharmed = run(plain_final, unrelated), run(biased_final, unrelated)
    partials = partials_cpu_seconds(whisper.decode, hard)
    n_rare = sum(_has(clip.reference, phrase) for clip in hard for phrase in phrases)
    errors = plain.rare_word_errors(phrases)
    table = Table(title=f"{len(hard)} hard clips, {n_rare} rare words; {len(unrelated)} others; {len(phrases)} phrases")
    for column in ("figure", "plain", "biased", "goal"):
        table.add_column(column)
    rows: list[tuple[str, float, float, str]] = [
        ("rare words wrong", errors, mended.rare_word_errors(phrases), f"at most {errors // 2}"),
        ("other words wrong", plain.other_word_errors(phrases), mended.other_word_errors(phrases), "not more"),
        ("word error rate, %", plain.word_error_rate, mended.word_error_rate, ""),
        ("word error rate of the others, %", unbiased.word_error_rate, unharmed.word_error_rate, "not more"),
        ("texts of the others changed", 0, _n_changed(unbiased, unharmed), "0"),
    ]
    for name, before, after, goal in rows:
        table.add_row(name, _written(before), _written(after), goal)
    table.add_section()
    most = f"at most {_MOST_CPU_RATIO} times"
    costs = (
        ("CPU s of the finals, hard clips", plain.cpu_seconds, mended.cpu_seconds, most),
        ("CPU s of the finals, others", unbiased.cpu_seconds, unharmed.cpu_seconds, most),
        ("CPU s of the partials, hard clips", partials, partials_cpu_seconds(biased.decode, hard), ""),
        (f"... with {_MANY} phrases", partials, partials_cpu_seconds(broad.decode, hard), ""),
    )
    for name, before, after, goal in costs:
        table.add_row(name, f"{before:.1f}", f"{after:.1f} ({after / before:.2f} times)", goal)
    return table


def _has(text: str, phrase: str) -> bool:
    return f" {spoken_form(phrase)} " in f" {spoken_form(text)} "


def _n_missed(reference: str, text: str, rare: set[str]) -> int:
    words = spoken_form(reference).split()
    right: set[int] = set()
    for chunk in process_words(" ".join(words), spoken_form(text) or "-").alignments[0]:
        if chunk.type == "equal":
            right |= set(range(chunk.ref_start_idx, chunk.ref_end_idx))
    return sum(word not in rare and index not in right for index, word in enumerate(words))


def _n_changed(before: Run, after: Run) -> int:
    return sum(old != new for old, new in zip(before.texts, after.texts, strict=True))


def _written(figure: float) -> str:
    return str(figure) if isinstance(figure, int) else f"{figure:.2f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine.biasing", description=__doc__)
    parser.add_argument("--clips", type=Path, default=Path("tests/clips"), help="a directory with a manifest.tsv")
    clips = load_clips(parser.parse_args().clips)
    phrases = (_HARD / "phrases.txt").read_text(encoding="utf-8").split("\n")
    Console(width=110).print(measure(Whisper(None, workers=1), [p for p in phrases if p], clips))


if __name__ == "__main__":
    main()
