from dataclasses import replace

import pytest

from stream.channels.lines import Line
from stream.errors import ClientError, Problem
from tests.support.loops.clock import MovableClock
from web.store.channels import NUMBERS_AT_ONCE, Channel, Channels
from web.store.database.database import Database

HOUR_SECONDS = 3600.0


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(now=1_800_000_000.0)


@pytest.fixture
def channels(database: Database, clock: MovableClock) -> Channels:
    return Channels(database, clock=clock)


def channel(name: str = "main", owner: str = "ann", **changed: object) -> Channel:
    usual: dict[str, object] = {"is_public": True, "retention_seconds": HOUR_SECONDS}
    return Channel(
        name=name,
        owner=owner,
        title="صحنه",
        languages=("fa", "en"),
        glossary=("Yazd",),
        created_at=1_800_000_000.0,
        **(usual | changed),  # type: ignore[arg-type]
    )


def line(number: int, clock: MovableClock, text: str = "a") -> Line:
    return Line(
        text=text,
        start_ms=number * 1000,
        end_ms=number * 1000 + 500,
        speaker="Ann",
        is_settled=True,
        utterance=("t", number),
        number=number,
        change_id=int(clock.now * 1000) + number,
    )


async def test_a_channel_is_kept_as_it_was_made(channels: Channels) -> None:
    await channels.create(channel(), most=2)
    assert await channels.get("main") == channel()
    assert await channels.all("ann") == [channel()]
    assert (await channels.all("bob"), await channels.get("other")) == ([], None)


async def test_names_are_unique_and_owners_have_some_at_most(channels: Channels) -> None:
    await channels.create(channel(), most=1)
    for second, problem in [(channel(owner="bob"), Problem.CONFLICT), (channel("second"), Problem.RATE_LIMITED)]:
        with pytest.raises(ClientError) as refused:
            await channels.create(second, most=1)
        assert refused.value.problem is problem


async def test_only_its_owner_deletes_a_channel(channels: Channels, clock: MovableClock) -> None:
    await channels.create(channel(), most=1)
    await channels.keep("main", [line(1, clock)])
    assert not await channels.delete("main", "bob")
    assert await channels.delete("main", "ann")
    await channels.create(channel(), most=1)
    assert await channels.lines(channel()) == []


async def test_lines_are_replaced_by_their_newest_state(channels: Channels, clock: MovableClock) -> None:
    await channels.create(channel(), most=1)
    first = line(1, clock)
    await channels.keep("main", [line(number, clock) for number in range(1, 250)])
    corrected = replace(first, text="b", recognized="a", is_hidden=True, change_id=first.change_id + 1000)
    await channels.keep("main", [corrected])
    stored = {one.number: one for one in await channels.lines(channel())}
    assert len(stored) == 249
    assert stored[1] == corrected
    assert stored[2] == line(2, clock)
    assert await channels.lines(channel(), changed_after=corrected.change_id - 1) == [corrected]


async def test_lines_of_a_channel_that_is_gone_are_dropped(channels: Channels, clock: MovableClock) -> None:
    await channels.keep("main", [line(1, clock)])
    assert await channels.reserve("main") is None


async def test_processes_reserve_line_numbers_of_their_own(channels: Channels) -> None:
    await channels.create(channel(), most=1)
    assert [await channels.reserve("main") for _ in range(2)] == [1, 1 + NUMBERS_AT_ONCE]


async def test_the_clock_of_a_channel_begins_once(channels: Channels) -> None:
    await channels.create(channel(), most=1)
    assert [await channels.begin("main", 5.0), await channels.begin("main", 9.0)] == [5.0, 5.0]
    kept = await channels.get("main")
    assert kept is not None
    assert kept.began_at == 5.0


async def test_text_is_kept_as_long_as_its_channel_says(channels: Channels, clock: MovableClock) -> None:
    await channels.create(channel(), most=2)
    longer = channel("long", retention_seconds=3 * HOUR_SECONDS)
    await channels.create(longer, most=2)
    for name in ("main", "long"):
        await channels.keep(name, [line(1, clock)])
    clock.now += 2 * HOUR_SECONDS
    await channels.keep("main", [line(2, clock)])
    assert [one.number for one in await channels.lines(channel())] == [2]
    assert await channels.sweep() == 1
    assert [one.number for one in await channels.lines(longer)] == [1]
    assert await channels.sweep(now=clock.now + 2 * HOUR_SECONDS) == 2
