"""Measure what a quarter of an hour of everything at once leaves behind, and what it does to those who talk.

    python -m bench.attacks.mixed [--minutes N] [--talkers N] [--connects RATE]

Talkers speak the clips at the speed of speech, first alone, then beside the load: connections that come and go (one of
four says `close`, one vanishes, one is refused, one breaks off its handshake), spoken commands, short recordings by
REST, long ones as jobs, and what looks at the server. Memory, descriptors and threads are the medians of some seconds;
memory should not grow after the first two minutes, and the others be back when the load is over.
"""

import argparse
import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import uvloop
from jiwer import process_words
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.table import Table
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException

from bench.common.clips import load_clips
from bench.common.figures import normalized
from bench.common.server import Server
from bench.gateway.churn import break_off
from bench.gateway.crowd import ConnectionResult, Crowd, Stage
from stream.client import LiveError
from stream.paths import LIVE_PATH
from vad import SAMPLE_RATE

_CLIPS = Path("tests/clips")
_FIRST_SECONDS = 20.0
_REST_SECONDS = 15.0
_ALONE_SECONDS = 40.0
_WARM_SECONDS = 120.0
_SETTLE_SECONDS = 60.0
_SAMPLES = 20  # a second apart
_SHORT_SECONDS = 4.0
_COMMAND_SECONDS = 2.0
_LOOK_SECONDS = 3.0
_STUCK_SECONDS = 300.0
_SHORT_AUDIO = bytes(SAMPLE_RATE // 5)
_Act = Callable[[], Awaitable[None]]
_LOOKED_AT = (
    "/readyz",
    "/livez",
    "/v1/speech/transcriptions",
    "/metrics",
    "/v1/speech/languages",
    "/v1/speech/nothing",
)
_SETTINGS = {
    "NIYOSHA_HANDSHAKES_PER_SECOND": "1000",
    "NIYOSHA_STREAMS": "1000",
    "NIYOSHA_STREAMS_PER_OWNER": "1000",
}


@dataclass(frozen=True, slots=True)
class Held:
    """What a process holds: resident megabytes, open descriptors, threads."""

    resident_mb: float
    descriptors: float
    threads: float

    @classmethod
    def now(cls, pid: int) -> "Held":
        process = Path(f"/proc/{pid}")
        pages = int((process / "statm").read_text().split()[1])
        return cls(
            pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
            len(list((process / "fd").iterdir())),
            len(list((process / "task").iterdir())),
        )

    @classmethod
    async def of(cls, pid: int) -> "Held":
        """Take the medians of some seconds."""
        samples = []
        for _ in range(_SAMPLES):
            samples.append(cls.now(pid))
            await asyncio.sleep(1.0)
        figures = (
            median(getattr(sample, name) for sample in samples) for name in ("resident_mb", "descriptors", "threads")
        )
        return cls(*figures)


@dataclass(slots=True)
class Words:
    """How many words were spoken, and how many were substituted, deleted or inserted."""

    spoken: int = 0
    wrong: int = 0
    failed: Counter[str] = field(default_factory=Counter)

    def add(self, results: ConnectionResult) -> None:
        """Count the words of one talker; one that was refused or cut off has lost all of them."""
        if results.refused or results.failed:
            self.failed[results.failed or str(results.refused)] += 1
        words = process_words([normalized(" ".join(results.spoken))], [normalized(results.transcript)])
        self.spoken += words.hits + words.substitutions + words.deletions
        self.wrong += words.substitutions + words.deletions + words.insertions


def _crowd(**options: Any) -> Crowd:
    """A crowd of which nobody comes but who is named."""
    nobody = Crowd(
        talkers=0, finalizers=0, commands_per_second=0.0, shorts=0, has_job=False, model="general", seconds=0.0
    )
    return replace(nobody, **options)


@dataclass(slots=True)
class Load:
    """Everything that goes on beside the talkers, and how it was answered."""

    url: str
    connects_per_second: float
    answers: Counter[str] = field(default_factory=Counter)

    async def run(self) -> None:
        """Go on until cancelled."""
        kinds = (
            ("close", self._close, 4 / self.connects_per_second),
            ("vanish", self._vanish, 4 / self.connects_per_second),
            ("be refused", self._be_refused, 4 / self.connects_per_second),
            ("break off", self._break_off, 4 / self.connects_per_second),
            ("command", partial(self._play, _crowd(commands_per_second=1.0, seconds=1.0)), _COMMAND_SECONDS),
            ("short", partial(self._play, _crowd(shorts=1)), _SHORT_SECONDS),
            ("look", self._look, _LOOK_SECONDS),
        )
        async with asyncio.TaskGroup() as tasks:
            for name, act, seconds in kinds:
                tasks.create_task(self._each(name, act, seconds))
            tasks.create_task(self._jobs())

    async def _each(self, name: str, act: _Act, seconds: float) -> None:
        """Do something at an even pace, whether or not it was done with the time before."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        async with asyncio.TaskGroup() as tasks:
            while True:
                tasks.create_task(self._tried(name, act))
                due += seconds
                await asyncio.sleep(max(0.0, due - loop.time()))

    async def _tried(self, name: str, act: _Act) -> None:
        try:
            async with asyncio.timeout(_STUCK_SECONDS):
                await act()
            self.answers[f"{name}: done"] += 1
        except InvalidStatus as refused:
            self.answers[f"{name}: {refused.response.status_code}"] += 1
        except (OSError, WebSocketException, httpx.HTTPError, LiveError, EOFError) as error:
            self.answers[f"{name}: {type(error).__name__}"] += 1

    @property
    def _address(self) -> str:
        return self.url.replace("http", "ws", 1) + LIVE_PATH + "?audioTransfer=raw"

    async def _close(self) -> None:
        async with connect(self._address, compression=None) as websocket:
            await websocket.send(_SHORT_AUDIO)
            await websocket.send("close")
            async for _ in websocket:
                pass

    async def _vanish(self) -> None:
        websocket = await connect(self._address, compression=None)
        await websocket.send(_SHORT_AUDIO)
        websocket.transport.abort()

    async def _be_refused(self) -> None:
        with suppress(InvalidStatus):
            await connect(f"{self._address}&sampleRateHertz=1", compression=None)

    async def _break_off(self) -> None:
        await break_off(self._address)

    async def _look(self) -> None:
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=_STUCK_SECONDS) as client:
            for path in _LOOKED_AT:
                await client.get(path)

    async def _play(self, crowd: Crowd) -> None:
        stage = Stage(self.url, load_clips(_CLIPS), crowd)
        await stage.run()
        for one in stage.results:
            self.answers[f"{one.kind}: {one.refused or one.failed or 'results'}"] += 1

    async def _jobs(self) -> None:
        while True:
            await self._tried("job", partial(self._play, _crowd(has_job=True)))


async def talk(url: str, talkers: int, seconds: float) -> Words:
    """Let everybody talk for so long, each on one connection, and count the words."""
    stage, words = Stage(url, load_clips(_CLIPS), _crowd(talkers=talkers, seconds=seconds)), Words()
    await stage.run()
    for results in stage.results:
        words.add(results)
    return words


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the load left: each process at the start, after two minutes, at its end and afterwards; and the words."""

    held: dict[str, list[Held]]
    alone: Words
    beside: Words
    answers: Counter[str]
    statuses: Counter[str]


async def measure(server: Server, seconds: float, talkers: int, connects_per_second: float) -> Figures:
    """Let them talk alone, then beside the load for so long, and look again when it is over."""
    pids = {"gateway": server.process.pid, "engine": server.children[0]}
    held: dict[str, list[Held]] = {name: [] for name in pids}
    load = Load(server.url, connects_per_second)

    async def look() -> None:
        for name, one in zip(pids, await asyncio.gather(*map(Held.of, pids.values())), strict=True):
            held[name].append(one)

    # What is made when it is used first, threads of the pools and tables, is no leak.
    await _for(load.run(), _FIRST_SECONDS)
    load.answers.clear()
    # The engine remembers for a while how busy it was, and would not let everybody in.
    await asyncio.sleep(_REST_SECONDS)
    alone = await talk(server.url, talkers, _ALONE_SECONDS)
    await look()
    talking = asyncio.create_task(talk(server.url, talkers, seconds))
    # Who talks is let in before the others come.
    await asyncio.sleep(1.0)
    loading = asyncio.create_task(load.run())
    for pause in (min(_WARM_SECONDS, seconds), max(_SAMPLES, seconds - _WARM_SECONDS)):
        await asyncio.wait([loading], timeout=pause - _SAMPLES)
        if loading.done():
            loading.result()
        await look()
    beside = await talking
    loading.cancel()
    await asyncio.gather(loading, return_exceptions=True)
    await asyncio.sleep(_SETTLE_SECONDS)
    await look()
    return Figures(held=held, alone=alone, beside=beside, answers=load.answers, statuses=await _statuses(server.url))


async def _for(work: Coroutine[Any, Any, None], seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await work


async def _statuses(url: str) -> Counter[str]:
    """How often the server answered what, by its own count."""
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client:
        text = (await client.get("/metrics")).text
    statuses = Counter[str]()
    for family in text_string_to_metric_families(text):
        if family.name == "niyosha_http_requests":
            for sample in family.samples:
                if sample.name.endswith("_total"):
                    statuses[f"{sample.labels['route']} {sample.labels['status']}"] += int(sample.value)
    return statuses


def tabulate(figures: Figures, title: str) -> Table:
    """One row for each thing that should stay as it is."""
    table = Table(title=title)
    for column in ("what", "start", "2 minutes", "end", "a minute later", "end to 2 minutes"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for name, held in figures.held.items():
        for what, form in (("resident_mb", "{:.1f}"), ("descriptors", "{:.0f}"), ("threads", "{:.0f}")):
            values = [getattr(one, what) for one in held]
            grown = f"{100 * (values[2] / values[1] - 1):+.1f} %"
            cells = (form.format(value) for value in values)
            table.add_row(f"{name}: {what.replace('_', ' ')}", *cells, grown if what == "resident_mb" else "")
    return table


def _sentences(figures: Figures) -> Sequence[str]:
    alone, beside = figures.alone, figures.beside
    broken = sum(count for name, count in figures.statuses.items() if name.split()[-1].startswith("5"))
    return (
        f"words wrong: {alone.wrong} of {alone.spoken} alone ({100 * alone.wrong / max(1, alone.spoken):.2f} %), "
        f"{beside.wrong} of {beside.spoken} beside the load ({100 * beside.wrong / max(1, beside.spoken):.2f} %)",
        f"talks that failed: {dict(alone.failed)} alone, {dict(beside.failed)} beside the load",
        f"answers of REST and handshakes: {dict(sorted(figures.statuses.items()))}",
        f"of these 5xx: {broken}, 500: "
        f"{sum(count for name, count in figures.statuses.items() if name.endswith(' 500'))}",
        f"what the load got: {dict(sorted(figures.answers.items()))}",
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=15.0, metavar="N", help="of load, more than two")
    parser.add_argument("--talkers", type=int, default=5, choices=range(1, 21), metavar="N")
    parser.add_argument("--connects", type=float, default=20.0, metavar="RATE", help="connections a second")
    asked = parser.parse_args()
    server = Server.start(environment=_SETTINGS)
    try:
        figures = uvloop.run(measure(server, 60 * asked.minutes, asked.talkers, asked.connects))
    finally:
        server.stop()
    title = f"{asked.minutes:g} minutes, {asked.talkers} talkers, {asked.connects:g} connects a second"
    Console(width=140).print(tabulate(figures, title), *_sentences(figures), sep="\n")


if __name__ == "__main__":
    main()
