"""Wake any number of readers, a few in each turn of the event loop."""

import asyncio
from collections import deque
from typing import Protocol

# What a reader does when it is woken takes some 10 us; between so many of them other work has its turn.
_AT_ONCE = 32


class Woken(Protocol):
    """A reader; it is due while it waits for its turn, in which it sees all changes until then."""

    is_due: bool

    def wake(self) -> None:
        """Take what has changed."""
        ...


class Broadcast:
    """The readers of something that changes."""

    def __init__(self) -> None:
        # In the order in which they came.
        self._readers: dict[Woken, None] = {}
        self._due: deque[Woken] = deque()

    def __len__(self) -> int:
        return len(self._readers)

    def add(self, reader: Woken) -> None:
        """Wake a reader with each change from now on."""
        self._readers[reader] = None

    def discard(self, reader: Woken) -> None:
        """Wake a reader no more."""
        self._readers.pop(reader, None)

    def wake(self) -> None:
        """Wake all readers, in the order in which they came, each once until its turn."""
        is_waking = bool(self._due)
        for reader in self._readers:
            if not reader.is_due:
                reader.is_due = True
                self._due.append(reader)
        if self._due and not is_waking:
            asyncio.get_running_loop().call_soon(self._wake_some)

    def _wake_some(self) -> None:
        for _ in range(min(_AT_ONCE, len(self._due))):
            reader = self._due.popleft()
            reader.is_due = False
            if reader in self._readers:
                reader.wake()
        if self._due:
            asyncio.get_running_loop().call_soon(self._wake_some)
