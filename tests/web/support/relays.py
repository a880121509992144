"""Transports of relays in the memory of a test."""

import asyncio
from collections.abc import AsyncIterator


class Wires:
    """Transports that reach each other; `is_cut` drops what is sent meanwhile."""

    def __init__(self) -> None:
        self.is_cut = False
        self._ends: list[MemoryTransport] = []

    def end(self) -> "MemoryTransport":
        """Return the transport of one more process."""
        self._ends.append(MemoryTransport(self))
        return self._ends[-1]

    def send(self, message: bytes) -> None:
        for end in self._ends if not self.is_cut else ():
            end.received.put_nowait(message)


class MemoryTransport:
    """The transport of one process."""

    def __init__(self, wires: Wires) -> None:
        self._wires = wires
        self.received: asyncio.Queue[bytes] = asyncio.Queue()

    def send(self, message: bytes) -> None:
        self._wires.send(message)

    async def messages(self) -> AsyncIterator[bytes]:
        while True:
            yield await self.received.get()
