"""Measure the closed vocabularies of the embedded engine: entries found, other words rejected, and CPU time.

python -m bench.engine.vocabularies
"""

import csv
import math
import time
import wave
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.common.clips import in_noise
from stream.engine.model.features import Samples, samples_of
from stream.engine.model.hypotheses import Hypothesis
from stream.engine.model.whisper import Whisper
from stream.engine.text.candidates import Candidates
from stream.vocabulary.vocabularies import vocabulary

_CLIPS = Path(__file__).parents[2] / "tests" / "clips" / "closed"
_NOISES_DB = (None, 20, 10)  # of white noise below the clip; None is none
_GOAL = 0.95
_SURE = 0.3
_CPU_MS = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryClip:
    """One clip of an entry; `expected` are the entries that are right, `number` is the seed of its noise."""

    number: int
    samples: Samples
    text: str
    name: str
    expected: tuple[str, ...]

    def in_noise(self, noise_db: int | None) -> Samples:
        """Return the samples in white noise so far below them."""
        if noise_db is None:
            return self.samples
        return in_noise(self.samples, noise_db, self.number)


def load_entry_clips() -> Iterator[EntryClip]:
    """Read the manifest of the closed vocabularies' clips."""
    with (_CLIPS / "manifest.tsv").open(encoding="utf-8") as manifest:
        for number, row in enumerate(csv.DictReader(manifest, delimiter="\t")):
            with wave.open(str(_CLIPS / row["file"])) as recording:
                samples = samples_of(recording.readframes(recording.getnframes()))
            yield EntryClip(
                number=number,
                samples=samples,
                text=row["text"],
                name=row["vocabulary"],
                expected=tuple(row["expected"].split(",")),
            )


def main() -> None:
    """Print a line for each vocabulary."""
    whisper = Whisper(None, 1)
    clips = list(load_entry_clips())
    names = list(dict.fromkeys(clip.name for clip in clips))
    lists = {name: Candidates(whisper, vocabulary(name, "en-US")) for name in names}
    right: dict[tuple[str, int | None], list[bool]] = defaultdict(list)
    others: dict[str, list[float]] = {name: [] for name in names}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for clip in clips:
        lists[clip.name].recognize(clip.samples)  # what is kept between calls
        for noise_db in _NOISES_DB:
            samples = clip.in_noise(noise_db)
            start = time.process_time()
            best = _best(lists[clip.name], samples)
            seconds[clip.name].append(time.process_time() - start)
            right[clip.name, noise_db].append(best.text in clip.expected and best.confidence >= _SURE)
        for name in names:
            if not _is_entry(clip.text, name):
                others[name].append(_best(lists[name], clip.samples).confidence)
    table = Table(title="closed vocabularies, flite's speech", caption="Red misses its goal.")
    for column in ("vocabulary", *map(_condition, _NOISES_DB), "outside, worst", f"outside >= {_SURE}", "CPU, mean"):
        table.add_column(column, justify="left" if column == "vocabulary" else "right")
    for name in names:
        shares = [float(np.mean(right[name, noise_db])) for noise_db in _NOISES_DB]
        sure = sum(confidence >= _SURE for confidence in others[name])
        milliseconds = 1000 * float(np.mean(seconds[name]))
        table.add_row(
            name,
            *(_colored(f"{100 * share:.0f} %", is_good=share >= _GOAL) for share in shares),
            _colored(f"{max(others[name]):.2f}", is_good=not sure),
            f"{sure} of {len(others[name])}",
            _colored(f"{milliseconds:.0f} ms", is_good=milliseconds <= _CPU_MS),
        )
    table.add_section()
    goal = f">= {100 * _GOAL:.0f} %"
    table.add_row("goal", goal, goal, goal, f"< {_SURE}", "0", f"<= {_CPU_MS} ms")
    Console().print(table)


def _best(candidates: Candidates, samples: Samples) -> Hypothesis:
    return next(iter(candidates.recognize(samples).hypotheses), Hypothesis(logprob=-math.inf))  # no reading is not sure


def _is_entry(text: str, name: str) -> bool:
    """Whether the text holds an entry of the vocabulary, as `Djibouti` is a country and a city."""
    return any(f" {phrase.casefold()} " in f" {text.casefold()} " for phrase in vocabulary(name, "en-US")) or (
        text == "Sao Tome and Principe" and name == "country"
    )


def _condition(noise_db: int | None) -> str:
    return "clean" if noise_db is None else f"{noise_db} dB"


def _colored(text: str, *, is_good: bool) -> str:
    return text if is_good else f"[red]{text}[/]"


if __name__ == "__main__":
    main()
