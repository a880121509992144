"""The retry policy of a failed recognition: delays, and when to give up; pure."""

from collections.abc import Callable

from stream.backoff import Backoff

_BACKOFF = Backoff(first_seconds=0.05, longest_seconds=2.0)
# Audio that has failed a server so often would fail it again.
_MOST_TRIES = 6
# A server that cannot be reached may be starting: with a model to load that takes a while.
_GIVE_UP_SECONDS = 30.0
# One that is full, and does not say when to come again.
_FULL_SECONDS = 1.0


class Retry:
    """The tries of one stream; times are seconds on the caller's clock, `jitter` gives numbers from 0 to 1."""

    def __init__(self, now: float, jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        self.progressed(now)

    def progressed(self, now: float) -> None:
        """Start counting anew, because the recognizer got further than ever before."""
        self._progressed = now
        self._failures = 0
        self._tries = 0

    def held(self, hint_seconds: float | None) -> float:
        """Return after how many seconds to ask a full recognizer again; that is no failure and counts as none."""
        hint = _FULL_SECONDS if hint_seconds is None else hint_seconds
        # Streams that were refused together must not all ask again together.
        delay = max(hint, _BACKOFF.first_seconds) * (1 + self._jitter() / 4)
        self._progressed += delay
        return delay

    def delay(self, now: float, *, was_taken: bool, hint_seconds: float | None = None) -> float | None:
        """Return after how many seconds to try again; None to give up.

        `was_taken` when the recognizer had accepted the stream before it failed; one that refuses or cannot be
        reached is asked for longer. `hint_seconds` is the recognizer's own request.
        """
        self._tries += was_taken
        if self._tries >= _MOST_TRIES or now - self._progressed >= _GIVE_UP_SECONDS:
            return None
        seconds = _BACKOFF.delay_seconds(self._failures, jitter=self._jitter())
        self._failures += 1
        return max(seconds, hint_seconds or 0.0)
