import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import ExitStack
from typing import Any

import pytest

from stream.engine.scheduler import Scheduler
from stream.engine.work import Work


class Bench:
    """Scripted work: each piece notes when it starts and runs in its thread until it is let go."""

    def __init__(self, workers: int) -> None:
        self.scheduler = Scheduler(workers)
        self.started: list[str] = []
        self.most_at_once = 0
        self._gates: dict[str, threading.Event] = {}
        self._tasks: dict[str, asyncio.Task[Any]] = {}

    def final(self, name: str) -> asyncio.Task[Any]:
        return self._start(name, self.scheduler.final(self._work(name)))

    def partial(self, name: str, begin: Callable[[], Callable[[], str] | None] | None = None) -> asyncio.Task[Any]:
        return self._start(name, self.scheduler.early(Work.PARTIAL, begin or (lambda: self._work(name))))

    def early_final(self, name: str) -> asyncio.Task[Any]:
        return self._start(name, self.scheduler.early(Work.EARLY_FINAL, lambda: self._work(name)))

    def file(self, name: str) -> asyncio.Task[Any]:
        return self._start(name, self.scheduler.final(self._work(name), Work.FILE))

    async def let_go(self, *names: str) -> None:
        for name in names:
            self._gates[name].set()
            await asyncio.wait([self._tasks[name]])
        await self.settle()

    async def settle(self) -> None:
        """Until what can start has started."""
        for _ in range(20):
            await asyncio.sleep(0.001)
        self.most_at_once = max(self.most_at_once, self.scheduler.running)

    async def close(self) -> None:
        for gate in self._gates.values():
            gate.set()
        await self.scheduler.close()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _start(self, name: str, job: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        self._tasks[name] = asyncio.create_task(job)
        return self._tasks[name]

    def _work(self, name: str) -> Callable[[], str]:
        gate = self._gates.setdefault(name, threading.Event())

        def work() -> str:
            self.started.append(name)
            assert gate.wait(10)
            return name.upper()

        return work


@pytest.fixture
async def one() -> AsyncIterator[Bench]:
    bench = Bench(1)
    yield bench
    await bench.close()


@pytest.fixture
async def two() -> AsyncIterator[Bench]:
    bench = Bench(2)
    yield bench
    await bench.close()


async def test_finals_run_before_partials_each_in_order_of_arrival(one: Bench) -> None:
    one.partial("running")
    await one.settle()
    for name in ("p1", "p2"):
        one.partial(name)
    for name in ("f1", "f2"):
        one.final(name)
    await one.settle()
    await one.let_go("running", "f1", "f2", "p1", "p2")
    assert one.started == ["running", "f1", "f2", "p1", "p2"]
    assert one.most_at_once == 1


async def test_early_finals_run_between_finals_and_partials(one: Bench) -> None:
    one.partial("running")
    await one.settle()
    one.partial("p")
    one.early_final("e")
    one.final("f")
    await one.let_go("running", "f", "e", "p")
    assert one.started == ["running", "f", "e", "p"]


async def test_files_run_when_nothing_of_the_talkers_waits(one: Bench) -> None:
    one.partial("running")
    await one.settle()
    for name in ("file1", "file2"):
        one.file(name)
    one.partial("p")
    one.early_final("e")
    one.final("f")
    await one.let_go("running", "f", "e", "p", "file1", "file2")
    assert one.started == ["running", "f", "e", "p", "file1", "file2"]


async def test_a_file_that_has_waited_long_goes_first(one: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.engine.line._FILE_SECONDS", 0.05)
    one.partial("running")
    await one.settle()
    for name in ("file1", "file2"):
        one.file(name)
    one.final("f")
    await asyncio.sleep(0.06)
    await one.let_go("running", "file1", "f", "file2")
    assert one.started == ["running", "file1", "f", "file2"]


async def test_while_somebody_talks_and_a_moment_longer_files_leave_a_slot_free(
    two: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream.engine.scheduler._QUIET_SECONDS", 0.2)
    with two.scheduler.growing():
        for name in ("file1", "file2"):
            two.file(name)
        await two.settle()
        assert two.started == ["file1"]
        two.partial("p")
        await two.settle()
        assert two.started == ["file1", "p"]
    two.final("f")
    await two.let_go("p", "f")
    assert two.started == ["file1", "p", "f"]
    await asyncio.sleep(0.2)
    assert two.started == ["file1", "p", "f", "file2"]


async def test_the_only_slot_is_for_files_too_while_somebody_talks(one: Bench) -> None:
    with one.scheduler.growing():
        one.file("file")
        await one.settle()
    assert one.started == ["file"]


async def test_the_pace_slows_down_with_the_utterances_that_grow(one: Bench) -> None:
    alone = one.scheduler.pace
    with ExitStack() as growing:
        for _ in range(20):
            growing.enter_context(one.scheduler.growing())
        assert one.scheduler.pace.step_samples > 2 * alone.step_samples
    assert one.scheduler.pace == alone


async def test_the_pace_slows_down_when_partials_take_long(one: Bench) -> None:
    with one.scheduler.growing():
        before = one.scheduler.pace.step_samples
        for number in range(3):
            one.partial(f"p{number}")
            await one.settle()
            await asyncio.sleep(1.5)
            await one.let_go(f"p{number}")
        assert one.scheduler.pace.step_samples > before


async def test_finals_may_take_every_slot(two: Bench) -> None:
    for name in ("f1", "f2", "f3"):
        two.final(name)
    await two.settle()
    assert two.started == ["f1", "f2"]


async def test_results_and_errors_go_to_those_who_asked(one: Bench) -> None:
    final, partial = one.final("f"), one.partial("p")
    await one.let_go("f", "p")
    assert (final.result(), partial.result()) == ("F", "P")
    with pytest.raises(ZeroDivisionError):
        await one.scheduler.final(lambda: 1 // 0)
    assert one.scheduler.running == 0


async def test_a_partial_reads_its_sound_when_it_starts(one: Bench) -> None:
    heard = ["at first"]

    def begin() -> Callable[[], str]:
        snapshot = heard[-1]
        return lambda: snapshot

    one.final("f")
    partial = one.partial("p", begin)
    await one.settle()
    heard.append("later")
    await one.let_go("f")
    assert await partial == "later"


async def test_a_partial_that_is_no_longer_wanted_is_skipped_and_the_next_one_runs(one: Bench) -> None:
    one.final("f")
    stale, following = one.partial("stale", lambda: None), one.partial("following")
    await one.settle()
    await one.let_go("f")
    assert await stale is None
    await one.let_go("following")
    assert following.result() == "FOLLOWING"
    assert one.started == ["f", "following"]


async def test_cancelled_callers_leave_nothing_in_the_queues(one: Bench) -> None:
    one.final("f")
    waiting = [one.final("f2"), one.partial("p")]
    await one.settle()
    assert one.scheduler.waiting == 2
    for task in waiting:
        task.cancel()
    await one.settle()
    assert one.scheduler.waiting == 0
    await one.let_go("f")
    assert one.started == ["f"]


async def test_a_slot_is_in_use_until_its_thread_is_done_even_if_the_caller_is_gone(one: Bench) -> None:
    abandoned = one.final("f")
    await one.settle()
    abandoned.cancel()
    one.final("f2")
    await one.settle()
    assert one.scheduler.running == 1
    assert one.started == ["f"]
    await one.let_go("f")
    assert one.started == ["f", "f2"]


async def test_closing_cancels_what_waits_and_waits_for_what_runs() -> None:
    bench = Bench(1)
    running, waiting = bench.final("f"), bench.final("f2")
    await bench.settle()
    await bench.close()
    assert waiting.cancelled()
    assert running.result() == "F"
    assert bench.started == ["f"]


def test_a_scheduler_without_workers_is_refused() -> None:
    with pytest.raises(ValueError, match="workers is 0; at least 1 is needed"):
        Scheduler(0)
