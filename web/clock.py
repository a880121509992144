"""The time of day, in the one place that reads it. Whatever needs it is given a clock, so that tests choose it.

How long something takes is counted on the clock of the running event loop instead.
"""

import time
from collections.abc import Callable

Clock = Callable[[], float]

wall_clock: Clock = time.time
"""The time of day in seconds since 1970."""

steady_clock: Clock = time.monotonic
"""Seconds that only go forward, for the one thread that has no event loop whose clock it could read."""
