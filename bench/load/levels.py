"""Run a number of streams at once, and sum up what came back."""

import asyncio
import itertools
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.load.processes import uses
from bench.load.sound import CHUNK_SECONDS, Clip
from bench.load.streams import Opener, RefusedStreamError, Stream, Watch

_OPENED_AT_ONCE = 20
_NUMBERED_WORD = re.compile(r"word(\d+)")
_NO_PIDS: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one process used: processor time for a chunk of audio, cores in all, memory for a stream."""

    chunk_us: float
    cores: float
    stream_kib: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one number of streams came to; latencies are p50, p95 and p99, not a number where there are none."""

    name: str
    streams: int
    refused: int
    lost_streams: int
    chunks: int
    latencies_ms: tuple[float, float, float]
    final_ms: tuple[float, float, float]
    lost_words: int
    doubled_words: int
    word_error_percent: float | None
    costs: Mapping[str, Cost] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """So many streams that speak `clips` for so long, after a time in which nothing is counted.

    `pids` are the processes whose use is measured.
    """

    name: str
    streams: int
    seconds: float
    warm_up_seconds: float
    clips: Sequence[Clip]
    pids: Mapping[str, int] = field(default_factory=lambda: _NO_PIDS)

    async def run(self, opener: Opener) -> Row:
        """Open the streams, speak on time whether or not answers come, and end them."""
        before = uses(self.pids)
        opened, refused = await _opened(opener, self.streams)
        began = time.perf_counter() + 0.1
        until = began + self.warm_up_seconds + self.seconds
        try:
            async with asyncio.TaskGroup() as tasks:
                for number, stream in enumerate(opened):
                    # Evenly out of step, as independent speakers are.
                    phase = number * CHUNK_SECONDS / len(opened)
                    tasks.create_task(self._speak(stream, number, began + phase, until))
                await asyncio.sleep(self.warm_up_seconds)
                _count(opened, is_counted=True)
                middle, at = uses(self.pids), time.perf_counter()
                await asyncio.sleep(self.seconds)
                passed, after = time.perf_counter() - at, uses(self.pids)
                _count(opened, is_counted=False)
            await asyncio.gather(*(_end(stream) for stream in opened))
        finally:
            for stream in opened:
                stream.abort()
        watches = [stream.watch for stream in opened]
        chunks = sum(watch.chunks for watch in watches)
        costs = {
            name: Cost(
                chunk_us=1e6 * (use.cpu_seconds - middle[name].cpu_seconds) / max(chunks, 1),
                cores=(use.cpu_seconds - middle[name].cpu_seconds) / passed,
                stream_kib=(use.memory_kib - before[name].memory_kib) / max(len(opened), 1),
            )
            for name, use in after.items()
            if name in middle and name in before
        }
        return summed(self.name, watches, streams=self.streams, refused=refused, costs=costs)

    async def _speak(self, stream: Stream, number: int, began: float, until: float) -> None:
        due = began
        for clip in _endless(self.clips, number):
            if due >= until:
                break
            due = await _say(stream, clip, due)


async def run_iterations(name: str, opener: Opener, clip: Clip, streams: int, iterations: int) -> Row:
    """Measure as NVIDIA's own client does: every stream sends the same file at the speed of speech, several times."""
    watches: list[Watch] = []
    refused = 0

    async def one(number: int) -> None:
        nonlocal refused
        await asyncio.sleep(number * CHUNK_SECONDS / streams)
        for _ in range(iterations):
            opened, count = await _opened(opener, 1)
            refused += count
            for stream in opened:
                stream.watch.is_counted = True
                await _say(stream, clip, time.perf_counter())
                await _end(stream)
                stream.abort()
                watches.append(stream.watch)

    async with asyncio.TaskGroup() as tasks:
        for number in range(streams):
            tasks.create_task(one(number))
    return summed(name, watches, streams=streams, refused=refused)


def summed(
    name: str, watches: Sequence[Watch], *, streams: int, refused: int, costs: Mapping[str, Cost] | None = None
) -> Row:
    """Sum up what streams measured."""
    lost, doubled = _numbered(watches)
    return Row(
        name=name,
        streams=streams,
        refused=refused,
        lost_streams=sum(watch.is_lost for watch in watches),
        chunks=sum(watch.chunks for watch in watches),
        latencies_ms=_percentiles([latency for watch in watches for latency in watch.latencies]),
        final_ms=_percentiles([latency for watch in watches for latency in watch.final_latencies]),
        lost_words=lost,
        doubled_words=doubled,
        word_error_percent=_word_error_percent(watches),
        costs=costs or {},
    )


async def _opened(opener: Opener, streams: int) -> tuple[list[Stream], int]:
    """Open streams, some at once; return them, and how many were refused."""
    places = asyncio.Semaphore(_OPENED_AT_ONCE)

    async def one() -> Stream | None:
        stream = opener()
        async with places:
            try:
                await stream.open()
            except (RefusedStreamError, OSError, TimeoutError):
                stream.abort()
                return None
        return stream

    opened = await asyncio.gather(*(one() for _ in range(streams)))
    there = [stream for stream in opened if stream is not None]
    return there, streams - len(there)


async def _end(stream: Stream) -> None:
    try:
        await stream.finish()
    except TimeoutError:
        stream.watch.is_lost = True


def _count(streams: Sequence[Stream], *, is_counted: bool) -> None:
    for stream in streams:
        stream.watch.is_counted = is_counted


async def _say(stream: Stream, clip: Clip, due: float) -> float:
    """Send a clip at the speed of speech from a time on; return when the next one is due."""
    stream.watch.spoken.append(clip.text)
    for chunk in clip.chunks:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        stream.send(chunk, due)
        due += CHUNK_SECONDS
    return due


def _endless(clips: Sequence[Clip], first: int) -> Iterator[Clip]:
    """Yield clip after clip, each stream from another one on."""
    return (clips[number % len(clips)] for number in itertools.count(first))


def _percentiles(seconds: Sequence[float]) -> tuple[float, float, float]:
    if not seconds:
        return float("nan"), float("nan"), float("nan")
    p50, p95, p99 = np.percentile(seconds, (50, 95, 99)) * 1000
    return float(p50), float(p95), float(p99)


def _numbered(watches: Sequence[Watch]) -> tuple[int, int]:
    """Count words that are missing and that come twice, of a server whose words are `word0`, `word1` and so on."""
    lost = doubled = 0
    for watch in watches:
        for text in watch.texts:
            numbers = [int(number) for number in _NUMBERED_WORD.findall(text)]
            if numbers:
                lost += len(set(range(max(numbers) + 1)) - set(numbers))
                doubled += len(numbers) - len(set(numbers))
    return lost, doubled


def _word_error_percent(watches: Sequence[Watch]) -> float | None:
    """Return the word error rate, None where the texts of clips are not known."""
    pairs = [(words_of(" ".join(watch.spoken)), words_of(" ".join(watch.texts))) for watch in watches]
    words = sum(len(expected) for expected, _ in pairs)
    if not words or not all(text for watch in watches for text in watch.spoken):
        return None
    return 100 * sum(distance(expected, found) for expected, found in pairs) / words


def words_of(text: str) -> list[str]:
    """Return the words without case and punctuation."""
    kept = "".join(letter if letter.isalnum() or letter == "'" else " " for letter in text.casefold())
    return kept.split()


def distance(expected: Sequence[str], found: Sequence[str]) -> int:
    """Return how many words are to be replaced, removed or added (Levenshtein, Soviet Physics Doklady 10, 1966)."""
    row = list(range(len(found) + 1))
    for count, word in enumerate(expected, start=1):
        before, row[0] = row[0], count
        for place, other in enumerate(found, start=1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (word != other))
    return row[-1]
