"""The order in which requests and handshakes are begun: one at a time, each address in its turn."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable

_APART_SECONDS = 0.001

Action = Callable[[], float | None]
"""Begins a request; returns how many seconds the next one shall wait, None for the usual millisecond."""


class Turnstile:
    """Lets one enter at a time, so that no open stream waits for more than one, however many come at once.

    Addresses take turns: whoever comes from one of them waits for one of each other address, not for all of a crowd.
    Bounded by the open connections: each has at most one thing waiting.
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[Action]] = OrderedDict()
        self._is_turning = False

    def enter(self, action: Action, source: str = "") -> None:
        """Do it once the ones before it are through, at once if nobody waits."""
        self._waiting.setdefault(source, deque()).append(action)
        if not self._is_turning:
            self._turn()

    def _turn(self) -> None:
        self._is_turning = bool(self._waiting)
        if not self._is_turning:
            return
        pause: float | None = None
        try:
            pause = self._next()()
        finally:
            asyncio.get_running_loop().call_later(pause or _APART_SECONDS, self._turn)

    def _next(self) -> Action:
        source, actions = self._waiting.popitem(last=False)
        action = actions.popleft()
        if actions:
            self._waiting[source] = actions
        return action
