"""Deadlines that move often: an assignment each time, and a timer of the event loop only now and then."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self


class MovingTimer:
    """Calls `passed` once when its deadline passes, unless that has moved on by then.

    asyncio's own handles are cancelled and made anew with each move, which costs several times as much as a message
    that moves them. To be made and used inside one event loop; times are the loop's.
    """

    def __init__(self, passed: Callable[[], None]) -> None:
        self._passed = passed
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None
        self._fires_at = 0.0
        self._due: float | None = None

    @property
    def due(self) -> float | None:
        """When the deadline passes; None for never."""
        return self._due

    def move(self, due: float | None) -> None:
        """Set the deadline; None for never."""
        self._due = due
        if due is not None and (self._handle is None or due < self._fires_at):
            self._arm(due)

    def close(self) -> None:
        """Call nobody any more."""
        self._due = None
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self, due: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._fires_at = due
        self._handle = self._loop.call_at(due, self._fire)

    def _fire(self) -> None:
        self._handle = None
        if self._due is None:
            return
        # A loop's clock may be coarser than its timers, and then calls a moment early.
        if self._loop.time() < self._due:
            self._arm(self._due)
            return
        self._due = None
        self._passed()


class MovingTimeout:
    """An `asyncio.timeout` whose deadline may move with every message."""

    def __init__(self) -> None:
        self._timeout = asyncio.timeout(None)
        self._timer = MovingTimer(self._expire)
        self._is_expiring = False

    def expired(self) -> bool:
        """Whether the deadline has passed."""
        return self._timeout.expired()

    def move(self, due: float | None) -> None:
        """Set the deadline; None for never."""
        if self._timeout.expired():
            return
        if self._is_expiring:
            # What was waited for came in the same round of the loop.
            self._is_expiring = False
            self._timeout.reschedule(None)
        self._timer.move(due)

    def expire(self) -> None:
        """End what is waited for now, with TimeoutError."""
        self._timer.move(None)
        self._expire()

    def _expire(self) -> None:
        if not self._timeout.expired():
            self._is_expiring = True
            self._timeout.reschedule(asyncio.get_running_loop().time())

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._timer.close()
        # Raises TimeoutError where the deadline has passed.
        await self._timeout.__aexit__(kind, error, traceback)
