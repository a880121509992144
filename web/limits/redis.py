"""Counters for limits that several servers share, in Redis."""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import cast

import structlog
from limits.aio.storage import RedisStorage
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

from web.limits.store import DAY_SECONDS, Full, SlotLimits, StoreUnavailableError, Window

# After so long the slots of a server that was killed are free; a running server renews its own every third of it.
_LEASE_SECONDS = 30.0
# The longest time that a handshake waits for Redis.
_TIMEOUT_SECONDS = 1.0
_CONNECTIONS = 16
_PREFIX = "niyosha"
_OVERALL = f"{_PREFIX}:streams"
_UNLIMITED = 1 << 30
# KEYS: the owner's slots, all slots. ARGV: the owner's limit, the overall one, the lease, the slot or nothing.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1e6
for place, key in ipairs(KEYS) do
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  -- A lease that ends later than any may was taken before the clock was set back.
  for _, slot in ipairs(redis.call('ZRANGEBYSCORE', key, '(' .. now + ARGV[3], '+inf')) do
    redis.call('ZADD', key, now + ARGV[3], slot)
  end
  if redis.call('ZCARD', key) >= tonumber(ARGV[place]) then return place end
end
if ARGV[4] ~= '' then
  for _, key in ipairs(KEYS) do
    redis.call('ZADD', key, now + ARGV[3], ARGV[4])
    redis.call('PEXPIRE', key, math.ceil(ARGV[3] * 1000))
  end
end
return 0
"""
# KEYS: all slots, then the owner of each slot. ARGV: the lease, then the slots.
_RENEW = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1e6
for place = 2, #KEYS do
  redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[place])
  redis.call('ZADD', KEYS[place], now + ARGV[1], ARGV[place])
  redis.call('PEXPIRE', KEYS[place], math.ceil(ARGV[1] * 1000))
end
redis.call('PEXPIRE', KEYS[1], math.ceil(ARGV[1] * 1000))
return 0
"""
# KEYS: a window. ARGV: its longest time in milliseconds. Redis counts it down on its wall clock, so that without this
# bound a window of a second would last an hour after the clock was set back by one.
_RESETS_IN = """
local left = redis.call('PTTL', KEYS[1])
if left > tonumber(ARGV[1]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  left = tonumber(ARGV[1])
end
return left
"""
_FULL = {0: None, 1: Full.OWNER, 2: Full.SERVER}
_log = structlog.get_logger()


class RedisStore:
    """Counts together with all servers that use the same Redis."""

    def __init__(self, redis: Redis, windows: RedisStorage, lease_seconds: float) -> None:
        self._redis = redis
        self._windows = windows
        self._lease_seconds = lease_seconds
        self._take_script = redis.register_script(_TAKE)
        self._renew_script = redis.register_script(_RENEW)
        self._resets_in_script = redis.register_script(_RESETS_IN)
        self._held: dict[str, str] = {}

    async def add(self, key: str, amount: int, seconds: int) -> Window:
        """Add to a window of so many seconds, which begins with the first addition."""
        with _unavailable():
            return Window(await self._windows.incr(key, seconds, amount), await self._resets_in(key, seconds))

    async def window(self, key: str) -> Window:
        """Return what was counted so far."""
        with _unavailable():
            return Window(await self._windows.get(key), await self._resets_in(key, DAY_SECONDS))

    async def use(self, digest: str, seconds: float) -> bool:
        """Mark a token as used for so long; return whether it was not marked before by any server."""
        with _unavailable():
            is_first = await self._redis.set(
                f"{_PREFIX}:use:{digest}", 1, nx=True, px=max(1, math.ceil(1000 * seconds))
            )
        return bool(is_first)

    async def full(self, owner: str, limits: SlotLimits) -> Full | None:
        """Return why there is no free slot, None if there is one."""
        return await self._take("", owner, limits)

    async def take(self, slot: str, owner: str, limits: SlotLimits) -> Full | None:
        """Take a slot; return why there is none, None if it was taken."""
        full = await self._take(slot, owner, limits)
        if full is None:
            self._held[slot] = owner
        return full

    async def release(self, slot: str, owner: str) -> None:
        """Free a slot; nothing happens if it is free already."""
        self._held.pop(slot, None)
        with _unavailable():
            await self._redis.zrem(_key(owner), slot)
            await self._redis.zrem(_OVERALL, slot)

    async def renew(self) -> None:
        """Renew the leases of the slots that this server holds."""
        held = list(self._held.items())
        if held:
            with _unavailable():
                keys = [_OVERALL, *(_key(owner) for _, owner in held)]
                values: list[float | str] = [self._lease_seconds, *(slot for slot, _ in held)]
                await self._renew_script(keys, values)

    async def keep_renewing(self) -> None:
        """Renew the leases until cancelled."""
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            try:
                await self.renew()
            except StoreUnavailableError as error:
                _log.warning("slots_not_renewed", error=str(error))

    async def _take(self, slot: str, owner: str, limits: SlotLimits) -> Full | None:
        most = _UNLIMITED if limits.per_owner is None else limits.per_owner
        with _unavailable():
            amounts: list[float | str] = [most, limits.overall, self._lease_seconds, slot]
            return _FULL[await self._take_script([_key(owner), _OVERALL], amounts)]

    async def _resets_in(self, key: str, longest_seconds: int) -> float:
        # On Redis's own clock, which all servers share; a key that is gone, or never expires, has a negative time.
        milliseconds: int = await self._resets_in_script([f"{_PREFIX}:{key}"], [1000 * longest_seconds])
        return max(0.0, milliseconds / 1000)


@asynccontextmanager
async def redis_store(url: str, lease_seconds: float = _LEASE_SECONDS) -> AsyncIterator[RedisStore]:
    """Count at a redis:// or rediss:// address while the context lasts."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_CONNECTIONS,
        timeout=_TIMEOUT_SECONDS,
        socket_timeout=_TIMEOUT_SECONDS,
        socket_connect_timeout=_TIMEOUT_SECONDS,
    )
    windows = RedisStorage(
        f"async+{url}", implementation="redispy", key_prefix=_PREFIX, connection_pool=cast(bool, pool)
    )
    store = RedisStore(Redis(connection_pool=pool), windows, lease_seconds)
    renewing = asyncio.create_task(store.keep_renewing())
    try:
        yield store
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        await pool.disconnect()


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        # The text of the error may hold the address with its password.
        raise StoreUnavailableError(type(error).__name__) from None


def _key(owner: str) -> str:
    return f"{_OVERALL}:{owner}"
