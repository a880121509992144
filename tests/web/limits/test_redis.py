"""Row 10: several servers count together in a real Redis, and continue without it."""

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.support.processes import STUCK_SECONDS
from tests.web.limits.gateway import OWNER_FULL, SECOND, explained, limited, refused, speak, stream
from tests.web.support.redis import PASSWORD, executable, running_redis
from tests.web.support.sockets import received
from tests.web.support.tokens import token
from web.limits.redis import _OVERALL, redis_store
from web.limits.store import Full, MemoryStore, SlotLimits, Store

needs_redis = pytest.mark.skipif(executable() is None, reason="there is no Redis server for this machine")


@pytest.fixture(scope="module")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_redis(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
def redis_url(shared_redis: str) -> str:
    """URL of a Redis in which nothing is counted yet."""
    with Redis.from_url(shared_redis) as client:
        client.flushall()
    return shared_redis


async def until_admitted(base: str) -> None:
    """Wait until the server has seen that the stream before has ended."""
    async with asyncio.timeout(STUCK_SECONDS):
        while (await explained(base, f"jwt={token()}"))[0] != 426:
            await asyncio.sleep(0.05)


@needs_redis
async def test_both_stores_count_alike(redis_url: str) -> None:
    async with redis_store(redis_url) as redis:
        for store in (MemoryStore(asyncio.get_running_loop().time), redis):
            await check_store(store)


async def check_store(store: Store) -> None:
    """Check what every store does."""
    room = SlotLimits(2, 3)
    assert [await store.take(slot, "a", room) for slot in "12"] == [None, None]
    assert await store.take("3", "a", room) is await store.full("a", room) is Full.OWNER
    assert await store.take("3", "a", SlotLimits(None, 3)) is None
    assert await store.take("4", "b", room) is await store.full("b", room) is Full.SERVER
    for _ in range(2):
        await store.release("1", "a")
    assert await store.full("b", room) is None
    assert await store.full("a", room) is Full.OWNER
    assert (await store.window("k")).amount == 0
    assert [(await store.add("k", amount, 100)).amount for amount in (1, 5)] == [1, 6]
    window = await store.window("k")
    assert (window.amount, 0 < window.resets_in_seconds <= 100) == (6, True)
    assert (await store.add("other", 2, 100)).amount == 2


@needs_redis
async def test_servers_with_one_redis_share_streams_and_minutes(redis_url: str) -> None:
    shared: dict[str, Any] = {"limits_url": redis_url, "streams_per_owner": 1, "minutes_per_day": 0.1}
    async with limited(**shared) as one, limited(**shared) as other:
        async with stream(one):
            assert await refused(other, f"jwt={token()}") == await explained(other, f"jwt={token()}") == OWNER_FULL
        await until_admitted(other)
        assert (await speak(one, 4)).close_code == 1000
        await until_admitted(other)
        assert (await speak(other, 4)).close_code == 4429
        assert (await refused(one, f"jwt={token()}"))[:2] == (429, "rate_limited")


@pytest.mark.fault(10)
@needs_redis
async def test_slots_of_a_killed_server_expire(redis_url: str) -> None:
    room = SlotLimits(2, 2)
    async with redis_store(redis_url, 1) as living, asyncio.timeout(STUCK_SECONDS):
        assert await living.take("2", "a", room) is None
        async with redis_store(redis_url, 1) as killed:
            assert await killed.take("1", "a", room) is None
        while await living.full("a", room):
            await asyncio.sleep(0.05)
        # Its own is held still, or again where this machine was too slow to renew it in time.
        while await living.full("a", SlotLimits(1, 2)) is not Full.OWNER:
            await asyncio.sleep(0.05)
        assert await living.full("a", room) is None


@pytest.mark.fault(10)
@needs_redis
async def test_a_living_server_renews_its_slots(redis_url: str) -> None:
    with Redis.from_url(redis_url) as client:
        async with redis_store(redis_url, 0.3) as living, asyncio.timeout(STUCK_SECONDS):
            assert await living.take("1", "a", SlotLimits(1, 1)) is None
            for key in (_OVERALL, f"{_OVERALL}:a"):
                ends: set[Any] = set()
                while len(ends) < 3:
                    ends.add(client.zscore(key, "1"))
                    await asyncio.sleep(0.02)


async def test_without_its_redis_a_server_counts_alone(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there, and nobody else can
        url_of_nobody = f"redis://:{PASSWORD}@127.0.0.1:{taken.getsockname()[1]}"
        async with limited(limits_url=url_of_nobody, streams_per_owner=1) as url, stream(url):
            assert await refused(url, f"jwt={token()}") == OWNER_FULL
    output = capfd.readouterr()
    assert "limits_counted_alone" in output.out + output.err
    assert PASSWORD not in output.out + output.err


@needs_redis
async def test_a_redis_that_dies_ends_no_stream(tmp_path: Path) -> None:
    async with AsyncExitStack() as held:
        redis = held.enter_context(ExitStack())
        url_of_redis = redis.enter_context(running_redis(tmp_path))
        url = await held.enter_async_context(limited(limits_url=url_of_redis, minutes_per_day=1))
        talk = await held.enter_async_context(stream(url))
        await talk.send(SECOND * 2)
        redis.close()
        await talk.send(SECOND * 2)
        await talk.send("close")
        assert [json.loads(message)["status"] async for message in received(talk)] == ["done"]
        await until_admitted(url)


@pytest.mark.fault(42)
@needs_redis
async def test_a_clock_set_back_refuses_nobody(redis_url: str) -> None:
    hour_ms = 3_600_000
    with Redis.from_url(redis_url) as client:
        async with redis_store(redis_url, 1) as store, asyncio.timeout(STUCK_SECONDS):
            await store.add("k", 5, 1)
            assert await store.take("1", "a", SlotLimits(1, 1)) is None
            # What Redis holds once its clock was set back: everything ends an hour later.
            store._held.clear()
            ends_at: Any = client.zscore(_OVERALL, "1")
            for key in (_OVERALL, f"{_OVERALL}:a"):
                client.zadd(key, {"1": ends_at + 3600})
                client.pexpire(key, hour_ms)
            client.pexpire("niyosha:k", hour_ms)
            assert (await store.add("k", 1, 1)).resets_in_seconds <= 1
            client.pexpire("niyosha:k", 100 * hour_ms)
            assert (await store.window("k")).resets_in_seconds <= 86_400
            while await store.full("a", SlotLimits(1, 1)):
                await asyncio.sleep(0.05)


@needs_redis
async def test_a_token_is_used_once_at_all_servers(redis_url: str) -> None:
    async with limited(limits_url=redis_url) as one, limited(limits_url=redis_url) as other:
        claims = {"one_use": True, "jti": "once"}
        async with stream(one, **claims):
            assert (await refused(other, f"jwt={token(**claims)}"))[:2] == (401, "unauthenticated")
