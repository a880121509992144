"""Short messages reach the other processes, by PostgreSQL as in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.processes import STUCK_SECONDS
from tests.support.tiers import examples
from tests.web.support.relays import Wires
from web.relay.postgres import PostgresTransport
from web.relay.relay import MOST_BYTES, Relay
from web.store.database.database import Database, libpq_url
from web.tasks import running_task


@asynccontextmanager
async def two(first: Relay, second: Relay) -> AsyncIterator[asyncio.Queue[bytes]]:
    """What the second of two running relays is sent under `t`."""
    received: asyncio.Queue[bytes] = asyncio.Queue()
    second.subscribe("t", received.put_nowait)
    async with running_task(first.run()), running_task(second.run()):
        yield received


async def test_a_body_reaches_the_others_and_not_its_sender() -> None:
    wires = Wires()
    first, second = Relay(wires.end()), Relay(wires.end())
    own: list[bytes] = []
    first.subscribe("t", own.append)
    async with two(first, second) as received:
        first.send("other topic", b"0")
        first.send("t", b"x" * (MOST_BYTES + 1))
        first.send("t", b"1")
        assert await received.get() == b"1"
        second.send("t", b"2")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert (own, received.empty()) == ([b"2"], True)


@given(st.binary(max_size=60))
@examples(60)
def test_what_is_no_message_is_skipped(noise: bytes) -> None:
    async def send() -> None:
        wires = Wires()
        first, second = Relay(wires.end()), Relay(wires.end())
        async with two(first, second) as received:
            wires.send(noise)
            first.send("t", b"1")
            assert await received.get() == b"1"

    asyncio.run(send())


async def test_processes_with_one_database_reach_each_other(postgres_url: str) -> None:
    async with AsyncExitStack() as stack:
        databases = [Database(postgres_url) for _ in range(2)]
        for one in databases:
            stack.push_async_callback(one.close)
        first, second = (Relay(PostgresTransport(one)) for one in databases)
        received = await stack.enter_async_context(two(first, second))
        await until_received(first, received)
        body = bytes(range(256)) * (MOST_BYTES // 256)
        first.send("t", body)
        async with asyncio.timeout(STUCK_SECONDS):
            while await received.get() != body:
                pass


async def test_a_lost_connection_to_the_database_is_replaced(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncExitStack() as stack:
        databases = [Database(postgres_url) for _ in range(2)]
        for one in databases:
            stack.push_async_callback(one.close)
        first, second = (Relay(PostgresTransport(one)) for one in databases)
        received = await stack.enter_async_context(two(first, second))
        await until_received(first, received)
        async with await psycopg.AsyncConnection.connect(libpq_url(postgres_url), autocommit=True) as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE query = 'LISTEN niyosha'"
            )
        while not received.empty():
            received.get_nowait()
        await until_received(first, received)


async def until_received(relay: Relay, received: asyncio.Queue[bytes]) -> None:
    """Send until something is received: what is sent before the other one listens is lost."""
    async with asyncio.timeout(STUCK_SECONDS):
        while received.empty():
            relay.send("t", b"are you there")
            await asyncio.sleep(0.05)
