"""The clocks of the system, read here only: code that needs the time is given a clock, so that tests can set it.

Durations are measured on the clock of the running event loop instead.
"""

import time
from collections.abc import Callable

Clock = Callable[[], float]

wall_clock: Clock = time.time
"""The time of day in seconds since 1970."""

steady_clock: Clock = time.monotonic
"""Seconds that only go forward, for threads without an event loop, and for work within one of its callbacks."""


def boot_clock() -> float:
    """Return the seconds since the machine was started, including sleep; this clock cannot be set."""
    # Without CLOCK_BOOTTIME, as on macOS, sleep looks like a jump of the wall clock.
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


thread_clock: Clock = time.thread_time
"""Seconds of processor time of the calling thread."""
