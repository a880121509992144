"""The metrics of workers: each tells its own at a Unix socket, and the parent adds them up."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from web.observability.merging import Families, Family, added_up, merged, text
from web.process.workers.job import Files

# A worker that looks at its database, its recognizer and its hub takes five seconds at most.
_ANSWER_SECONDS = 6.0
_SCRAPE, _KEEP = b"s", b"k"
"""What a report is for: for a scrape, which looks at everything, or to keep what was counted if the worker dies."""
_KEEP_INTERVAL_SECONDS = 5.0


@asynccontextmanager
async def reporting(
    path: Path, look: Callable[[], Awaitable[None]], read: Callable[[], Families]
) -> AsyncIterator[None]:
    """Tell what `read` returns to whoever connects while the context lasts, after a `look` where it is for a scrape."""

    async def report(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if await reader.read(1) == _SCRAPE:
                await look()
            writer.write(msgspec.msgpack.encode(_Report(next(sequence), read())))
            await writer.drain()
        except ConnectionError:
            pass  # the parent gave up
        finally:
            writer.close()

    sequence = itertools.count(1)
    server = await asyncio.start_unix_server(report, path)
    try:
        yield
    finally:
        server.close()


class _Report(msgspec.Struct, frozen=True, array_like=True):
    """The metrics of one worker, and how many reports it has made."""

    sequence: int
    families: Sequence[Family]


_NOTHING = _Report(0, ())


class Reports:
    """The metrics of all workers, and of those that have ended.

    What was shown once is kept, so that no counter falls when a worker dies; of what it counted afterwards, up to five
    seconds are lost. `own` returns the metrics of the parent itself.
    """

    def __init__(self, files: Files, workers: int, own: Callable[[], Families]) -> None:
        self._files = files
        self._own = own
        self._ended: Families = ()
        self._latest: dict[int, _Report] = {}
        self._lives = dict.fromkeys(range(1, workers + 1), 0)

    def ended(self, number: int) -> None:
        """Note that a worker has ended."""
        self._lives[number] += 1
        self._ended = merged([self._ended, added_up(self._latest.pop(number, _NOTHING).families)])

    async def families(self) -> list[Family]:
        """Ask all workers, and return the sum; one that does not answer has only what it counted before."""
        now = await self._read(_SCRAPE)
        running = [
            latest.families if number in now else added_up(latest.families) for number, latest in self._latest.items()
        ]
        return merged([*running, self._own(), self._ended])

    async def text(self) -> bytes:
        """Return the same as text."""
        return text(await self.families())

    async def keep_reading(self) -> None:
        """Keep what workers have counted, until cancelled."""
        while True:
            await asyncio.sleep(_KEEP_INTERVAL_SECONDS)
            await self._read(_KEEP)

    async def _read(self, purpose: bytes) -> set[int]:
        """Read the metrics of each worker; return the numbers of those that answered."""
        answers = await asyncio.gather(*(self._read_one(number, purpose) for number in self._lives))
        return {number for number, has_answered in zip(self._lives, answers, strict=True) if has_answered}

    async def _read_one(self, number: int, purpose: bytes) -> bool:
        life = self._lives[number]
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                reader, writer = await asyncio.open_unix_connection(self._files.report(number))
                try:
                    writer.write(purpose)
                    report = msgspec.msgpack.decode(await reader.read(), type=_Report)
                finally:
                    writer.close()
        except (OSError, msgspec.MsgspecError):  # it has not started yet, hangs, or died while it answered
            return False
        if life != self._lives[number]:
            return False  # it has ended, and what it counted was added up without this
        # Two reports that are asked for at once may come in another order than they were made.
        self._latest[number] = max(report, self._latest.get(number, _NOTHING), key=lambda one: one.sequence)
        return True
