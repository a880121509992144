import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.turns import Lead, Turns

CHUNKS = st.lists(st.floats(min_value=0.01, max_value=0.5), min_size=1, max_size=60)


@given(CHUNKS)
def test_sound_at_its_own_speed_is_never_early(chunks: list[float]) -> None:
    lead, now = Lead(0.0), 0.0
    for seconds in chunks:
        now += seconds
        assert not lead.take(seconds, now)


@given(CHUNKS)
def test_a_clock_that_is_a_little_fast_is_never_early(chunks: list[float]) -> None:
    lead, now = Lead(0.0), 0.0
    for seconds in chunks:
        now += seconds / 1.05
        assert not lead.take(seconds, now)


def test_what_was_kept_while_the_connection_was_away_may_come_at_once() -> None:
    lead = Lead(0.0)
    assert not any(lead.take(0.1, 0.0) for _ in range(19))


def test_a_file_is_early_after_its_first_seconds() -> None:
    lead = Lead(0.0)
    early = [lead.take(0.1, 0.02 * n) for n in range(100)]
    assert not any(early[:15])
    assert all(early[-50:])


def test_who_speaks_is_live_after_a_second_and_a_file_never_is() -> None:
    talker, file = Lead(0.0), Lead(0.0)
    live: dict[str, list[bool]] = {"talker": [], "file": []}
    for n in range(100):
        talker.take(0.1, 0.1 * n)
        live["talker"].append(talker.is_live)
        file.take(0.1, 0.02 * n)
        live["file"].append(file.is_live)
    assert live["talker"] == [False] * 10 + [True] * 90
    assert not any(live["file"])


def test_haste_is_forgiven() -> None:
    lead = Lead(0.0)
    for _ in range(6000):
        lead.take(0.1, 0.0)
    # Ten minutes too early, and some seconds later live again.
    assert not lead.take(0.1, 3.0)


def test_patience_does_not_add_up() -> None:
    lead = Lead(0.0)
    early = [lead.take(0.1, 3600.0) for _ in range(40)]
    assert any(early)


def test_beside_live_sound_all_others_are_served_in_small_pieces() -> None:
    turns = Turns()
    assert turns.frames(100.0) == 100
    turns.see_live(100.0)
    assert (turns.frames(100.9), turns.frames(101.1)) == (10, 100)


@pytest.mark.fault(8)
async def test_those_that_are_early_come_one_at_a_time() -> None:
    turns, inside, most = Turns(), 0, 0

    async def one() -> None:
        nonlocal inside, most
        for _ in range(5):
            async with turns.turn():
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1

    async with asyncio.timeout(10):
        await asyncio.gather(*(one() for _ in range(10)))
    assert most == 1


@asynccontextmanager
async def rounds() -> AsyncIterator[list[int]]:
    """Counts the rounds of the loop."""
    count = [0]

    async def tick() -> None:
        while True:
            count[0] += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(tick())
    try:
        yield count
    finally:
        task.cancel()


@pytest.mark.parametrize("is_live", [False, True])
async def test_between_two_turns_everybody_else_is_served_and_beside_live_sound_for_longer(*, is_live: bool) -> None:
    turns = Turns()
    if is_live:
        turns.see_live(asyncio.get_running_loop().time() + 60)
    async with rounds() as count, asyncio.timeout(10):
        for _ in range(20):
            async with turns.turn():
                pass
    assert count[0] >= 20
    assert (count[0] > 200) == is_live
