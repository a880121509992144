import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.runtime.fairness import AudioLead, FairShare, WorkLimit

CHUNKS = st.lists(st.floats(min_value=0.01, max_value=0.5), min_size=1, max_size=60)


@given(CHUNKS)
def test_sound_at_its_own_speed_is_never_early(chunks: list[float]) -> None:
    lead, now = AudioLead(0.0), 0.0
    for seconds in chunks:
        now += seconds
        assert not lead.take(seconds, now)


@given(CHUNKS)
def test_a_clock_that_is_a_little_fast_is_never_early(chunks: list[float]) -> None:
    lead, now = AudioLead(0.0), 0.0
    for seconds in chunks:
        now += seconds / 1.05
        assert not lead.take(seconds, now)


def test_what_was_kept_while_the_connection_was_away_may_come_at_once() -> None:
    lead = AudioLead(0.0)
    assert not any(lead.take(0.1, 0.0) for _ in range(19))


def test_a_file_is_early_after_its_first_seconds() -> None:
    lead = AudioLead(0.0)
    early = [lead.take(0.1, 0.02 * n) for n in range(100)]
    assert not any(early[:15])
    assert all(early[-50:])


def test_who_speaks_is_live_after_a_second_and_a_file_never_is() -> None:
    talker, file = AudioLead(0.0), AudioLead(0.0)
    live: dict[str, list[bool]] = {"talker": [], "file": []}
    for n in range(100):
        talker.take(0.1, 0.1 * n)
        live["talker"].append(talker.is_live)
        file.take(0.1, 0.02 * n)
        live["file"].append(file.is_live)
    assert live["talker"] == [False] * 10 + [True] * 90
    assert not any(live["file"])


def test_haste_is_forgiven() -> None:
    lead = AudioLead(0.0)
    for _ in range(6000):
        lead.take(0.1, 0.0)
    # Ten minutes too early, and some seconds later live again.
    assert not lead.take(0.1, 3.0)


def test_patience_does_not_add_up() -> None:
    lead = AudioLead(0.0)
    early = [lead.take(0.1, 3600.0) for _ in range(40)]
    assert any(early)


def test_beside_live_sound_all_others_are_served_in_small_pieces() -> None:
    fair_share = FairShare()
    assert fair_share.frames(100.0) == 100
    fair_share.see_live(100.0)
    assert (fair_share.frames(100.9), fair_share.frames(101.1)) == (10, 100)


@pytest.mark.fault(8)
async def test_those_that_are_early_come_one_at_a_time() -> None:
    fair_share, inside, most = FairShare(), 0, 0

    async def one() -> None:
        nonlocal inside, most
        for _ in range(5):
            async with fair_share.turn():
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1

    await asyncio.gather(*(one() for _ in range(10)))
    assert most == 1


async def test_between_two_turns_everybody_else_is_served() -> None:
    fair_share, rounds = FairShare(), 0

    async def tick() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    others = asyncio.create_task(tick())
    for _ in range(20):
        async with fair_share.turn():
            pass
    others.cancel()
    assert rounds >= 20


@pytest.mark.virtual_time
async def test_beside_live_sound_everybody_else_is_served_for_longer() -> None:
    loop, fair_share = asyncio.get_running_loop(), FairShare()

    async def take(count: int) -> float:
        began = loop.time()
        for _ in range(count):
            async with fair_share.turn():
                pass
        return loop.time() - began

    assert await take(20) == 0
    fair_share.see_live(loop.time())
    # A second after the last live sound all is as before.
    assert await take(20) == pytest.approx(20 * 0.005)
    assert await take(1000) == pytest.approx(1 - 20 * 0.005, abs=0.006)


@pytest.mark.virtual_time
async def test_beside_live_sound_nobody_has_the_turn_in_the_pause_after_another() -> None:
    loop, fair_share, times = asyncio.get_running_loop(), FairShare(), list[float]()

    async def take() -> None:
        async with fair_share.turn():
            times.append(loop.time() - began)

    began = loop.time()
    fair_share.see_live(began)
    await asyncio.gather(take(), take(), take())
    assert times == pytest.approx([0, 0.005, 0.01])


async def waited(limit: WorkLimit, steps: int, audio_seconds: float = 0.0) -> float:
    clock = asyncio.get_running_loop().time
    began = clock()
    for _ in range(steps):
        await limit.step(clock(), audio_seconds)
    return clock() - began


@pytest.mark.virtual_time
async def test_steps_without_sound_wait_beside_live_sound_after_a_burst() -> None:
    fair_share, now = FairShare(), asyncio.get_running_loop().time()
    fair_share.see_live(now)
    limit = WorkLimit(fair_share, now)
    assert await waited(limit, 99) == 0.0
    assert await waited(limit, 100) == pytest.approx(0.5, rel=0.2)


@pytest.mark.virtual_time
async def test_steps_with_sound_never_wait() -> None:
    fair_share, now = FairShare(), asyncio.get_running_loop().time()
    fair_share.see_live(now)
    assert await waited(WorkLimit(fair_share, now), 1000, audio_seconds=0.01) == 0.0


@pytest.mark.virtual_time
async def test_a_step_lets_the_loop_go_round() -> None:
    now = asyncio.get_running_loop().time()
    limit, rounds = WorkLimit(FairShare(), now), 0

    async def count() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await waited(limit, 300)
    counting.cancel()
    assert rounds >= 300


@pytest.mark.virtual_time
async def test_steps_that_take_long_for_their_sound_wait_beside_live_sound() -> None:
    fair_share, clock = FairShare(), asyncio.get_running_loop().time
    limit, began = WorkLimit(fair_share, clock()), clock()
    for _ in range(100):
        fair_share.see_live(clock())
        await limit.step(clock(), audio_seconds=0.01, work_seconds=0.002)
    # A debt of 30 ms each: half a second of it is free.
    assert clock() - began == pytest.approx(0.42, rel=0.1)
