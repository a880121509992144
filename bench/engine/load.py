"""Measure the embedded engine under talkers, and the plainest use of faster-whisper under the same load.

    python -m bench.engine.load [--clips DIRECTORY] [--seconds N] [--rounds N] [--only NAME,...] [--json FILE]

Each talker speaks clips in an endless loop at the speed of speech; the gateway's own segmenter has cut them before the
load begins, and every utterance is one gRPC stream. Each load has a server process of its own; ours and the plain one
take turns, so that a busy machine is busy for both. Figures are medians of the rounds; words are joined over them.
"""

import argparse
import importlib.util
import json
import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import uvloop
from rich.console import Console

from bench.common.server import Server
from bench.engine import talkers
from bench.engine.summary import Summary, changed_percent, summarize, word_error_rate
from bench.engine.table import OURS, PARTIAL_SECONDS, PLAIN, Figures, Key, tabulate
from bench.engine.turns import Turn, load_turns, speech_share

_MODULES = {OURS: ("web.cli.main", "engine", "--listen", "127.0.0.1:0"), PLAIN: ("bench.engine.baseline",)}
_COMPARED = (1, 4, 8, 12)
_PARTS = {
    "one": [(OURS, 1)],
    "twelve": [(OURS, 12)],
    "twenty": [(OURS, 20)],
    "forty": [(OURS, 40)],
    "plain": [(server, n) for n in _COMPARED for server in (OURS, PLAIN)],
}
_MISSING_FASTER_WHISPER = "faster-whisper is not installed: .venv/bin/pip install --no-deps faster-whisper==1.2.1"
_SEED = 1
# One talker alone speaks little in the time that is enough for many.
_ALONE = 2


async def measure(keys: Sequence[Key], turns: Sequence[Turn], seconds: float, rounds: int) -> dict[Key, list[Summary]]:
    """Run every load once a round, each with a server of its own."""
    summaries: dict[Key, list[Summary]] = defaultdict(list)
    progress = Console(stderr=True)
    for number in range(rounds):
        for name, n_talkers in keys:
            progress.print(f"round {number + 1} of {rounds}: {name}, {n_talkers} talkers", style="dim")
            load = talkers.Load(n_talkers, seconds * _ALONE if n_talkers == 1 else seconds, _SEED + number)
            server = Server.run(*_MODULES[name])
            try:
                outcome = await talkers.run(server, turns, load)
                summaries[name, n_talkers].append(summarize(server, outcome, PARTIAL_SECONDS[n_talkers]))
            finally:
                server.stop()
    return summaries


def join(summaries: list[Summary]) -> Figures:
    """The figures of all rounds of a load."""
    names = summaries[0].numbers
    figures = {name: _median([summary.numbers[name] for summary in summaries]) for name in names}
    return figures | {
        "wer": word_error_rate(summaries),
        "changed_percent": changed_percent([summary.shown for summary in summaries]),
        "stable_changed_percent": changed_percent([summary.stable for summary in summaries]),
    }


def _median(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return median(known) if known else math.nan


def _known(figures: Figures) -> dict[str, float | None]:
    """What is not a number is null in JSON."""
    return {name: None if math.isnan(value) else value for name, value in figures.items()}


def _keys(parts: Sequence[str]) -> list[Key]:
    """The loads of these parts, each once, smallest first."""
    unknown = [part for part in parts if part not in _PARTS]
    if unknown:
        raise SystemExit(f"{', '.join(unknown)}: not among {', '.join(_PARTS)}")
    return sorted({key for part in parts for key in _PARTS[part]}, key=lambda key: (key[1], key[0]))


def _parts(only: str) -> list[str]:
    parts = only.split(",") if only else list(_PARTS)
    if "plain" in parts and importlib.util.find_spec("faster_whisper") is None:
        if only:
            raise SystemExit(_MISSING_FASTER_WHISPER)
        Console(stderr=True).print(f"{_MISSING_FASTER_WHISPER}; nothing is compared", style="yellow")
        parts.remove("plain")
    return parts


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine.load", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--clips", type=Path, default=Path("tests/clips"), help="a directory with a manifest.tsv")
    parser.add_argument(
        "--seconds",
        type=int,
        default=16,
        choices=range(5, 301),
        metavar="N",
        help="of each load; one talker alone gets twice that",
    )
    parser.add_argument("--rounds", type=int, default=3, choices=range(1, 11), metavar="N")
    parser.add_argument("--only", default="", metavar="NAME,...", help=f"of {', '.join(_PARTS)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round's figures there")
    arguments = parser.parse_args()
    keys = _keys(_parts(arguments.only))
    turns = load_turns(arguments.clips)
    summaries = uvloop.run(measure(keys, turns, arguments.seconds, arguments.rounds))
    figures = {key: join(some) for key, some in summaries.items()}
    title = (
        f"{len(turns)} clips, speech {100 * speech_share(turns):.0f} % of the time, "
        f"{arguments.rounds} round(s) of {arguments.seconds} s"
    )
    if arguments.json:
        rows = [
            {
                "server": name,
                "talkers": n,
                "figures": _known(joined),
                "rounds": [_known(one.numbers) for one in summaries[name, n]],
            }
            for (name, n), joined in figures.items()
        ]
        arguments.json.write_text(json.dumps({"title": title, "loads": rows}, indent=1) + "\n", encoding="utf-8")
    Console(width=120).print(tabulate(figures, title))


if __name__ == "__main__":
    main()
