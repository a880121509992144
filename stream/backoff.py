"""Exponential backoff: the delays between retries; pure.

A retry in this project waits on the loop's clock, and combines its delay with hints of the other side and limits of its
own. So this computes delays and leaves the waiting to the caller; `tenacity` and `stamina` do both at once, on the
machine's clock.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays that begin with `first_seconds` and grow by `factor` each time, up to `longest_seconds`."""

    first_seconds: float
    longest_seconds: float
    factor: float = 2.0

    def delay_seconds(self, retries: int, *, jitter: float = 1.0) -> float:
        """Return the delay after so many earlier retries.

        `jitter` from 0 to 1 chooses from the upper half of the delay, so that clients which failed together do not
        retry together; 1 is the whole delay.
        """
        # Beyond so many doublings the limit applies to any sensible delays, and powers would overflow.
        grown = self.first_seconds * self.factor ** min(retries, 64)
        return min(grown, self.longest_seconds) * (1 + jitter) / 2
