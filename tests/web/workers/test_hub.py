"""Workers count, mark tokens as used and learn of changes together, at the hub of their parent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import ClientError, Problem
from tests.support.processes import STUCK_SECONDS
from tests.support.tiers import examples
from tests.web.limits.test_redis import check_store
from web.auth.one_time_tokens import SharedUsedTokens, UsedTokens
from web.limits.store import Full, SlotLimits, StoreUnavailableError
from web.workers.hub import Hub
from web.workers.link import WorkerLink, linked
from web.workers.messages import Watch, framed

ROOM = SlotLimits(2, 3)


async def no_metrics() -> bytes:
    return b""


@asynccontextmanager
async def hub(folder: Path, collect: Any = no_metrics) -> AsyncIterator[tuple[Hub, Path]]:
    made, path = Hub(asyncio.get_running_loop().time, collect, 2), folder / "hub"
    async with made.listening(path):
        yield made, path


@asynccontextmanager
async def two_workers(folder: Path) -> AsyncIterator[tuple[WorkerLink, WorkerLink]]:
    async with hub(folder) as (_, path), linked(path) as one, linked(path) as other:
        yield one, other


async def test_the_store_of_a_worker_counts_as_the_others_do(tmp_path: Path) -> None:
    async with two_workers(tmp_path) as (one, _):
        await check_store(one.store)


async def test_workers_count_together(tmp_path: Path) -> None:
    async with two_workers(tmp_path) as (one, other):
        assert (await one.store.add("k", 2, 100)).amount == 2
        assert (await other.store.add("k", 3, 100)).amount == 5
        assert 0 < (await one.store.window("k")).resets_in_seconds <= 100
        assert await one.store.take("1", "a", ROOM) is await other.store.take("2", "a", ROOM) is None
        assert await other.store.full("a", ROOM) is Full.OWNER
        assert await one.store.take("3", "b", ROOM) is None
        assert await other.store.take("4", "c", ROOM) is Full.SERVER
        await other.store.release("1", "a")
        assert await one.store.full("c", ROOM) is None


async def test_the_slots_of_a_worker_end_with_it(tmp_path: Path) -> None:
    async with hub(tmp_path) as (_, path), linked(path) as one:
        async with linked(path) as other:
            await one.store.take("1", "a", ROOM)
            await other.store.take("2", "a", ROOM)
            assert await one.store.full("a", ROOM) is Full.OWNER
        async with asyncio.timeout(STUCK_SECONDS):
            while await one.store.full("a", ROOM) is not None:
                await asyncio.sleep(0)
        assert await one.store.take("3", "a", ROOM) is None
        assert await one.store.full("a", ROOM) is Full.OWNER


async def test_a_slot_that_nobody_waits_for_any_more_is_given_back(tmp_path: Path) -> None:
    async with two_workers(tmp_path) as (one, other):
        taking = asyncio.create_task(one.store.take("1", "a", SlotLimits(1, 1)))
        await asyncio.sleep(0)
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking
        # Requests are carried out in turn, so that this one comes after the slot was taken.
        await one.store.window("k")
        assert await other.store.full("a", SlotLimits(1, 1)) is None


async def test_a_token_is_used_once_at_all_workers(tmp_path: Path) -> None:
    async with two_workers(tmp_path) as (one, other):
        clock = asyncio.get_running_loop().time
        await SharedUsedTokens(one.store.use, clock).use("id", 60)
        with pytest.raises(ClientError, match="the token was for one use, and was used"):
            await SharedUsedTokens(other.store.use, clock).use("id", 60)


async def test_a_token_that_cannot_be_remembered_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UsedTokens, "MOST", 1)
    async with two_workers(tmp_path) as (one, other):
        clock = asyncio.get_running_loop().time
        for use_id in ("1", "2"):
            await SharedUsedTokens(one.store.use, clock).use(use_id, 60)
        with pytest.raises(ClientError) as refused:
            await SharedUsedTokens(other.store.use, clock).use("3", 60)
        assert refused.value.problem is Problem.OVERLOADED


async def test_each_worker_learns_the_latest_state(tmp_path: Path) -> None:
    async with hub(tmp_path) as (made, path), linked(path) as one, linked(path) as other:
        assert (one.state.has_started, one.state.is_answering) == (False, True)
        for is_answering in (False, True, False):
            made.set_state(has_started=True, is_answering=is_answering)
        async with asyncio.timeout(STUCK_SECONDS):
            await one.changes.wait_until(lambda: one.state.has_started and not one.state.is_answering)
            await other.changes.wait_until(lambda: other.state.has_started and not other.state.is_answering)


async def test_work_that_a_worker_announces_wakes_all(tmp_path: Path) -> None:
    async with two_workers(tmp_path) as links:
        woken = [asyncio.create_task(link.announced()) for link in links]
        await asyncio.sleep(0)
        links[0].announce()
        async with asyncio.timeout(STUCK_SECONDS):
            await asyncio.gather(*woken)


async def test_metrics_are_collected_while_the_hub_counts(tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def collect() -> bytes:
        await asked.wait()
        return b"metrics"

    async with hub(tmp_path, collect) as (_, path), linked(path) as link:
        collecting = asyncio.create_task(link.collect())
        assert (await link.store.add("k", 1, 1)).amount == 1
        asked.set()
        assert await collecting == b"metrics"


async def test_a_worker_without_a_hub_counts_nothing(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        async with hub(tmp_path) as (_, path):
            link = await stack.enter_async_context(linked(path))
        with pytest.raises(StoreUnavailableError):
            await link.store.add("k", 1, 1)
        link.announce()
        with pytest.raises(StoreUnavailableError):
            await link.collect()
    with pytest.raises(StoreUnavailableError):
        await AsyncExitStack().enter_async_context(linked(tmp_path / "none"))


@given(st.binary(max_size=200))
@examples(40)
def test_what_is_no_message_ends_its_connection_only(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    async def send() -> None:
        async with hub(tmp_path_factory.mktemp("hub")) as (_, path), linked(path) as link:
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(len(data).to_bytes(4, "big") + data)
            writer.write_eof()
            async with asyncio.timeout(STUCK_SECONDS):
                assert await reader.read() == b""
            writer.close()
            assert (await link.store.add("k", 1, 1)).amount == 1

    asyncio.run(send())


async def test_what_a_worker_relays_reaches_all_in_order(tmp_path: Path) -> None:
    async with two_workers(tmp_path) as (one, other):
        one.send(b"1")
        one.send(b"2")
        async with asyncio.timeout(STUCK_SECONDS):
            for link in (one, other):
                messages = link.messages()
                assert [await anext(messages), await anext(messages)] == [b"1", b"2"]
                await messages.aclose()


async def test_a_worker_that_reads_nothing_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.workers.hub._MOST_RELAYED", 3)
    async with hub(tmp_path) as (_, path), linked(path) as one:
        _, writer = await asyncio.open_unix_connection(path)
        writer.write(framed(Watch()))
        await writer.drain()
        messages = one.messages()
        async with asyncio.timeout(STUCK_SECONDS):
            for number in range(300):
                one.send(number.to_bytes(4, "big") + bytes(60_000))
                assert (await anext(messages))[:4] == number.to_bytes(4, "big")
        writer.close()
