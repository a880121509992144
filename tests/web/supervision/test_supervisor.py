"""A child that dies or hangs is replaced, on the virtual clock, by a script of children."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from stream.waiting import Changes
from tests.web.supervision.children import ScriptedChild
from web.supervision.heartbeat import HANG_LIMITS
from web.supervision.restarts import CANNOT_START, GivenUp, Restarts
from web.supervision.supervisor import Supervisor

pytestmark = pytest.mark.virtual_time


@asynccontextmanager
async def supervised(
    children: Sequence[ScriptedChild], changes: Changes | None = None, restarts: Restarts | None = None
) -> AsyncIterator[Supervisor]:
    waiting = iter(children)

    async def start() -> ScriptedChild:
        child = next(waiting)
        child.start()
        return child

    supervisor = Supervisor(start, HANG_LIMITS, changes or Changes(), name="child", restarts=restarts)
    running = asyncio.create_task(supervisor.run())
    try:
        yield supervisor
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_child_that_hangs_is_killed_and_replaced() -> None:
    first, second = ScriptedChild(silent_after=100), ScriptedChild()
    async with supervised([first, second]) as supervisor:
        await asyncio.sleep(99.5)
        assert supervisor.is_answering
        # New streams wait before the child is given up.
        await asyncio.sleep(4.6)
        assert not supervisor.is_answering
        assert not first.was_killed
        await asyncio.sleep(4)
        assert first.was_killed
        assert first.ended_at - first.began == pytest.approx(100 + HANG_LIMITS.idle, abs=2)
        await asyncio.sleep(2)
        assert second.began - first.ended_at < 1
        assert supervisor.is_answering
        assert not second.was_killed
    assert second.was_stopped


async def test_each_change_of_its_answering_is_signalled() -> None:
    changes, seen = Changes(), []
    async with supervised([ScriptedChild(silent_after=100), ScriptedChild()], changes) as supervisor:

        async def look() -> None:
            while True:
                await changes.wait()
                seen.append(supervisor.is_answering)

        looking = asyncio.create_task(look())
        await asyncio.sleep(200)
        looking.cancel()
    # Ready, suspected, and ready again as another process.
    assert seen == [True, False, True]


async def test_a_child_that_is_busy_is_left_alone() -> None:
    busy = ScriptedChild(silent_after=10, works=True)
    async with supervised([busy]) as supervisor:
        await asyncio.sleep(12)
        assert supervisor.is_answering
        await asyncio.sleep(50)
        assert not busy.was_killed


async def test_a_child_that_loads_for_long_is_never_killed() -> None:
    slow = ScriptedChild(loads=3000)
    async with supervised([slow]) as supervisor:
        await asyncio.sleep(2999)
        assert not supervisor.is_answering
        await asyncio.sleep(3)
        assert supervisor.is_answering
    assert not slow.was_killed


async def test_a_machine_too_slow_to_start_within_the_patience_gets_more_each_time() -> None:
    children = [ScriptedChild(loads=300, beats_while_loading=False) for _ in range(4)]
    async with supervised(children) as supervisor:
        await asyncio.sleep(1000)
        # 60, 120, 240 s, and then 480 are enough.
        assert [child.was_killed for child in children] == [True, True, True, False]
        assert supervisor.is_answering


async def test_a_child_that_dies_is_started_again_after_growing_pauses() -> None:
    children = [ScriptedChild(dies=(0.5, 1)) for _ in range(9)] + [ScriptedChild()]
    async with supervised(children) as supervisor:
        await asyncio.sleep(60)
        assert supervisor.is_answering
    pauses = [later.began - one.ended_at for one, later in itertools.pairwise(children)]
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, 5])


async def test_a_child_that_dies_after_it_lived_is_started_again_at_once() -> None:
    children = [ScriptedChild(dies=(20, 1)) for _ in range(3)] + [ScriptedChild()]
    async with supervised(children):
        await asyncio.sleep(100)
    assert [later.began - one.ended_at for one, later in itertools.pairwise(children)] == pytest.approx([0.1, 0.1, 0.1])


async def test_a_child_that_can_never_start_is_given_up() -> None:
    async with supervised([ScriptedChild(dies=(0.5, CANNOT_START))]) as supervisor:
        await supervisor.gave_up.wait()
        assert supervisor.failure is GivenUp.CANNOT_START
        assert not supervisor.is_answering


async def test_a_child_that_ends_soon_after_each_start_is_given_up_where_that_is_bounded() -> None:
    children = [ScriptedChild(dies=(9, 1)), ScriptedChild(dies=(20, 1)), *(ScriptedChild(dies=(9, 1)) for _ in "123")]
    async with supervised(children, restarts=Restarts(most_deaths=3)) as supervisor:
        await supervisor.gave_up.wait()
        # The one that lived for longer ends the row before it.
        assert supervisor.starts == len(children) - 1
        assert supervisor.failure is GivenUp.DIES_AT_ONCE
        assert supervisor.exit_code == 1


async def test_a_child_that_is_retired_ends_by_itself_and_has_no_successor() -> None:
    child, never = ScriptedChild(dies=(30, 0)), ScriptedChild()
    async with supervised([child, never]) as supervisor:
        await asyncio.sleep(5)
        supervisor.retire()
        await asyncio.sleep(60)
        assert (child.was_killed, supervisor.exit_code, never.began) == (False, 0, -1)


async def test_no_child_is_started_once_it_is_retired_in_a_pause() -> None:
    children = [ScriptedChild(dies=(0.5, 1)), ScriptedChild()]
    async with supervised(children) as supervisor:
        await asyncio.sleep(0.55)
        supervisor.retire()
        await asyncio.sleep(60)
        assert supervisor.starts == 1


async def test_a_child_that_is_dropped_is_killed_and_has_no_successor() -> None:
    child, never = ScriptedChild(), ScriptedChild()
    async with supervised([child, never]) as supervisor:
        await asyncio.sleep(5)
        supervisor.drop()
        await asyncio.sleep(60)
        assert child.was_killed
        assert never.began < 0
        assert not supervisor.is_answering


async def test_a_child_for_which_there_is_no_process_is_started_later() -> None:
    child, failures = ScriptedChild(), [BlockingIOError(11, "Resource temporarily unavailable")] * 3

    async def start() -> ScriptedChild:
        if failures:
            raise failures.pop()
        child.start()
        return child

    began = asyncio.get_running_loop().time()
    supervisor = Supervisor(start, HANG_LIMITS, Changes(), name="child")
    running = asyncio.create_task(supervisor.run())
    await asyncio.sleep(10)
    assert supervisor.is_answering
    assert child.began - began == pytest.approx(0.1 + 0.2 + 0.4, abs=0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
