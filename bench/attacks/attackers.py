"""Measure what attackers do to honest streams: their latencies alone, and beside each attack of `bench.attacks`.

    python -m bench.attacks.attackers [ATTACK ...] [--streams N] [--connections N] [--rounds N]

Attackers come from another address of this machine, in a process of their own that runs when nobody else wants the
processor: in earnest they would bring their own. What they take from honest streams only by being on the same machine
shows while they attack another server than the streams' own. At last the server is stopped while it is attacked.
"""

import argparse
import asyncio
import math
import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from statistics import median, quantiles
from urllib.parse import urlsplit

import uvloop
from rich.console import Console
from rich.table import Table
from websockets.exceptions import WebSocketException

from bench.attacks import ATTACKS, Attack
from bench.common.server import Server
from bench.gateway.latency import CHUNK_SECONDS, COUNTED, through

_PAUSE_SECONDS = 0.02
# So long an attack goes on before the server is stopped.
_SIEGE_SECONDS = 3.0
_SETTLED_SECONDS = 60.0
_SETTLED_MB = 5.0
# Talkers speak for some ten seconds.
_TALK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Latencies:
    """Milliseconds from a message of a talker to its answer, and how many were never answered."""

    p50: float
    p99: float
    unanswered: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an attack did; memory is the server's above what it held when quiet: at most, and after the attack."""

    quiet: Latencies
    elsewhere: Latencies
    attacked: Latencies
    more_mb: float
    left_mb: float
    stop_seconds: float


async def _attack(name: str, url: str, connections: int, is_over: Event) -> None:
    attack, parts = ATTACKS[name], urlsplit(url)

    async def again() -> None:
        while not is_over.is_set():
            # uvloop calls writing to a closed socket a RuntimeError.
            with suppress(OSError, EOFError, RuntimeError, TimeoutError):
                async with asyncio.timeout(attack.seconds):
                    await attack.run(str(parts.hostname), int(parts.port or 0))
            await asyncio.sleep(_PAUSE_SECONDS)

    await asyncio.gather(*(again() for _ in range(connections)))


def _besiege(name: str, url: str, connections: int, is_over: Event) -> None:
    os.nice(19)
    uvloop.run(_attack(name, url, connections, is_over))


@contextmanager
def _under_siege(name: str, url: str, connections: int) -> Iterator[None]:
    context = multiprocessing.get_context("spawn")
    is_over = context.Event()
    process = context.Process(target=_besiege, args=(name, url, connections, is_over), daemon=True)
    process.start()
    try:
        yield
    finally:
        is_over.set()
        process.join(30)
        process.kill()


def _honest(url: str, streams: int) -> Latencies:
    async def talk(number: int) -> list[float]:
        # Of a talker whose connection breaks nothing was answered.
        with suppress(OSError, TimeoutError, WebSocketException, ExceptionGroup):
            async with asyncio.timeout(_TALK_SECONDS):
                return await through(url, number * CHUNK_SECONDS / streams)
        return []

    async def talk_all() -> list[list[float]]:
        return await asyncio.gather(*(talk(number) for number in range(streams)))

    latencies = [1000 * latency for run in uvloop.run(talk_all()) for latency in run]
    unanswered = streams * COUNTED - len(latencies)
    if len(latencies) < 2:
        return Latencies(math.inf, math.inf, unanswered)
    return Latencies(median(latencies), quantiles(latencies, n=100)[98], unanswered)


@contextmanager
def _gateway(attack: Attack) -> Iterator[Server]:
    riva = Server.run("bench.load.null_riva", "0")
    try:
        gateway = Server.start("--riva-uri", riva.url, environment=attack.environment)
        try:
            if attack.prepare is not None:
                asyncio.run(attack.prepare(gateway.database_url))
            yield gateway
        finally:
            gateway.process.kill()
            gateway.discard()
    finally:
        riva.stop()


def measure(name: str, streams: int, connections: int | None) -> Outcome:
    """Figures of honest streams alone, while another server is attacked, and while theirs is."""
    attack = ATTACKS[name]
    connections = connections or attack.connections
    with _gateway(attack) as gateway, _gateway(attack) as other:
        quiet = _honest(gateway.url, streams)
        before_mb = gateway.resident_mb()
        with _under_siege(name, other.url, connections):
            elsewhere = _honest(gateway.url, streams)
        with _under_siege(name, gateway.url, connections):
            attacked = _honest(gateway.url, streams)
            more_mb = gateway.memory_mb()[0] - before_mb
        left_mb = _settled_mb(gateway, before_mb) - before_mb
        with _under_siege(name, gateway.url, connections):
            time.sleep(_SIEGE_SECONDS)
            began = time.perf_counter()
            gateway.terminate()
            stop_seconds = time.perf_counter() - began
    return Outcome(
        quiet=quiet, elsewhere=elsewhere, attacked=attacked, more_mb=more_mb, left_mb=left_mb, stop_seconds=stop_seconds
    )


def _settled_mb(gateway: Server, before_mb: float) -> float:
    """What a server holds once it is back at what it held before, or a minute after."""
    until = time.monotonic() + _SETTLED_SECONDS
    while gateway.resident_mb() > before_mb + _SETTLED_MB and time.monotonic() < until:
        time.sleep(1)
    return gateway.resident_mb()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("attacks", nargs="*", metavar="ATTACK", help=f"all unless given: {', '.join(ATTACKS)}")
    parser.add_argument("--streams", type=int, default=5, choices=range(1, 201), metavar="N")
    parser.add_argument("--connections", type=int, choices=range(1, 401), metavar="N", help="of each attack")
    parser.add_argument("--rounds", type=int, default=3, choices=range(1, 11), metavar="N")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.attacks if name not in ATTACKS]
    if unknown:
        parser.error(f"there is no attack {unknown[0]}; known are {', '.join(ATTACKS)}")
    console = Console(width=140)
    table = Table(title=f"{arguments.streams} honest streams, p50 / p99 in milliseconds; medians of {arguments.rounds}")
    columns = (
        "quiet",
        "another attacked",
        "attacked",
        "p99 to quiet",
        "to another",
        "unanswered",
        "more MB",
        "left MB",
        "stop s",
    )
    for column in ("attack", *columns):
        table.add_column(column, justify="right")
    for name in arguments.attacks or ATTACKS:
        rounds = [measure(name, arguments.streams, arguments.connections) for _ in range(arguments.rounds)]
        table.add_row(name, *_cells(rounds))
        console.print(name, *_cells(rounds), sep="  ")
    console.print(table)


def _cells(rounds: list[Outcome]) -> list[str]:
    def both(parts: list[Latencies]) -> str:
        return f"{median(part.p50 for part in parts):.2f} / {median(part.p99 for part in parts):.2f}"

    return [
        both([one.quiet for one in rounds]),
        both([one.elsewhere for one in rounds]),
        both([one.attacked for one in rounds]),
        f"{median(one.attacked.p99 / one.quiet.p99 for one in rounds):.2f}",
        f"{median(one.attacked.p99 / one.elsewhere.p99 for one in rounds):.2f}",
        str(sum(one.attacked.unanswered for one in rounds)),
        f"{max(one.more_mb for one in rounds):.0f}",
        f"{max(one.left_mb for one in rounds):.0f}",
        f"{max(one.stop_seconds for one in rounds):.1f}",
    ]


if __name__ == "__main__":
    main()
