import asyncio

from web.channels.broadcast import Broadcast


async def turns_until_woken(broadcast: Broadcast, count: int) -> list[int]:
    """How many readers were awake after each turn of the loop."""
    waiting = [broadcast.wait() for _ in range(count)]
    broadcast.wake()
    awake = []
    while not all(one.done() for one in waiting):
        await asyncio.sleep(0)
        awake.append(sum(one.done() for one in waiting))
    return awake


async def test_readers_wake_a_few_in_each_turn() -> None:
    awake = await turns_until_woken(Broadcast(), 100)
    assert awake == [32, 64, 96, 100]


async def test_a_reader_that_waits_again_waits_for_the_next_change() -> None:
    broadcast = Broadcast()
    first = broadcast.wait()
    broadcast.wake()
    second = broadcast.wait()
    await first
    await asyncio.sleep(0)
    assert not second.done()
    broadcast.wake()
    assert await second


async def test_a_change_in_the_middle_wakes_each_reader_once_more_at_most() -> None:
    broadcast = Broadcast()
    woken = [broadcast.wait() for _ in range(50)]
    broadcast.wake()
    await asyncio.sleep(0)
    again = [broadcast.wait() for _ in range(32)]
    broadcast.wake()
    for _ in range(4):
        await asyncio.sleep(0)
    assert all(one.done() for one in [*woken, *again])
    assert len(broadcast) == 0


async def test_readers_that_left_are_passed_over() -> None:
    broadcast = Broadcast()
    gone, there = broadcast.wait(), broadcast.wait()
    gone.cancel()
    broadcast.wake()
    assert await there
