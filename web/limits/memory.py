"""Owns the counting of one server by itself, in its memory."""

import time

from limits.aio.storage.memory import MemoryStorage

from web.limits.store import Full, Room, Window


class MemoryStore:
    """Counts what this process sees; nothing here waits."""

    def __init__(self) -> None:
        self._windows = MemoryStorage()
        self._slots: dict[str, set[str]] = {}
        self._taken = 0

    async def add(self, key: str, amount: int, seconds: int) -> Window:
        """Count in a window of so many seconds, which begins with the first count."""
        return Window(await self._windows.incr(key, seconds, amount), await self._resets_in(key))

    async def window(self, key: str) -> Window:
        """What is counted so far."""
        return Window(await self._windows.get(key), await self._resets_in(key))

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

    async def _resets_in(self, key: str) -> float:
        return max(0.0, await self._windows.get_expiry(key) - time.time())
