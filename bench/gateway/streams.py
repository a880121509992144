"""Measure how many streams one core of the gateway holds, and what a chunk of audio costs it.

    python -m bench.gateway.streams [--streams N ...] [--seconds N] [--half-silent] [--words-per-second N]

As `niyosha bench`, with the gateway pinned to one core, and everything else to another.
"""

import argparse
import os
from itertools import product
from pathlib import Path

import uvloop
from rich.console import Console

from bench.common.server import Server
from bench.load.command import OPEN_LIMITS
from bench.load.levels import Level, Row
from bench.load.report import Report
from bench.load.sound import synthetic
from bench.load.streams import LiveStream

_WARM_UP_SECONDS = 4.0
_GATEWAY_CORE, _LOAD_CORE = {0}, {1}


def measure(
    streams: int, seconds: float, words_per_second: float, *, is_half_silent: bool = False, workers: int = 1
) -> Row:
    """Measure one number of streams against a gateway of its own, with so many workers on the same core."""
    riva = Server.run("bench.load.null_riva", str(words_per_second))
    gateway = Server.start("--riva-uri", riva.url, "--workers", str(workers), environment=OPEN_LIMITS)
    level = Level(
        name=f"{workers} workers" if workers > 1 else "one process",
        streams=streams,
        seconds=seconds,
        warm_up_seconds=_WARM_UP_SECONDS,
        clips=synthetic(is_half_silent=is_half_silent),
        pids={"gateway": gateway.process.pid},
    )
    try:
        pin_apart(gateway, riva)
        return uvloop.run(level.run(lambda: LiveStream(gateway.url)))
    finally:
        gateway.process.kill()
        gateway.discard()
        riva.stop()


def pin_apart(gateway: Server, riva: Server) -> None:
    """Pin the gateway to one core, and its recognizer and this process to another."""
    pids = (gateway.process.pid, *gateway.children)
    for pid, cores in (*((pid, _GATEWAY_CORE) for pid in pids), (riva.process.pid, _LOAD_CORE), (0, _LOAD_CORE)):
        _pin(pid, cores)


def _pin(pid: int, cores: set[int]) -> None:
    """Pin all threads of a process."""
    if (os.cpu_count() or 1) < 2:
        return
    for thread in Path(f"/proc/{pid or 'self'}/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.gateway.streams",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--streams", type=int, nargs="+", default=[50, 100, 200, 400], metavar="N")
    parser.add_argument("--seconds", type=float, default=10.0, metavar="N")
    parser.add_argument("--half-silent", action="store_true", help="four seconds of speech, then as many of silence")
    parser.add_argument("--words-per-second", type=float, default=0.0, metavar="N", help="of the text, 0 for one word")
    parser.add_argument("--workers", type=int, nargs="+", default=[1], metavar="N", help="processes, by turns")
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="of all levels, interleaved")
    arguments = parser.parse_args()
    rows = [
        measure(
            streams,
            arguments.seconds,
            arguments.words_per_second,
            is_half_silent=arguments.half_silent,
            workers=workers,
        )
        for _, streams, workers in product(range(arguments.rounds), arguments.streams, arguments.workers)
    ]
    speech = "half silent" if arguments.half_silent else "speech all the time"
    Console(width=110).print(*Report(rows=rows, machine=speech).tables())


if __name__ == "__main__":
    main()
