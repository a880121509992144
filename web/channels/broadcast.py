"""Wake any number of waiting readers, a few in each turn of the event loop."""

import asyncio
from collections import deque

# What a reader does when it is woken takes some 30 us; between so many of them other work has its turn.
_AT_ONCE = 32


class Broadcast:
    """The readers that wait for the next change."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[bool]] = []
        self._due: deque[asyncio.Future[bool]] = deque()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._due)

    def wait(self) -> asyncio.Future[bool]:
        """Return a future that the next change sets to True; whoever waits may set it to False."""
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        return waiting

    def wake(self) -> None:
        """Wake all who wait now, in the order in which they came."""
        if not self._waiting:
            return
        is_waking = bool(self._due)
        self._due += self._waiting
        self._waiting = []
        if not is_waking:
            asyncio.get_running_loop().call_soon(self._wake_some)

    def _wake_some(self) -> None:
        for _ in range(min(_AT_ONCE, len(self._due))):
            waiting = self._due.popleft()
            if not waiting.done():
                waiting.set_result(True)
        if self._due:
            asyncio.get_running_loop().call_soon(self._wake_some)
