"""Start requests and handshakes one at a time, with the addresses taking turns."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable

# How long open streams have the event loop for themselves between two starts.
_PAUSE_SECONDS = 0.001

Action = Callable[[], float | None]
"""Starts a request; returns how many seconds the next one waits, None for the usual millisecond."""


class RequestGate:
    """Starts one request at a time, so that an open stream never waits for more than one, however many come at once.

    Addresses take turns: a request waits for one of each other address, not for all of a busy one. The queue is
    bounded by the open connections, each of which has at most one request waiting.
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[Action]] = OrderedDict()
        self._is_running = False

    def enter(self, action: Action, source: str = "") -> None:
        """Start a request when it is its turn: now if nothing waits."""
        self._waiting.setdefault(source, deque()).append(action)
        if not self._is_running:
            self._start_next()

    def _start_next(self) -> None:
        self._is_running = bool(self._waiting)
        if not self._is_running:
            return
        pause: float | None = None
        try:
            pause = self._take_next()()
        finally:
            asyncio.get_running_loop().call_later(pause or _PAUSE_SECONDS, self._start_next)

    def _take_next(self) -> Action:
        source, actions = self._waiting.popitem(last=False)
        action = actions.popleft()
        if actions:
            self._waiting[source] = actions
        return action
