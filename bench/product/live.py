"""Measure the live socket with the embedded engine: start, memory, word errors, and how soon text is there.

    python -m bench.product.live [--clips DIRECTORY] [--repeat N]

Clips are streamed one at a time in 100 ms chunks at the speed of speech, each followed by 2 s of silence.
"""

import argparse
import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.common.clips import Clip, load_clips
from bench.common.figures import Flicker, error_rate
from bench.common.server import Server
from stream.client import connect
from stream.engine.model.whisper import Whisper
from stream.protocols.farsava.messages import DoneMessage, FinalMessage, PartialMessage
from vad import SAMPLE_RATE

_CHUNK_BYTES = SAMPLE_RATE // 10 * 2
_CHUNK_SECONDS = 0.1
_SILENCE = bytes(2 * SAMPLE_RATE * 2)
_HANGOVER_SECONDS = 0.6
_STARTS = 3


@dataclass(slots=True, kw_only=True)
class ClipResult:
    """The result of one clip: transcript, and seconds from the first sample to each message."""

    clip: Clip
    transcript: str = ""
    first_partial: float | None = None
    settled: float | None = None
    shown: Flicker = field(default_factory=Flicker)
    stable: Flicker = field(default_factory=Flicker)


async def stream_clip(url: str, clip: Clip) -> ClipResult:
    """Stream one clip as a microphone would, and record when each text arrives."""
    results = ClipResult(clip=clip)
    async with connect(url, config={"extended": True}) as live:
        clock = asyncio.get_running_loop().time
        began = clock()

        async def speak() -> None:
            sound = clip.pcm + _SILENCE
            for number, start in enumerate(range(0, len(sound), _CHUNK_BYTES)):
                # A microphone hands over a chunk once its last sample was heard.
                await asyncio.sleep(max(0.0, began + (number + 1) * _CHUNK_SECONDS - clock()))
                await live.send(sound[start : start + _CHUNK_BYTES])
            await live.finish()

        speaking = asyncio.create_task(speak())
        async for message in live:
            now = clock() - began
            match message:
                case PartialMessage(utterance_id=utterance, results=[result, *_], stable_words=stable):
                    results.first_partial = results.first_partial or now
                    words = result.transcript.split()
                    results.shown.show(utterance, words)
                    results.stable.show(utterance, words[:stable])
                case FinalMessage(utterance_id=utterance, results=[result]):
                    words = result.transcript.split()
                    results.settled = now if words else results.settled
                    results.shown.show(utterance, words)
                    results.stable.show(utterance, words)
                case DoneMessage():
                    results.transcript = " ".join(result.transcript for result in message.results)
        await speaking
    return results


def decode_whole(clips: list[Clip]) -> list[tuple[str, str]]:
    """Decode each clip at once with the same model, without a server around it."""
    whisper = Whisper(None, workers=1)
    pairs = []
    for clip in clips:
        samples = np.frombuffer(clip.pcm, dtype="<i2").astype(np.float32) / np.float32(32768)
        pairs.append((clip.reference, whisper.decode(samples).best.text))
    return pairs


async def measure(clips: list[Clip], repeat: int) -> Table:
    """Run everything once per repetition and put the medians into a table."""
    starts = []
    for _ in range(_STARTS - 1):
        server = Server.start()
        starts.append(server.ready_seconds)
        server.stop()
    server = Server.start()
    starts.append(server.ready_seconds)
    try:
        results = [await stream_clip(server.url, clip) for _ in range(repeat) for clip in clips]
        gateway_mb, engine_mb = server.memory_mb()
    finally:
        server.stop()
    live = error_rate([(h.clip.reference, h.transcript) for h in results])
    whole = error_rate(decode_whole(clips))
    first = [h.first_partial - h.clip.speech_span()[0] for h in results if h.first_partial is not None]
    settled = [h.settled - h.clip.speech_span()[1] - _HANGOVER_SECONDS for h in results if h.settled is not None]
    shown = sum(h.shown.changed for h in results) / sum(h.shown.words for h in results)
    stable = sum(h.stable.changed for h in results) / sum(h.stable.words for h in results)
    seconds = sum(clip.seconds for clip in clips)
    table = Table(title=f"{len(clips)} clips, {seconds:.0f} s of speech, {repeat} time(s)")
    for column in ("figure", "measured", "goal"):
        table.add_column(column)
    for figure, measured, goal in (
        ("word error rate, live socket", f"{live:.2f} %", "at most 6 %"),
        ("word error rate, whole clip at once", f"{whole:.2f} %", "live within 1 point"),
        ("first partial after the first speech sample, median", f"{median(first):.2f} s", "at most 1.2 s"),
        ("settled after last speech sample + hangover, median", f"{1000 * median(settled):.0f} ms", "at most 350 ms"),
        ("same, worst clip", f"{1000 * max(settled):.0f} ms", ""),
        ("words shown and later changed", f"{100 * shown:.1f} %", ""),
        ("stable words later changed", f"{100 * stable:.1f} %", "0 %"),
        ("clips without a partial or a settled text", f"{2 * len(results) - len(first) - len(settled)}", "0"),
        ("niyosha serve ready, median of 3", f"{median(starts):.2f} s", "under 5 s"),
        ("gateway memory, peak", f"{gateway_mb:.0f} MB", "under 120 MB"),
        ("engine memory, peak", f"{engine_mb:.0f} MB", "under 350 MB"),
    ):
        table.add_row(figure, measured, goal)
    return table


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.product.live", description=__doc__)
    parser.add_argument("--clips", type=Path, default=Path("tests/clips"), help="a directory with a manifest.tsv")
    parser.add_argument("--repeat", type=int, default=1, choices=range(1, 11), metavar="N")
    arguments = parser.parse_args()
    Console(width=110).print(asyncio.run(measure(load_clips(arguments.clips), arguments.repeat)))


if __name__ == "__main__":
    main()
