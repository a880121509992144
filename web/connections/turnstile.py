"""Owns the order in which what strangers send is looked at: one at a time, with everybody else in between."""

import asyncio
from collections import deque
from collections.abc import Callable

_APART_SECONDS = 0.001


class Turnstile:
    """Lets one enter at a time, so that no open stream waits for more than one, however many come at once.

    Bounded by the open connections: each has at most one thing waiting.
    """

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], float | None]] = deque()
        self._is_turning = False

    def enter(self, action: Callable[[], float | None]) -> None:
        """Do it once all that wait are through, at once if nobody does; it returns how long the next shall wait."""
        self._waiting.append(action)
        if not self._is_turning:
            self._turn()

    def _turn(self) -> None:
        self._is_turning = bool(self._waiting)
        if not self._is_turning:
            return
        pause: float | None = None
        try:
            pause = self._waiting.popleft()()
        finally:
            asyncio.get_running_loop().call_later(pause or _APART_SECONDS, self._turn)
