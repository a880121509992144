"""Workers are kept running, and stopped together, on the virtual clock."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.web.supervision.children import KILLED, ScriptedChild
from web.process.workers.pool import LostWorkerError, WorkerPool
from web.supervision.heartbeat import HANG_LIMITS

pytestmark = pytest.mark.virtual_time


class Started:
    """A pool whose workers are scripted; those that no script is left for serve without end."""

    def __init__(self, scripts: dict[int, list[ScriptedChild]] | None = None, workers: int = 2) -> None:
        self._scripts = scripts or {}
        self.children: defaultdict[int, list[ScriptedChild]] = defaultdict(list)
        self.ended: Counter[int] = Counter()
        self.pool = WorkerPool(self._start, workers, on_end=lambda number: self.ended.update([number]))
        self.running = asyncio.create_task(self.pool.run())

    async def _start(self, number: int) -> ScriptedChild:
        script = self._scripts.get(number)
        child = script.pop(0) if script else ScriptedChild(drains=3)
        child.start()
        self.children[number].append(child)
        return child


@asynccontextmanager
async def pool(scripts: dict[int, list[ScriptedChild]] | None = None, workers: int = 2) -> AsyncIterator[Started]:
    started = Started(scripts, workers)
    try:
        yield started
    finally:
        started.running.cancel()
        await asyncio.gather(started.running, return_exceptions=True)


async def test_all_workers_are_started_and_counted() -> None:
    async with pool(workers=3) as started:
        assert (started.pool.answering, started.pool.is_complete) == (0, False)
        await asyncio.sleep(5)
        assert (started.pool.answering, started.pool.is_complete, started.pool.replaced) == (3, True, 0)


async def test_a_worker_that_dies_is_replaced_and_the_other_goes_on() -> None:
    async with pool({1: [ScriptedChild(dies=(20, KILLED))]}) as started:
        await asyncio.sleep(19)
        assert started.pool.answering == 2
        await asyncio.sleep(5)
        assert (started.pool.answering, started.pool.replaced) == (2, 1)
        assert started.ended == Counter({1: 1})
        assert [len(started.children[number]) for number in (1, 2)] == [2, 1]


@pytest.mark.fault(48)
async def test_a_worker_that_hangs_is_replaced() -> None:
    hangs = ScriptedChild(silent_after=50)
    async with pool({2: [hangs]}) as started:
        await asyncio.sleep(50 + HANG_LIMITS.idle + 5)
        assert hangs.was_killed
        assert (started.pool.answering, started.ended) == (2, Counter({2: 1}))


@pytest.mark.fault(48)
async def test_a_worker_that_cannot_be_kept_ends_the_others_with_a_reason() -> None:
    async with pool({1: [ScriptedChild(dies=(1.5, 1)) for _ in range(20)]}) as started:
        await asyncio.wait([started.running])
        with pytest.raises(LostWorkerError) as lost:
            await started.running
        assert str(lost.value) == (
            "worker 1 cannot be kept running: it ends soon after each start; the log above has its exit codes"
        )
        assert len(started.children[1]) == 8
        (other,) = started.children[2]
        assert (other.signals, other.was_killed) == (1, False)


async def test_a_worker_that_can_never_start_is_not_started_again() -> None:
    async with pool({2: [ScriptedChild(dies=(0.5, 2))]}) as started:
        await asyncio.wait([started.running])
        with pytest.raises(LostWorkerError, match=r"^worker 2 cannot be kept running: it cannot start; it says why"):
            await started.running


async def test_a_stop_lets_each_worker_finish_and_starts_no_other() -> None:
    slow = ScriptedChild(drains=20)
    async with pool({1: [slow]}) as started:
        await asyncio.sleep(5)
        began = asyncio.get_running_loop().time()
        started.pool.drain()
        started.pool.drain()
        assert await started.running is True
        assert asyncio.get_running_loop().time() - began == pytest.approx(20, abs=1)
        assert [[child.signals for child in started.children[number]] for number in (1, 2)] == [[1], [1]]


async def test_a_second_signal_ends_workers_at_once() -> None:
    async with pool({1: [ScriptedChild()]}) as started:
        await asyncio.sleep(5)
        started.pool.drain()
        await asyncio.sleep(1)
        began = asyncio.get_running_loop().time()
        started.pool.force()
        assert await started.running is False
        assert asyncio.get_running_loop().time() == began


async def test_a_worker_that_dies_while_it_drains_has_not_delivered() -> None:
    async with pool({1: [ScriptedChild(dies=(6, KILLED))]}) as started:
        await asyncio.sleep(5)
        started.pool.drain()
        assert await started.running is False


async def test_a_worker_that_died_before_the_stop_has_nothing_to_deliver() -> None:
    async with pool({1: [ScriptedChild(dies=(4.95, KILLED))]}) as started:
        await asyncio.sleep(5)
        started.pool.drain()
        assert await started.running is True
        assert len(started.children[1]) == 1


async def test_a_worker_that_is_stopped_while_it_starts_has_nothing_to_deliver() -> None:
    async with pool({1: [ScriptedChild(loads=100, dies=(5.5, -15))]}) as started:
        await asyncio.sleep(5)
        started.pool.drain()
        assert await started.running is True
