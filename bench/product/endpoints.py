"""Measure adaptive endpoints against fixed ones through the live socket of a running server.

    python -m bench.product.endpoints [--clips DIRECTORY] [--repeat N]

Each clip, and silence after it, is streamed at the speed of speech, once with each kind of endpoint in turn. A cut is
an endpoint after which more words follow. The times are those of the machine, which has to be quiet.
"""

import argparse
import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median

from rich.console import Console
from rich.table import Table

from bench.common.clips import Clip, load_clips
from bench.common.figures import error_rate, percentile
from bench.common.server import Server
from bench.engine.endpointing import LEAD_SECONDS, surrounded
from stream.client import connect
from stream.configuration.config import ADAPTIVE, FIXED
from stream.protocols.farsava.messages import FinalMessage
from vad import SAMPLE_RATE

_CHUNK_BYTES = SAMPLE_RATE // 50 * 2
_CHUNK_SECONDS = 0.02


@dataclass(slots=True)
class Settled:
    """The result of one clip: its texts, and when each came, in seconds from the first sample."""

    clip: Clip
    texts: list[str] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)

    @property
    def speech_end(self) -> float:
        return LEAD_SECONDS + self.clip.speech_span()[1]


async def stream_clip(url: str, clip: Clip, endpointing: str) -> Settled:
    """Stream one clip as a microphone would, and record each settled text."""
    result = Settled(clip)
    async with connect(url, config={"extended": True, "endpointing": endpointing}) as live:
        clock = asyncio.get_running_loop().time
        began = clock()

        async def speak() -> None:
            sound = surrounded(clip)
            for number, start in enumerate(range(0, len(sound), _CHUNK_BYTES)):
                # A microphone hands over a chunk once its last sample was heard.
                await asyncio.sleep(max(0.0, began + (number + 1) * _CHUNK_SECONDS - clock()))
                await live.send(sound[start : start + _CHUNK_BYTES])
            await live.finish()

        speaking = asyncio.create_task(speak())
        async for message in live:
            match message:
                case FinalMessage(results=[best, *_]) if best.transcript:
                    result.texts.append(best.transcript)
                    result.arrivals.append(clock() - began)
        await speaking
    return result


def row(name: str, results: Sequence[Settled]) -> Iterator[str]:
    """Yield the figures of one kind of endpoint."""
    recognized = [result for result in results if result.texts]
    waits = [1000 * (result.arrivals[-1] - result.speech_end) for result in recognized]
    yield name
    yield f"{median(waits):.0f} / {fmean(waits):.0f} / {percentile(waits, 90):.0f}"
    yield str(sum(len(result.texts) - 1 for result in recognized))
    yield f"{error_rate([(result.clip.reference, ' '.join(result.texts)) for result in results]):.2f}"


async def measure(clips: Sequence[Clip], repeat: int) -> Table:
    """Stream every clip with both kinds of endpoint in turn, and put the figures into a table."""
    results: dict[str, list[Settled]] = {FIXED: [], ADAPTIVE: []}
    server = Server.start()
    try:
        for _ in range(repeat):
            for clip in clips:
                for endpointing, settled in results.items():
                    settled.append(await stream_clip(server.url, clip, endpointing))
    finally:
        server.stop()
    table = Table(title=f"{len(clips)} clips, {sum(clip.seconds for clip in clips):.0f} s, {repeat} time(s)")
    for column in ("endpoints", "settled ms, p50 / mean / p90", "cuts", "WER %"):
        table.add_column(column)
    for endpointing, settled in results.items():
        table.add_row(*row(endpointing, settled))
    return table


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.product.endpoints", description=__doc__)
    parser.add_argument("--clips", type=Path, default=Path("tests/clips"), help="a directory with a manifest.tsv")
    parser.add_argument("--repeat", type=int, default=1, choices=range(1, 11), metavar="N")
    arguments = parser.parse_args()
    Console(width=120).print(asyncio.run(measure(load_clips(arguments.clips), arguments.repeat)))


if __name__ == "__main__":
    main()
