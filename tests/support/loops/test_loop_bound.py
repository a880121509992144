"""The bound that every other test has is held by what it says."""

import asyncio
from time import thread_time

import pytest

from tests.support.loops.loop_bound import MOST_CPU_SECONDS


def work(seconds: float) -> None:
    until = thread_time() + seconds
    while thread_time() < until:
        pass


@pytest.mark.fault(46)
@pytest.mark.virtual_time
async def test_a_callback_that_works_for_long_is_found(callbacks: list[str]) -> None:
    asyncio.get_running_loop().call_soon(work, MOST_CPU_SECONDS * 1.1)
    await asyncio.sleep(1)
    (found,) = callbacks
    assert "work(" in found
    callbacks.clear()


async def test_what_the_test_itself_does_counts_not(callbacks: list[str]) -> None:
    work(MOST_CPU_SECONDS * 1.1)
    await asyncio.sleep(0)
    assert callbacks == []
