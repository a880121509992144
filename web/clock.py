"""The time of day, in the one place that reads it. Whatever needs it is given a clock, so that tests choose it.

How long something takes is counted on the clock of the running event loop instead.
"""

import time
from collections.abc import Callable

Clock = Callable[[], float]

wall_clock: Clock = time.time
"""The time of day in seconds since 1970."""

steady_clock: Clock = time.monotonic
"""Seconds that only go forward, for threads without an event loop, and for what happens within one of its callbacks."""


def boot_clock() -> float:
    """Seconds since the machine was started, its sleep among them; nobody can set it."""
    # Without CLOCK_BOOTTIME, as on macOS, what was slept looks like a leap of the wall clock.
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


thread_clock: Clock = time.thread_time
"""Seconds of work of the calling thread."""
