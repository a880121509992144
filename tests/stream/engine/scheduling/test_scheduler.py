import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import Any

import pytest

from stream.engine.scheduling.load import Costs, SessionUsage
from stream.engine.scheduling.load_control import LoadControl
from stream.engine.scheduling.scheduler import Scheduler
from stream.engine.scheduling.work import Work
from tests.support.loops.virtual_time import VirtualTimeLoop
from tests.support.processes import STUCK_SECONDS

pytestmark = pytest.mark.virtual_time


class Gates(Executor):
    """Starts work at once, and gives what came of it when it is let go."""

    def __init__(self) -> None:
        self._running: dict[str, Future[str]] = {}

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future = self._running[fn()] = Future()
        return future

    def let_go(self, name: str) -> None:
        self._running.pop(name).set_result(name.upper())


class Bench:
    """Scripted work: each piece notes when it starts and runs until it is let go."""

    def __init__(self, workers: int) -> None:
        self._pool = Gates()
        self.scheduler = Scheduler(workers, self._pool)
        self.started: list[str] = []
        self.started_at: dict[str, float] = {}
        self.most_at_once = 0
        self._now = asyncio.get_running_loop().time
        self._began = self._now()

    def final(self, name: str) -> asyncio.Task[Any]:
        return self._ask(self.scheduler.final(self._work(name)))

    def partial(self, name: str, begin: Callable[[], Callable[[], str] | None] | None = None) -> asyncio.Task[Any]:
        return self._ask(self.scheduler.early(Work.PARTIAL, begin or (lambda: self._work(name))))

    def early_final(self, name: str) -> asyncio.Task[Any]:
        return self._ask(self.scheduler.early(Work.EARLY_FINAL, lambda: self._work(name)))

    def file(self, name: str) -> asyncio.Task[Any]:
        return self._ask(self.scheduler.final(self._work(name), Work.FILE))

    async def let_go(self, *names: str) -> None:
        for name in names:
            self._pool.let_go(name)
            await self.settle()

    async def settle(self) -> None:
        """Until what can start has started; the clock stands still."""
        for _ in range(10):
            await asyncio.sleep(0)
        self.most_at_once = max(self.most_at_once, self.scheduler.running)

    def _ask(self, job: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        return asyncio.create_task(job)

    def _work(self, name: str) -> Callable[[], str]:
        def work() -> str:
            self.started.append(name)
            self.started_at[name] = self._now() - self._began
            return name

        return work


@pytest.fixture
async def one() -> Bench:
    return Bench(1)


@pytest.fixture
async def two() -> Bench:
    return Bench(2)


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
    await one.settle()
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
    await one.settle()
    await one.let_go("running", "f", "e", "p", "file1", "file2")
    assert one.started == ["running", "f", "e", "p", "file1", "file2"]


@pytest.mark.parametrize(("seconds", "is_first"), [(4.999, False), (5.0, True)])
async def test_a_file_that_has_waited_five_seconds_goes_first(one: Bench, seconds: float, is_first: bool) -> None:
    one.partial("running")
    await one.settle()
    for name in ("file1", "file2"):
        one.file(name)
    one.final("f")
    await asyncio.sleep(seconds)
    await one.let_go("running")
    assert one.started[1:] == (["file1"] if is_first else ["f"])
    await one.let_go(*one.started[1:])
    assert one.started[2:] == (["f"] if is_first else ["file1"])


async def test_while_somebody_talks_and_a_second_longer_files_leave_a_slot_free(two: Bench) -> None:
    with two.scheduler.growing():
        for name in ("file1", "file2"):
            two.file(name)
        await asyncio.sleep(60)
        assert two.started == ["file1"]
        two.partial("p")
        await two.settle()
        assert two.started == ["file1", "p"]
    two.final("f")
    await two.let_go("p", "f")
    await asyncio.sleep(60)
    assert two.started == ["file1", "p", "f", "file2"]
    assert two.started_at["file2"] == 61


async def test_who_talks_on_within_a_second_keeps_the_slot(two: Bench) -> None:
    for pause in (0.9, 0.9, 5.0):
        with two.scheduler.growing():
            for name in ("file1", "file2") if not two.started else ():
                two.file(name)
            await asyncio.sleep(10)
        await asyncio.sleep(pause)
    assert two.started_at == {"file1": 0, "file2": pytest.approx(32.8)}


async def test_the_only_slot_is_for_files_too_while_somebody_talks(one: Bench) -> None:
    with one.scheduler.growing():
        one.file("file")
        await one.settle()
    assert one.started == ["file"]


async def test_the_pace_slows_down_with_the_utterances_that_grow(one: Bench) -> None:
    alone = one.scheduler.intervals
    with ExitStack() as growing:
        for _ in range(20):
            growing.enter_context(one.scheduler.growing())
        assert one.scheduler.intervals.step_samples > 2 * alone.step_samples
    assert one.scheduler.intervals == alone


async def test_the_pace_follows_what_partials_take_from_their_start(one: Bench) -> None:
    load_control = LoadControl(1)
    for number in range(3):
        one.partial(f"p{number}")
        await one.settle()
        waiting = one.partial(f"w{number}")  # what it waits for its turn is no time of its decode
        await asyncio.sleep(1.5)
        await one.let_go(f"p{number}")
        await asyncio.sleep(0.5)
        await one.let_go(f"w{number}")
        assert waiting.done()
        for seconds in (1.5, 0.5):
            load_control.note(seconds)
    with one.scheduler.growing():
        assert one.scheduler.intervals == load_control.intervals(1) != LoadControl(1).intervals(1)


async def test_finals_and_files_have_no_part_in_the_pace(one: Bench) -> None:
    for ask in (one.final, one.early_final, one.file):
        ask(ask.__name__)
        await asyncio.sleep(100)
        await one.let_go(ask.__name__)
    with one.scheduler.growing():
        assert one.scheduler.intervals == LoadControl(1).intervals(1)


async def test_finals_are_late_once_they_wait_for_half_a_second_and_longer_than_decodes_take(one: Bench) -> None:
    one.partial("p")
    one.final("f")
    await asyncio.sleep(0.5)
    assert not one.scheduler.is_late
    await asyncio.sleep(0.1)
    assert one.scheduler.is_late
    await one.let_go("p", "f")
    for number in range(20):
        one.partial(f"slow{number}")
        await asyncio.sleep(1)
        await one.let_go(f"slow{number}")
    one.partial("p2")
    one.final("f2")
    await asyncio.sleep(2)
    assert not one.scheduler.is_late
    await asyncio.sleep(2)
    assert one.scheduler.is_late


async def test_a_session_pays_for_its_finals(one: Bench) -> None:
    usage = SessionUsage(Costs(0.1))
    asyncio.create_task(one.scheduler.final(one._work("f"), Work.FINAL, usage))  # noqa: RUF006
    await asyncio.sleep(3)
    await one.let_go("f")
    assert usage.share(asyncio.get_running_loop().time()) == pytest.approx(0.3)


async def test_finals_may_take_every_slot(two: Bench) -> None:
    for name in ("f1", "f2", "f3"):
        two.final(name)
    await two.settle()
    assert two.started == ["f1", "f2"]


async def test_results_go_to_those_who_asked(two: Bench) -> None:
    final, partial = two.final("f"), two.partial("p")
    await two.settle()
    await two.let_go("p", "f")
    assert (final.result(), partial.result()) == ("F", "P")
    assert two.scheduler.running == 0


async def test_a_partial_reads_its_sound_when_it_starts(one: Bench) -> None:
    result = ["at first"]

    def begin() -> Callable[[], str]:
        snapshot = result[-1]
        return lambda: snapshot

    one.final("f")
    partial = one.partial("p", begin)
    await one.settle()
    result.append("later")
    await one.let_go("f", "later")
    assert await partial == "LATER"


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


async def test_a_slot_is_in_use_until_its_decode_is_done_even_if_the_caller_is_gone(one: Bench) -> None:
    abandoned = one.final("f")
    await one.settle()
    abandoned.cancel()
    one.final("f2")
    await asyncio.sleep(60)
    assert one.scheduler.running == 1
    assert one.started == ["f"]
    await one.let_go("f")
    assert one.started == ["f", "f2"]


# --- with threads, as the engine has them ---


def held() -> AbstractContextManager[None]:
    """Keep the clock still while threads work that the loop does not know of."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    return loop.hold()


async def test_decodes_run_in_threads_beside_the_loop_and_each_other() -> None:
    scheduler, meeting = Scheduler(2), threading.Barrier(3, timeout=STUCK_SECONDS)
    with held():
        decodes = [asyncio.create_task(scheduler.final(meeting.wait)) for _ in range(2)]
        await asyncio.to_thread(meeting.wait)
        await asyncio.gather(*decodes)
        with pytest.raises(ZeroDivisionError):
            await scheduler.final(lambda: 1 // 0)
        assert scheduler.running == 0
        await scheduler.close()


async def test_closing_cancels_what_waits_and_waits_for_what_runs() -> None:
    scheduler, started, gate = Scheduler(1), asyncio.Event(), threading.Event()
    tell_start = partial(asyncio.get_running_loop().call_soon_threadsafe, started.set)

    def work() -> str:
        tell_start()
        assert gate.wait(STUCK_SECONDS)
        return "done"

    with held():
        running = asyncio.create_task(scheduler.final(work))
        await started.wait()
        waiting = asyncio.create_task(scheduler.final(work))
        await asyncio.sleep(0)
        closing = asyncio.create_task(scheduler.close())
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        assert not closing.done()
        gate.set()
        await closing
        assert await running == "done"


def test_a_scheduler_without_workers_is_refused() -> None:
    with pytest.raises(ValueError, match="workers is 0; at least 1 is needed"):
        Scheduler(0)


async def test_a_decode_that_never_ends_is_known_as_stuck() -> None:
    bench = Bench(2)
    for name in ("first", "second"):
        bench.final(name)
    await bench.settle()
    await asyncio.sleep(119)
    assert not bench.scheduler.is_stuck
    await bench.let_go("first")
    await asyncio.sleep(2)
    assert bench.scheduler.is_stuck
    await bench.let_go("second")
    assert not bench.scheduler.is_stuck


async def test_closing_does_not_wait_for_a_decode_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio, "to_thread", never)
    began = asyncio.get_running_loop().time()
    await Scheduler(1, Gates()).close()
    assert asyncio.get_running_loop().time() - began == 10
