"""Owns the counting of one server by itself, in its memory."""

import heapq
from dataclasses import dataclass

from web.clock import Clock
from web.limits.store import Full, Room, Window


@dataclass(slots=True)
class _Count:
    """What was counted in a window that lasts until `ends_at`."""

    ends_at: float
    amount: int = 0


class MemoryStore:
    """Counts what this process sees, on the event loop's clock; nothing here waits."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: dict[str, _Count] = {}
        self._by_end: list[tuple[float, str]] = []
        self._slots: dict[str, set[str]] = {}
        self._taken = 0

    async def add(self, key: str, amount: int, seconds: int) -> Window:
        """Count in a window of so many seconds, which begins with the first count."""
        now = self._clock()
        self._forget(now)
        count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = _Count(now + seconds)
            heapq.heappush(self._by_end, (count.ends_at, key))
        count.amount += amount
        return Window(count.amount, count.ends_at - now)

    async def window(self, key: str) -> Window:
        """What is counted so far."""
        now = self._clock()
        self._forget(now)
        count = self._counts.get(key)
        return Window(0, 0.0) if count is None else Window(count.amount, count.ends_at - now)

    async def full(self, owner: str, room: Room) -> Full | None:
        """Why there would be no slot now, None if there is one."""
        if room.of_owner is not None and len(self._slots.get(owner, ())) >= room.of_owner:
            return Full.OWNER
        return Full.SERVER if self._taken >= room.overall else None

    async def take(self, slot: str, owner: str, room: Room) -> Full | None:
        """Take a slot, unless there is none."""
        full = await self.full(owner, room)
        if full is None:
            self._slots.setdefault(owner, set()).add(slot)
            self._taken += 1
        return full

    async def give_back(self, slot: str, owner: str) -> None:
        """Free a slot; one that is free already stays so."""
        slots = self._slots.get(owner, set())
        if slot not in slots:
            return
        slots.remove(slot)
        self._taken -= 1
        if not slots:
            del self._slots[owner]

    def _forget(self, now: float) -> None:
        """Let every window go that is over, so that nothing stays of whoever came once."""
        while self._by_end and self._by_end[0][0] <= now:
            del self._counts[heapq.heappop(self._by_end)[1]]
