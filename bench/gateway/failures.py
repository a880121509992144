"""Count the words that are lost and doubled when the recognizer fails, and how long a failure stops the text.

    python -m bench.gateway.failures [--seed N] [--clips DIRECTORY] [--repeat N]

Runs with a scripted Riva server that reads numbered words out of the audio, and with the embedded engine; failures by
message (aborts with every code, freezes, early ends, ... at any point of a call) and by byte (a TCP proxy that
resets, stalls and closes connections). All clients speak at the speed of speech through a real gateway.
"""

import argparse
import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import jiwer
import structlog
from rich.console import Console
from rich.table import Table
from whisper_normalizer.english import EnglishTextNormalizer

from bench.common.clips import Clip, load_clips
from bench.common.server import Server
from stream.client import connect
from stream.protocols.farsava.messages import DoneMessage, FinalMessage, PartialMessage, ReadyMessage, WarningMessage
from tests.hostile.proxy.network import breaking_plan
from tests.hostile.proxy.proxy import FaultProxy
from tests.hostile.relay import relaying
from tests.hostile.riva.audio import numbered_speech, silence, spoken_numbers
from tests.hostile.riva.faults import BREAKING, breaking_script, faults
from tests.hostile.riva.riva import HostileRiva
from tests.hostile.server import running as running_riva
from tests.support.loops.tasks import own_tasks
from vad import SAMPLE_BYTES, SAMPLE_RATE
from web.process.serve import running
from web.settings.settings import read_settings

_CHUNK_BYTES = SAMPLE_RATE // 10 * SAMPLE_BYTES
_CHUNK_SECONDS = 0.1
_PAUSE_MS = 1200
# Messages of two runs that lie so close are the same.
_SAME_SECONDS = 0.05
_CLIENTS = 8
_GROUPS = [5] * 14
_TALKERS = 3
_MOST_ENTRIES = 2000
# Bytes after which a connection breaks: a few seconds of all talkers, up and down.
_UP_BYTES = (100_000, 2_000_000)
_DOWN_BYTES = (1_000, 20_000)
_normalize = EnglishTextNormalizer()


@dataclass(slots=True)
class Failure:
    """The gateway began a stream anew, or gave it up."""

    at: float
    transcription: str


@dataclass(slots=True, kw_only=True)
class ClientResult:
    """The results of one client: text, warnings, and when each message came, in seconds from its beginning."""

    transcript: str = ""
    transcription: str = ""
    gaps: int = 0
    began: float = field(default_factory=time.perf_counter)
    times: list[float] = field(default_factory=list)

    def stall(self, failure: Failure, undisturbed: "ClientResult") -> float:
        """Seconds by which the message after a failure was later than the one that would have come first."""
        at = failure.at - self.began
        before = max((time for time in self.times if time <= at), default=0.0)
        after = min((time for time in self.times if time > at), default=at)
        due = min((time for time in undisturbed.times if time > before + _SAME_SECONDS), default=at)
        return max(0.0, after - due)


@dataclass(slots=True, kw_only=True)
class Outcome:
    """One run of the bench."""

    name: str
    words: int
    lost: int
    doubled: int
    gaps: int
    stalls: list[float]
    changed: int | None = None

    @property
    def row(self) -> list[str]:
        tenths = quantiles(self.stalls, n=10) if len(self.stalls) > 1 else [0.0] * 9
        changed = "-" if self.changed is None else str(self.changed)
        counts = (self.words, len(self.stalls), self.lost, self.doubled, self.gaps, changed)
        seconds = (median(self.stalls or [0.0]), tenths[8], max(self.stalls, default=0.0))
        return [self.name, *map(str, counts), *(f"{second:.2f}" for second in seconds)]


class FailureLog:
    """Takes the log of the gateway instead of a terminal."""

    def __init__(self) -> None:
        self.failures: list[Failure] = []

    def __call__(self, _logger: Any, _method: str, event: Any) -> str:
        if event["event"] in {"recognition_retried", "recognition_failed"}:
            self.failures.append(Failure(time.perf_counter(), event.get("transcription", "")))
        raise structlog.DropEvent


async def speak(url: str, pcm: bytes) -> ClientResult:
    """Send audio at the speed of speech."""
    results = ClientResult()
    async with connect(url, config={"extended": True}) as live:

        async def send() -> None:
            results.began = time.perf_counter()
            for number, start in enumerate(range(0, len(pcm), _CHUNK_BYTES)):
                await asyncio.sleep(results.began + number * _CHUNK_SECONDS - time.perf_counter())
                await live.send(pcm[start : start + _CHUNK_BYTES])
            await live.finish()

        sending = asyncio.create_task(send())
        async for message in live:
            match message:
                case ReadyMessage():
                    results.transcription = message.transcription_id
                case PartialMessage() | FinalMessage():
                    results.times.append(time.perf_counter() - results.began)
                case WarningMessage(code="gap"):
                    results.gaps += 1
                case DoneMessage():
                    results.transcript = " ".join(result.transcript for result in message.results)
        await sending
    return results


async def converse(uri: str, speeches: Sequence[bytes]) -> tuple[list[ClientResult], list[Failure]]:
    """All clients at once through a gateway in front of `uri`."""
    log = FailureLog()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, log])
    async with running(read_settings({"riva_uri": uri, "port": 0})) as gateway:
        before = own_tasks()
        results = await asyncio.gather(*(speak(gateway.url, pcm) for pcm in speeches))
        await asyncio.sleep(1.0)
        if left := own_tasks() - before:
            raise SystemExit(f"left behind: {left}")
    return results, log.failures


def stalls(
    results: Sequence[ClientResult], failures: Sequence[Failure], undisturbed: Sequence[ClientResult]
) -> list[float]:
    pairs = {one.transcription: (one, other) for one, other in zip(results, undisturbed, strict=True)}
    return [one.stall(failure, other) for failure in failures for one, other in [pairs[failure.transcription]]]


class Numbered:
    """Clients whose words are numbers, in front of a scripted server."""

    def __init__(self) -> None:
        words = sum(_GROUPS)
        self._spoken = [range(client * words, (client + 1) * words) for client in range(_CLIENTS)]
        # Out of step, so that not all of them are in the same place of an utterance when a connection breaks.
        self._speeches = [
            silence(200 + 300 * client) + numbered_speech(_GROUPS, spoken.start, pause_ms=_PAUSE_MS) + silence(1000)
            for client, spoken in enumerate(self._spoken)
        ]
        self._undisturbed: list[ClientResult] = []

    async def talk(self, name: str, uri: str) -> Outcome:
        """Talk through the server at `uri`; the first time is the undisturbed one that others are compared with."""
        results, failures = await converse(uri, self._speeches)
        self._undisturbed = self._undisturbed or results
        lost = doubled = 0
        for spoken, one in zip(self._spoken, results, strict=True):
            numbers = spoken_numbers(one.transcript)
            lost += len(set(spoken) - set(numbers))
            doubled += len(numbers) - len(set(numbers))
        words = sum(map(len, self._spoken))
        gaps = sum(one.gaps for one in results)
        return Outcome(
            name=name,
            words=words,
            lost=lost,
            doubled=doubled,
            gaps=gaps,
            stalls=stalls(results, failures, self._undisturbed),
        )


class Spoken:
    """Talkers with real speech in front of the engine; lost and doubled is what differs from the first time."""

    def __init__(self, clips: Sequence[Clip], repeat: int) -> None:
        own = [list(clips[talker::_TALKERS]) * repeat for talker in range(_TALKERS)]
        self._speeches = [b"".join(clip.pcm + silence(_PAUSE_MS) for clip in some) for some in own]
        self._undisturbed: list[ClientResult] = []

    async def talk(self, name: str, uri: str) -> Outcome:
        results, failures = await converse(uri, self._speeches)
        self._undisturbed = self._undisturbed or results
        before = [_normalize(one.transcript) for one in self._undisturbed]
        compared = jiwer.process_words(before, [_normalize(one.transcript) for one in results])
        if compared.wer:
            Console(width=200, stderr=True).print(name, jiwer.visualize_alignment(compared, skip_correct=True))
        return Outcome(
            name=name,
            words=sum(len(text.split()) for text in before),
            lost=compared.deletions,
            doubled=compared.insertions,
            gaps=sum(one.gaps for one in results),
            stalls=stalls(results, failures, self._undisturbed),
            changed=compared.substitutions,
        )


async def measure(seed: int, clips: Sequence[Clip], repeat: int) -> list[Outcome]:
    """All runs, one after the other."""
    outcomes = []
    plan = breaking_plan(seed, _MOST_ENTRIES, _UP_BYTES, _DOWN_BYTES)
    numbered = Numbered()
    async with running_riva(HostileRiva()) as riva:
        outcomes.append(await numbered.talk("scripted server, undisturbed", riva.address))
        async with FaultProxy(riva.port, plan) as proxy:
            outcomes.append(await numbered.talk("scripted server, by byte", proxy.address))
    async with running_riva(HostileRiva(breaking_script(seed, _MOST_ENTRIES))) as riva:
        outcomes.append(await numbered.talk("scripted server, by message", riva.address))
    spoken = Spoken(clips, repeat)
    engine = Server.run("web.cli.main", "engine", "--listen", "127.0.0.1:0")
    try:
        await spoken.talk("", engine.url)
        outcomes.append(await spoken.talk("embedded engine, undisturbed", engine.url))
        async with FaultProxy(
            int(engine.url.rpartition(":")[2]), breaking_plan(seed, _MOST_ENTRIES, _UP_BYTES, _DOWN_BYTES)
        ) as proxy:
            outcomes.append(await spoken.talk("embedded engine, by byte", proxy.address))
        async with relaying(engine.url, faults(seed, _MOST_ENTRIES, kinds=BREAKING, behaving=0.3)) as (relay, _):
            outcomes.append(await spoken.talk("embedded engine, by message", relay))
    finally:
        engine.stop()
    return outcomes


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.gateway.failures", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clips", type=Path, default=Path("tests/clips"), help="a directory with a manifest.tsv")
    parser.add_argument("--repeat", type=int, default=1, choices=range(1, 11), metavar="N", help="how often each clip")
    arguments = parser.parse_args()
    outcomes = asyncio.run(measure(arguments.seed, load_clips(arguments.clips), arguments.repeat))
    table = Table(title=f"seed {arguments.seed}; stalls in seconds")
    for column in ("run", "words", "failures", "lost", "doubled", "gaps", "changed", "median", "p90", "worst"):
        table.add_column(column, justify="left" if column == "run" else "right")
    for outcome in outcomes:
        table.add_row(*outcome.row)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
