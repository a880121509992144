"""Send hours of numbered words through the gateway and measure drift, loss and growth.

    python -m bench.gateway.drift [--minutes N] [--speed N]

Each word carries its number, so that the time that comes back is compared with the one it was spoken at. The recognizer
reads the numbers from the samples, in a process of its own.
"""

import argparse
import asyncio
from pathlib import Path

from rich.console import Console

from bench.common.server import Server
from stream.client import connect
from stream.protocols.farsava.messages import FinalMessage
from tests.hostile.process import running_process
from tests.hostile.riva.audio import WORD_SAMPLES, numbered_speech, read_words, spoken_numbers
from vad import SAMPLE_BYTES, SAMPLE_RATE

_GROUP_WORDS = 6
_PAUSE_MS = 800
_GROUP_SECONDS = _GROUP_WORDS * WORD_SAMPLES / SAMPLE_RATE + _PAUSE_MS / 1000
_CHUNK_BYTES = SAMPLE_RATE // 10 * SAMPLE_BYTES
_PARTS = 10


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


async def measure(minutes: float, speed: float, console: Console) -> None:
    """Speak, compare, print."""
    groups = int(60 * minutes / _GROUP_SECONDS)
    pcm = numbered_speech([_GROUP_WORDS] * groups, pause_ms=_PAUSE_MS)
    spoken = {word.number: word.start / SAMPLE_RATE for word in read_words(pcm)}
    times: dict[int, list[float]] = {}
    async with running_process() as riva:
        server = await asyncio.to_thread(Server.start, "--riva-uri", riva.address)
        try:
            async with connect(server.url, config={"extended": True, "interimResults": False}) as live:

                async def send() -> None:
                    loop = asyncio.get_running_loop()
                    began = loop.time()
                    for start in range(0, len(pcm), _CHUNK_BYTES):
                        await asyncio.sleep(max(0.0, began + start / SAMPLE_RATE / SAMPLE_BYTES / speed - loop.time()))
                        await live.send(pcm[start : start + _CHUNK_BYTES])
                    await live.finish()

                sending = asyncio.create_task(send())
                part = 1
                async for message in live:
                    if not isinstance(message, FinalMessage):
                        continue
                    for word in message.results[0].words:
                        for number in spoken_numbers(word.word):
                            times.setdefault(number, []).append(word.start_time)
                    if len(times) >= part * len(spoken) // _PARTS:
                        resident = _resident_mb(server.process.pid)
                        console.print(f"{100 * part // _PARTS:3} %: gateway {resident:.1f} MB")
                        part += 1
                await sending
        finally:
            await asyncio.to_thread(server.stop)
    off = [1000 * (times_of_word[0] - spoken[number]) for number, times_of_word in times.items()]
    lost = len(spoken.keys() - times.keys())
    doubled = sum(len(times_of_word) - 1 for times_of_word in times.values())
    hours = len(pcm) / SAMPLE_BYTES / SAMPLE_RATE / 3600
    console.print(f"{hours:.2f} hours, {len(spoken)} words: lost {lost}, doubled {doubled}")
    for name, part_of in (("first", off[: len(off) // _PARTS]), ("last", off[-len(off) // _PARTS :])):
        console.print(f"times of the {name} tenth are off by {min(part_of):.1f} to {max(part_of):.1f} ms")


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--speed", type=float, default=50)
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.minutes, arguments.speed, Console(width=100)))


if __name__ == "__main__":
    main()
