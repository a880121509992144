import asyncio

from web.channels.broadcast import Broadcast


class Reader:
    """A reader that counts how often it was woken."""

    def __init__(self) -> None:
        self.is_due = False
        self.count = 0

    def wake(self) -> None:
        self.count += 1


def readers_of(broadcast: Broadcast, count: int) -> list[Reader]:
    readers = [Reader() for _ in range(count)]
    for reader in readers:
        broadcast.add(reader)
    return readers


async def test_readers_wake_a_few_in_each_turn() -> None:
    broadcast = Broadcast()
    readers = readers_of(broadcast, 100)
    broadcast.wake()
    awake = []
    for _ in range(4):
        await asyncio.sleep(0)
        awake.append(sum(reader.count for reader in readers))
    assert awake == [32, 64, 96, 100]


async def test_a_change_in_the_middle_wakes_each_reader_once_more_at_most() -> None:
    broadcast = Broadcast()
    readers = readers_of(broadcast, 50)
    broadcast.wake()
    await asyncio.sleep(0)
    broadcast.wake()
    for _ in range(4):
        await asyncio.sleep(0)
    # Those that had their turn have another one; the others see both changes in theirs.
    assert [reader.count for reader in readers] == [2] * 32 + [1] * 18
    broadcast.wake()
    for _ in range(2):
        await asyncio.sleep(0)
    assert [reader.count for reader in readers] == [3] * 32 + [2] * 18


async def test_readers_that_left_are_passed_over() -> None:
    broadcast = Broadcast()
    gone, there = readers_of(broadcast, 2)
    broadcast.wake()
    broadcast.discard(gone)
    await asyncio.sleep(0)
    assert (gone.count, there.count, len(broadcast)) == (0, 1, 1)
