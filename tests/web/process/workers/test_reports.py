"""The parent adds up what its workers report, and loses nothing of it that was shown."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from web.observability.merging import Families
from web.observability.metrics import Metrics
from web.observability.parent_metrics import ParentMetrics
from web.process.workers.job import Files
from web.process.workers.reports import Reports, reporting

COUNTED, OPEN = "niyosha_recognizer_streams_total", "niyosha_job_segments_in_work"


class Worker:
    """The metrics of a worker, which may hang when it is to look at everything."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.looks = 0
        self.may_look = asyncio.Event()
        self.may_look.set()

    async def look(self) -> None:
        self.looks += 1
        await self.may_look.wait()

    def count(self, streams: int) -> None:
        self.metrics.recognizer_streams.inc(streams)
        self.metrics.segments_in_work.set(streams)


def no_metrics() -> Families:
    return ()


class Server:
    """Workers with numbers, and what their parent knows of them."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.files = Files(folder)
        self.reports = Reports(self.files, workers, no_metrics)

    @asynccontextmanager
    async def worker(self, number: int) -> AsyncIterator[Worker]:
        worker = Worker()
        async with reporting(self.files.report(number), worker.look, worker.metrics.families):
            yield worker
        self.reports.ended(number)

    async def value(self, name: str) -> float:
        """Return a metric that has one sample."""
        (found,) = [
            value for family in await self.reports.families() for sample, _, value in family.samples if sample == name
        ]
        return found


async def test_the_metrics_of_all_workers_are_added_up_after_a_look(tmp_path: Path) -> None:
    server = Server(tmp_path, 2)
    async with server.worker(1) as one, server.worker(2) as other:
        one.count(2)
        other.count(3)
        assert await server.value(COUNTED) == await server.value(OPEN) == 5
        assert one.looks == other.looks == 2


async def test_what_was_shown_of_a_worker_remains_when_it_has_ended(tmp_path: Path) -> None:
    server = Server(tmp_path, 2)
    async with server.worker(1) as one:
        one.count(1)
        async with server.worker(2) as other:
            other.count(10)
            assert await server.value(COUNTED) == 11
        assert (await server.value(COUNTED), await server.value(OPEN)) == (11, 1)
        async with server.worker(2) as successor:
            successor.count(4)
            assert (await server.value(COUNTED), await server.value(OPEN)) == (15, 5)


@pytest.mark.virtual_time
async def test_what_nobody_asked_for_is_kept_every_few_seconds(tmp_path: Path) -> None:
    server = Server(tmp_path, 2)
    keeping = asyncio.create_task(server.reports.keep_reading())
    async with server.worker(1):
        async with server.worker(2) as other:
            other.count(7)
            await asyncio.sleep(6)
            assert other.looks == 0
        assert await server.value(COUNTED) == 7
    keeping.cancel()


@pytest.mark.virtual_time
async def test_a_worker_that_hangs_has_only_what_it_counted_before(tmp_path: Path) -> None:
    server = Server(tmp_path, 2)
    async with server.worker(1) as one, server.worker(2) as hung:
        one.count(1)
        hung.count(10)
        assert await server.value(OPEN) == 11
        hung.may_look.clear()
        hung.count(10)
        assert (await server.value(COUNTED), await server.value(OPEN)) == (11, 1)
        hung.may_look.set()
        assert (await server.value(COUNTED), await server.value(OPEN)) == (21, 11)


async def test_an_older_report_does_not_replace_a_newer_one(tmp_path: Path) -> None:
    server = Server(tmp_path, 1)
    async with server.worker(1) as worker:
        worker.count(1)
        values = await asyncio.gather(*(server.value(COUNTED) for _ in range(5)))
        worker.count(1)
        assert [*values, await server.value(COUNTED)] == [1] * 5 + [2]


async def test_a_report_of_a_worker_that_ends_meanwhile_counts_once(tmp_path: Path) -> None:
    server = Server(tmp_path, 1)
    async with AsyncExitStack() as stack:
        worker = await stack.enter_async_context(server.worker(1))
        worker.count(5)
        assert await server.value(COUNTED) == 5
        worker.may_look.clear()
        asking = asyncio.create_task(server.value(COUNTED))
        while worker.looks < 2:
            await asyncio.sleep(0)
        server.reports.ended(1)
        worker.may_look.set()
        assert await asking == 5
        assert await server.value(COUNTED) == 10


def test_the_parent_counts_its_workers() -> None:
    families = {family.name: family for family in ParentMetrics(lambda: 2, lambda: 3).families()}
    assert [value for _, _, value in families["niyosha_workers"].samples] == [2]
    assert families["niyosha_workers_replaced"].samples == [("niyosha_workers_replaced_total", {}, 3)]
