"""A circuit breaker, which pauses a failing server; pure, `now` in seconds on any monotonic clock."""

from enum import Enum

from stream.backoff import Backoff

_MOST_FAILURES = 3
_PAUSES = Backoff(first_seconds=1.0, longest_seconds=30.0)
# After so long another trial may begin although the first has neither failed nor been answered.
_TRIAL_SECONDS = 0.5
# For so long other servers are preferred to one that has just failed.
_SUSPICION_SECONDS = 1.0


class State(Enum):
    """CLOSED lets all calls through, OPEN none, HALF_OPEN one at a time as a trial."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """Opens after a few failures in a row; each pause is longer than the one before until a call is answered.

    A failure counts only if its call began after the failure before: a hundred streams that end together are one
    failure.
    """

    def __init__(self) -> None:
        self.state = State.CLOSED
        self._failures = 0
        self._failed_at = float("-inf")
        self._pauses = 0
        self._not_before = 0.0
        self._busy_until = 0.0

    def wait_seconds(self, now: float) -> float:
        """Return for how long no call may begin; 0.0 if one may now."""
        return max(0.0, self._not_before - now, self._busy_until - now)

    def is_broken(self, now: float) -> bool:
        """Whether the server is paused because it failed."""
        return self.state is State.OPEN and now < self._not_before

    def is_suspect(self, now: float) -> bool:
        """Whether another server is the better choice."""
        return self._failures > 0 and now < self._failed_at + _SUSPICION_SECONDS

    def began(self, now: float) -> None:
        """Record that a call begins."""
        if self.state is not State.CLOSED:
            self.state = State.HALF_OPEN
            self._not_before = now + _TRIAL_SECONDS

    def answered(self) -> None:
        """Record the first answer to a call."""
        self.state = State.CLOSED
        self._failures = 0
        self._pauses = 0
        self._not_before = 0.0

    def failed(self, began: float, now: float) -> None:
        """Record that a call which began at `began` failed through the fault of the server."""
        if began < self._failed_at:
            return
        self._failures += 1
        self._failed_at = now
        if self.state is State.HALF_OPEN or (self.state is State.CLOSED and self._failures >= _MOST_FAILURES):
            self.state = State.OPEN
            self._not_before = now + _PAUSES.delay_seconds(self._pauses)
            self._pauses += 1

    def is_busy(self, seconds: float, now: float) -> None:
        """Record that the server is overloaded for so long, which is not a failure."""
        self._busy_until = max(self._busy_until, now + seconds)

    def came_back(self, now: float) -> None:
        """Record that the server is up again: a trial may begin at once."""
        if self.state is State.OPEN:
            self.state = State.HALF_OPEN
            self._not_before = now
