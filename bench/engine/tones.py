"""Count the words that the live socket finds in the signal tones of telephone networks; there should be none.

    python -m bench.engine.tones [--seconds N] [--url URL]

Each tone is sent at 8 and at 16 kHz, faster than real time, to `niyosha serve` with the embedded engine, or to the
server at URL.
"""

import argparse
import asyncio
import time
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from bench.common.server import Server
from stream.client import connect
from stream.client.live import Live
from stream.protocols.farsava.messages import DoneMessage, PartialMessage
from tests.support.nonspeech import pcm_of
from tests.support.telephone import SIGNAL_TONES, SignalTone

_RATES_HERTZ = (8_000, 16_000)
_CHUNK_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The words of one tone: those shown at any time, and those settled in the end."""

    shown: int
    settled: str


async def find_words(url: str, tone: SignalTone, rate_hertz: int, seconds: float) -> Words:
    """Stream one tone as fast as the server takes it."""
    pcm = pcm_of(tone.sound(seconds, rate_hertz))
    chunk_bytes = int(_CHUNK_SECONDS * rate_hertz) * 2

    async def speak(live: Live) -> None:
        for start in range(0, len(pcm), chunk_bytes):
            await live.send(pcm[start : start + chunk_bytes])
        await live.finish()

    shown, settled = 0, ""
    async with connect(url, config={"extended": True, "sampleRateHertz": rate_hertz}) as live:
        speaking = asyncio.create_task(speak(live))
        async for message in live:
            match message:
                case PartialMessage(results=[result, *_]):
                    shown += len(result.transcript.split())
                case DoneMessage():
                    settled = " ".join(result.transcript for result in message.results)
        await speaking
    return Words(shown=shown, settled=settled)


async def measure(url: str, seconds: float) -> Table:
    """Send all tones and return a table: one line in all, and one for each tone with words."""
    began = time.perf_counter()
    lines = []
    for tone in SIGNAL_TONES:
        for rate_hertz in _RATES_HERTZ:
            words = await find_words(url, tone, rate_hertz, seconds)
            if words.shown or words.settled:
                lines.append((f"{tone.name}, {rate_hertz} Hz", str(words.shown), words.settled))
    n_tones = len(SIGNAL_TONES) * len(_RATES_HERTZ)
    speed = n_tones * seconds / (time.perf_counter() - began)
    table = Table(title=f"{n_tones} tones of {seconds:g} s, sent at {speed:.0f} times the speed of speech")
    for column in ("tone", "words shown", "text"):
        table.add_column(column)
    table.add_row("tones with words", str(len(lines)), "none is the goal")
    for line in lines:
        table.add_row(*line)
    return table


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine.tones", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each tone")
    parser.add_argument("--url", default="", help="a running server; by default the bench starts one")
    arguments = parser.parse_args()
    server = None if arguments.url else Server.start()
    try:
        url = arguments.url or (server.url if server else "")
        Console(width=110).print(asyncio.run(measure(url, arguments.seconds)))
    finally:
        if server is not None:
            server.stop()


if __name__ == "__main__":
    main()
