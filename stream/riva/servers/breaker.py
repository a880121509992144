"""Owns the decision to leave a failing server alone for a while; pure, `now` in seconds on any steady clock."""

from enum import Enum

_MOST_FAILURES = 3
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
# A trial that neither failed nor was answered by then keeps no further one waiting.
_TRIAL_SECONDS = 0.5
# So long other servers are preferred to one that has just failed.
_SUSPICION_SECONDS = 1.0


class State(Enum):
    """CLOSED lets calls through, OPEN none, HALF_OPEN one at a time to see how it goes."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """Opens after a few failures in a row; each pause is twice the one before until a call is answered.

    A failure counts only if its call began after the failure before: a hundred streams that end together tell one
    thing.
    """

    def __init__(self) -> None:
        self.state = State.CLOSED
        self._failures = 0
        self._failed_at = float("-inf")
        self._pause_seconds = _FIRST_PAUSE_SECONDS
        self._not_before = 0.0
        self._busy_until = 0.0

    def wait_seconds(self, now: float) -> float:
        """How long no call may begin; 0.0 if one may now."""
        return max(0.0, self._not_before - now, self._busy_until - now)

    def is_broken(self, now: float) -> bool:
        """Whether the server is left alone because it failed."""
        return self.state is State.OPEN and now < self._not_before

    def is_suspect(self, now: float) -> bool:
        """Whether another server, if there is one, is the better choice."""
        return self._failures > 0 and now < self._failed_at + _SUSPICION_SECONDS

    def began(self, now: float) -> None:
        """A call begins."""
        if self.state is not State.CLOSED:
            self.state = State.HALF_OPEN
            self._not_before = now + _TRIAL_SECONDS

    def answered(self) -> None:
        """A call got its first answer."""
        self.state = State.CLOSED
        self._failures = 0
        self._pause_seconds = _FIRST_PAUSE_SECONDS
        self._not_before = 0.0

    def failed(self, began: float, now: float) -> None:
        """A call that began at `began` failed in a way that speaks of the server."""
        if began < self._failed_at:
            return
        self._failures += 1
        self._failed_at = now
        if self.state is State.HALF_OPEN or (self.state is State.CLOSED and self._failures >= _MOST_FAILURES):
            self.state = State.OPEN
            self._not_before = now + self._pause_seconds
            self._pause_seconds = min(2 * self._pause_seconds, _LONGEST_PAUSE_SECONDS)

    def is_busy(self, seconds: float, now: float) -> None:
        """The server has too much to do for so long: no fault of it."""
        self._busy_until = max(self._busy_until, now + seconds)

    def came_back(self, now: float) -> None:
        """The server was found up after it was down: a trial may begin at once."""
        if self.state is State.OPEN:
            self.state = State.HALF_OPEN
            self._not_before = now
