"""Waits end with the change that they wait for, and not later."""

import asyncio

import pytest

from stream.waiting import Changes, first_of, is_first

pytestmark = pytest.mark.virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


async def after(seconds: float) -> None:
    await asyncio.sleep(seconds)


async def test_a_change_wakes_all_who_wait_and_nobody_who_comes_later() -> None:
    changes = Changes()
    waiting = [asyncio.create_task(changes.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    changes.signal()
    await asyncio.gather(*waiting)
    began = now()
    await changes.wait(5)
    assert now() - began == 5


async def test_a_wait_that_is_over_already_does_not_return_at_the_same_moment() -> None:
    began = now()
    await Changes().wait(0)
    assert now() > began


async def test_a_condition_is_looked_at_with_each_change_only() -> None:
    changes = Changes()
    looks: list[float] = []

    def is_third_look() -> bool:
        looks.append(now())
        return len(looks) == 3

    began = now()
    waiting = asyncio.create_task(changes.wait_until(is_third_look))
    for _ in range(2):
        await asyncio.sleep(10)
        changes.signal()
    await waiting
    assert [look - began for look in looks] == [0, 10, 20]


async def test_a_condition_that_holds_is_not_waited_for() -> None:
    await Changes().wait_until(lambda: True)


@pytest.mark.parametrize(("seconds", "is_in_time"), [(None, True), (3, True), (1, False)])
async def test_the_first_of_several_ends_the_wait(seconds: float | None, is_in_time: bool) -> None:
    began = now()
    assert await first_of(after(9), after(2), seconds=seconds) is is_in_time
    assert now() - began == (2 if is_in_time else 1)


async def test_what_is_wanted_may_lose_to_another() -> None:
    assert await is_first(after(1), after(2))
    assert not await is_first(after(2), after(1))
    assert not await is_first(after(2), seconds=1)


async def test_those_that_lose_are_cancelled() -> None:
    is_cancelled = asyncio.Event()

    async def losing() -> None:
        try:
            await asyncio.sleep(9)
        except asyncio.CancelledError:
            is_cancelled.set()
            raise

    await first_of(losing(), after(1))
    assert is_cancelled.is_set()


async def test_what_fails_first_is_raised() -> None:
    async def failing() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await first_of(after(1), failing())
