"""Count what is left of a thousand utterances of which two of three calls failed.

python -m bench.gateway.leaks [--utterances N] [--seed N]
"""

import argparse
import asyncio
import gc
import os
from collections import Counter
from pathlib import Path

import grpc
import structlog
from rich.console import Console
from rich.table import Table

from stream.client import connect
from stream.protocols.farsava.messages import DoneMessage
from tests.hostile.proxy.proxy import FaultProxy
from tests.hostile.riva.audio import numbered_speech, silence, spoken_numbers
from tests.hostile.riva.faults import RETRYABLE, breaking_script
from tests.hostile.riva.riva import HostileRiva
from tests.hostile.server import running as running_riva
from tests.support.loops.tasks import own_tasks
from vad import SAMPLE_BYTES, SAMPLE_RATE
from web.process.serve import running
from web.settings.settings import read_settings

_TALKERS = 20
_WORDS = 3
_CHUNK_BYTES = SAMPLE_RATE // 10 * SAMPLE_BYTES
# Five times the speed of speech.
_CHUNK_SECONDS = 0.02
_SETTLE_SECONDS = 3.0
# A refused stream limits the sessions of its server for a minute, and talkers connect twice.
_CODES = [code for code in RETRYABLE if code is not grpc.StatusCode.RESOURCE_EXHAUSTED]


class Count(Counter[str]):
    """What there is now: tasks of the gateway, calls and connections at the server, descriptors, memory."""

    @classmethod
    def take(cls, riva: HostileRiva, line: FaultProxy) -> "Count":
        gc.collect()
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 2**20
        return cls(
            {
                "tasks of the gateway": own_tasks().total(),
                "open calls at the server": riva.open_calls,
                "connections": line.open_connections,
                "file descriptors": len(list(Path("/proc/self/fd").iterdir())),
                "resident MB (gateway, server, talkers)": resident,
            }
        )


async def _talk(url: str, first: int, utterances: int) -> list[int]:
    """The numbers that came back; a thousandth word has number 1,000."""
    pcm = numbered_speech([_WORDS] * utterances, first, pause_ms=900) + silence(300)
    async with connect(url, config={"extended": True, "interimResults": True}) as live:

        async def send() -> None:
            for start in range(0, len(pcm), _CHUNK_BYTES):
                await live.send(pcm[start : start + _CHUNK_BYTES])
                await asyncio.sleep(_CHUNK_SECONDS)
            await live.finish()

        sending = asyncio.create_task(send())
        numbers: list[int] = []
        async for message in live:
            if isinstance(message, DoneMessage):
                numbers = [number for result in message.results for number in spoken_numbers(result.transcript)]
        await sending
    return numbers


async def measure(utterances: int, seed: int) -> tuple[Count, Count, int, int, int]:
    """Counts before and after, failed calls, and words lost and doubled."""
    structlog.configure(processors=[_drop])
    each = utterances // _TALKERS
    async with (
        running_riva(HostileRiva(breaking_script(seed, 2 * utterances, codes=_CODES))) as server,
        FaultProxy(server.port) as line,
        running(read_settings({"riva_uri": line.address, "port": 0, "stall_limit_seconds": 1.0})) as gateway,
    ):
        await asyncio.gather(*(_talk(gateway.url, 0, 2) for _ in range(_TALKERS)))
        await asyncio.sleep(_SETTLE_SECONDS)
        before = Count.take(server.riva, line)
        firsts = [talker * each * _WORDS for talker in range(_TALKERS)]
        numbers_by_talker = await asyncio.gather(*(_talk(gateway.url, first, each) for first in firsts))
        await asyncio.sleep(_SETTLE_SECONDS)
        after = Count.take(server.riva, line)
        failed = sum(bool(call.fired) for call in server.riva.calls)
    lost = sum(
        len(set(range(first, first + each * _WORDS)) - set(numbers))
        for first, numbers in zip(firsts, numbers_by_talker, strict=True)
    )
    doubled = sum(len(numbers) - len(set(numbers)) for numbers in numbers_by_talker)
    return before, after, failed, lost, doubled


def _drop(*_: object) -> str:
    raise structlog.DropEvent


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.gateway.leaks", description=__doc__)
    parser.add_argument("--utterances", type=int, default=1000, choices=range(_TALKERS, 10_001), metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    before, after, failed, lost, doubled = asyncio.run(measure(arguments.utterances, arguments.seed))
    table = Table(title=f"{arguments.utterances} utterances of {_TALKERS} talkers, {failed} calls failed")
    for column in ("what", "before", "after"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for name in before:
        table.add_row(name, str(before[name]), str(after[name]))
    table.add_row("words lost, words doubled", "", f"{lost}, {doubled}")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
