import asyncio

import pytest

from stream.timers import MovingTimeout, MovingTimer

pytestmark = pytest.mark.virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_timer_calls_when_its_last_deadline_passes() -> None:
    began, calls = now(), list[float]()
    timer = MovingTimer(lambda: calls.append(now() - began))
    for second in range(5):
        timer.move(began + second + 3)
        await asyncio.sleep(1)
    await asyncio.sleep(10)
    assert (calls, timer.due) == ([7], None)


async def test_a_timer_may_be_moved_to_an_earlier_time() -> None:
    began, calls = now(), list[float]()
    timer = MovingTimer(lambda: calls.append(now() - began))
    timer.move(began + 10)
    timer.move(began + 2)
    await asyncio.sleep(20)
    assert calls == [2]


@pytest.mark.parametrize("stop", [lambda timer: timer.move(None), lambda timer: timer.close()])
async def test_a_timer_without_a_deadline_calls_nobody(stop: object) -> None:
    calls = list[float]()
    timer = MovingTimer(lambda: calls.append(now()))
    timer.move(now() + 1)
    stop(timer)  # type: ignore[operator]
    await asyncio.sleep(5)
    assert calls == []


async def test_a_timeout_ends_what_is_waited_for_at_its_last_deadline() -> None:
    began = now()
    timeout = MovingTimeout()

    async def wait() -> None:
        async with timeout:
            timeout.move(began + 1)
            timeout.move(began + 4)
            await asyncio.sleep(3)
            timeout.move(began + 6)
            await asyncio.sleep(100)

    with pytest.raises(TimeoutError):
        await wait()
    assert (now() - began, timeout.expired()) == (6, True)


async def test_a_timeout_may_be_ended_at_once() -> None:
    began = now()
    timeout = MovingTimeout()

    async def wait() -> None:
        async with timeout:
            await asyncio.sleep(100)

    asyncio.get_running_loop().call_later(2, timeout.expire)
    with pytest.raises(TimeoutError):
        await wait()
    assert now() - began == 2


async def test_what_comes_in_the_round_in_which_the_time_runs_out_counts() -> None:
    arrived = asyncio.Event()
    async with MovingTimeout() as timeout:

        def arrive_late() -> None:
            arrived.set()
            timeout.expire()

        asyncio.get_running_loop().call_later(1, arrive_late)
        await arrived.wait()
        timeout.move(None)
        await asyncio.sleep(5)
    assert not timeout.expired()


async def test_an_error_passes_a_timeout_unchanged() -> None:
    async def fail() -> None:
        async with MovingTimeout() as timeout:
            timeout.move(now() + 1)
            raise ValueError("of its own")

    with pytest.raises(ValueError, match="of its own"):
        await fail()
