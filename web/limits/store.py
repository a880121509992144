"""Counters for limits: amounts in windows of time, and slots for streams; in the memory of one process."""

import heapq
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from web.clock import Clock

DAY_SECONDS = 86_400
"""The longest window."""


class Full(Enum):
    """The reason why there is no slot: the owner holds all of theirs, or the server has none left."""

    OWNER = auto()
    SERVER = auto()


class StoreUnavailableError(Exception):
    """The store cannot count now."""


@dataclass(frozen=True, slots=True)
class Window:
    """The amount that was counted since a window began, and the seconds until the window ends."""

    amount: int
    resets_in_seconds: float


@dataclass(frozen=True, slots=True)
class SlotLimits:
    """The number of slots: for one owner (None for no limit of their own), and for all together."""

    per_owner: int | None
    overall: int


class Store(Protocol):
    """A store of counters; every method may raise StoreUnavailableError."""

    async def add(self, key: str, amount: int, seconds: int) -> Window:
        """Add to a window of so many seconds, which begins with the first addition."""
        ...

    async def window(self, key: str) -> Window:
        """Return what was counted so far."""
        ...

    async def full(self, owner: str, limits: SlotLimits) -> Full | None:
        """Return why there is no free slot, None if there is one."""
        ...

    async def take(self, slot: str, owner: str, limits: SlotLimits) -> Full | None:
        """Take a slot; return why there is none, None if it was taken."""
        ...

    async def release(self, slot: str, owner: str) -> None:
        """Free a slot; nothing happens if it is free already."""
        ...


@dataclass(slots=True)
class _Count:
    """The amount that was counted in a window that lasts until `ends_at`."""

    ends_at: float
    amount: int = 0


class MemoryStore:
    """Counts in the memory of this process, on the event loop's clock; nothing here waits."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: dict[str, _Count] = {}
        self._by_end: list[tuple[float, str]] = []
        self._slots: dict[str, set[str]] = {}
        self._taken = 0

    async def add(self, key: str, amount: int, seconds: int) -> Window:
        """Add to a window of so many seconds, which begins with the first addition."""
        now = self._clock()
        self._forget(now)
        count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = _Count(now + seconds)
            heapq.heappush(self._by_end, (count.ends_at, key))
        count.amount += amount
        return Window(count.amount, count.ends_at - now)

    async def window(self, key: str) -> Window:
        """Return what was counted so far."""
        now = self._clock()
        self._forget(now)
        count = self._counts.get(key)
        return Window(0, 0.0) if count is None else Window(count.amount, count.ends_at - now)

    async def full(self, owner: str, limits: SlotLimits) -> Full | None:
        """Return why there is no free slot, None if there is one."""
        if limits.per_owner is not None and len(self._slots.get(owner, ())) >= limits.per_owner:
            return Full.OWNER
        return Full.SERVER if self._taken >= limits.overall else None

    async def take(self, slot: str, owner: str, limits: SlotLimits) -> Full | None:
        """Take a slot; return why there is none, None if it was taken."""
        full = await self.full(owner, limits)
        if full is None:
            self._slots.setdefault(owner, set()).add(slot)
            self._taken += 1
        return full

    async def release(self, slot: str, owner: str) -> None:
        """Free a slot; nothing happens if it is free already."""
        slots = self._slots.get(owner, set())
        if slot not in slots:
            return
        slots.remove(slot)
        self._taken -= 1
        if not slots:
            del self._slots[owner]

    def _forget(self, now: float) -> None:
        """Delete the windows that have ended, so that the memory of past clients is freed."""
        while self._by_end and self._by_end[0][0] <= now:
            del self._counts[heapq.heappop(self._by_end)[1]]
